"""A LightningModule as a model: its forward pass, and its own `training_step`."""

import importlib
from dataclasses import replace
from typing import Any

from hwbench.dialects.torch_vision import when_torchvision_is_imported
from hwbench.dialects.user_code import Given, given, raised, wrong
from hwbench.errors import Unavailable, one_line
from hwbench.model_spec import ModelSpec

LIBRARIES = ("lightning", "pytorch_lightning")
REMEDY = "pip install lightning"


def of_lightning(spec: ModelSpec) -> Given:
    """Return the module that a class makes, with a batch of its own `train_dataloader`.

    Without one, `example_input_array` is the batch, and what it trains by is its output's.
    """
    library = _library()
    found = given(spec)
    module = found.model
    if not isinstance(module, library.LightningModule):
        raise wrong(spec, f"makes a {type(module).__name__}, which is no LightningModule")
    module.log = module.log_dict = _nowhere  # they are the Trainer's, and there is none
    batch = _batch(spec, module, library.LightningModule)
    optimizer = _optimizer(spec, module)
    if batch is None:
        return replace(found, optimizer=optimizer)
    inputs, targets = _parted(spec, batch)
    return replace(
        found, inputs=inputs, targets=targets, optimizer=optimizer, train=_step(module, targets)
    )


def _nowhere(*values: Any, **more: Any) -> None:
    """Stand in for logging."""


def _library() -> Any:
    when_torchvision_is_imported()
    for name in LIBRARIES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as e:
            if e.name != name:
                raise Unavailable(
                    f"{name} needs {e.name}, which is not installed", REMEDY
                ) from None
        except Exception as e:  # of a library that does not fit the others
            raise Unavailable(f"{name} cannot be imported: {one_line(str(e))}", REMEDY) from None
    raise Unavailable("lightning: names a LightningModule, and Lightning is not installed", REMEDY)


def _batch(spec: ModelSpec, module: Any, base: Any) -> Any:
    """Return the first batch of its own `train_dataloader`, None where it has none."""
    own = getattr(type(module), "train_dataloader", None)
    if own is None or own is getattr(base, "train_dataloader", None):
        return None
    try:
        return next(iter(module.train_dataloader()))
    except Exception as e:
        raise raised(spec, e, "when its train_dataloader was asked for a batch") from None


def _parted(spec: ModelSpec, batch: Any) -> tuple[Any, Any]:
    """Return (inputs, targets) of a batch; targets are the last of two or more."""
    import torch

    if torch.is_tensor(batch):
        return (batch,), None
    if isinstance(batch, (tuple, list)) and all(torch.is_tensor(b) for b in batch):
        return (tuple(batch[:-1]), batch[-1]) if len(batch) > 1 else (tuple(batch), None)
    raise wrong(spec, f"has batches that are a {type(batch).__name__}: tensors are taken")


def _step(module: Any, targets: Any) -> Any:
    def step(inputs: tuple[Any, ...], labels: Any) -> Any:
        batch = inputs[0] if targets is None and len(inputs) == 1 else (*inputs, labels)
        found = module.training_step(batch, 0)
        return found["loss"] if isinstance(found, dict) else found

    return step


def _optimizer(spec: ModelSpec, module: Any) -> Any:
    """Return what makes its optimiser; of several, with schedules or without, the first."""
    try:
        found = module.configure_optimizers()
    except Exception as e:
        raise raised(spec, e, "when its optimiser was configured") from None
    while isinstance(found, (tuple, list, dict)):
        found = found["optimizer"] if isinstance(found, dict) else found[0]
    return found
