"""The user's own factory: imported and called, and what it does wrong said in one line."""

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from hwbench.dialects.torch_vision import when_torchvision_is_imported
from hwbench.errors import BadInput, HwbenchError, one_line
from hwbench.model_spec import ModelSpec

KEYS = ("model", "inputs", "targets", "loss", "optimizer", "item")
RETURNS = (
    "a module, (module, inputs), (module, inputs, loss), (module, inputs, loss, optimizer), or a"
    f" dict of {', '.join(KEYS)}"
)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a factory returned, by name; None for what it left out.

    `inputs` are a batch: a tensor, a tuple of tensors, or a dict of keyword arguments. `targets` is
    a tensor of as many items. `loss(output, targets)`, or `loss(output)`, gives a scalar.
    `optimizer` is one, or what makes one of parameters.
    """

    model: Any
    inputs: Any = None
    targets: Any = None
    loss: Any = None
    optimizer: Any = None
    item: str | None = None
    train: Any = None  # (inputs, targets) -> the loss: a step that is the module's own


def given(spec: ModelSpec) -> Given:
    """Import what the spec names, call it, and take apart what it returns; raise BadInput."""
    found = _called(spec, _found(spec))
    return _taken(spec, found)


def wrong(spec: ModelSpec, what: str) -> BadInput:
    """Return the error that says what a model's code did."""
    return BadInput(f"--model {spec.text}: {what}")


def raised(spec: ModelSpec, error: BaseException, doing: str) -> HwbenchError:
    """Return the error for what was raised by, or in, a user's code."""
    if isinstance(error, HwbenchError):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name:
        return wrong(spec, f"{doing}, it imports {error.name}, which is not installed here")
    if isinstance(error, SyntaxError):
        place = f"{os.path.basename(error.filename or '')}:{error.lineno}"
        return wrong(spec, f"is no Python: {error.msg} ({place})")
    frames = traceback.extract_tb(error.__traceback__)
    ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    theirs = [f for f in frames if not os.path.abspath(f.filename).startswith(ours + os.sep)]
    own = [f for f in theirs if "site-packages" not in f.filename and f.filename[:1] != "<"]
    place = f" ({os.path.basename(own[-1].filename)}:{own[-1].lineno})" if own else ""
    return wrong(spec, f"{doing}, it raised {type(error).__name__}: {one_line(str(error))}{place}")


def loss_problem(loss: Callable[..., Any], wanted: int) -> str | None:
    """Return what is wrong with a loss that is given `wanted` arguments, None where nothing is."""
    try:
        inspect.signature(loss).bind(*range(wanted))
    except TypeError:
        if wanted == 1:
            return (
                "its loss takes more than the output, but no targets were given: return them as"
                " 'targets', a tensor of as many items"
            )
        return "its loss does not take (output, targets)"
    except ValueError:
        return None
    return None


def _found(spec: ModelSpec) -> Any:
    module = _module(spec)
    found = getattr(module, spec.attribute, None)
    if found is None:
        names = [n for n in vars(module) if not n.startswith("_")]
        near = get_close_matches(spec.attribute, names, n=3, cutoff=0.5)
        hint = f": did you mean {', '.join(near)}?" if near else ""
        raise wrong(spec, f"{spec.target} has no {spec.attribute}{hint}")
    return found


def _module(spec: ModelSpec) -> Any:
    """Import the module; a file's folder, or the working folder, is looked in first."""
    when_torchvision_is_imported()
    try:
        if spec.kind != "file":
            sys.path.insert(0, os.getcwd())
            return importlib.import_module(spec.target)
        path = os.path.abspath(spec.target)
        sys.path.insert(0, os.path.dirname(path))
        name = os.path.splitext(os.path.basename(path))[0]
        found = importlib.util.spec_from_file_location(name, path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[name] = module  # what it defines may be pickled, and found by inspection
        found.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # SystemExit among them
        raise raised(spec, e, "when it was imported") from None
    return module


def _called(spec: ModelSpec, found: Any) -> Any:
    """Call a factory or a class; a module that was made already is taken as it is."""
    if not callable(found) or (hasattr(found, "parameters") and not inspect.isclass(found)):
        return found
    try:
        needed = [
            p.name
            for p in inspect.signature(found).parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
    except (TypeError, ValueError):
        needed = []
    if needed:
        raise wrong(spec, f"needs arguments ({', '.join(needed)}): name a function that takes none")
    try:
        return found()
    except KeyboardInterrupt:
        raise
    except BaseException as e:
        raise raised(spec, e, "when it was called") from None


def _taken(spec: ModelSpec, found: Any) -> Given:
    if isinstance(found, Mapping) and not hasattr(found, "parameters"):
        unknown = [str(k) for k in found if k not in KEYS]
        if unknown or "model" not in found:
            what = f"has {', '.join(unknown)}" if unknown else "has no 'model'"
            raise wrong(spec, f"returned a dict that {what}; it returns {RETURNS}")
        made = Given(**found)
    elif isinstance(found, tuple) and not hasattr(found, "parameters"):
        if not 1 <= len(found) <= 4:
            raise wrong(spec, f"returned a tuple of {len(found)}; it returns {RETURNS}")
        made = Given(**dict(zip(("model", "inputs", "loss", "optimizer"), found, strict=False)))
    else:
        made = Given(model=found)
    if not (hasattr(made.model, "parameters") or hasattr(made.model, "init")):
        raise wrong(spec, f"returned {_kind(made.model)} for a model; it returns {RETURNS}")
    if made.loss is not None and not callable(made.loss):
        raise wrong(spec, f"returned {_kind(made.loss)} for the loss, which is a function")
    return made


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"
