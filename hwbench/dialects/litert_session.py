"""LiteRT's interpreter, quietly: made ready for shapes, its inputs in the order of arguments."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwbench.dialects.libraries import load

REMEDY = "pip install 'hwbench-dl[litert]'"
# What `--runtime-option NAME=VALUE` sets; the first value is the default.
OPTIONS = {"kernels": ("xnnpack", "builtin")}
_NUMBERED = re.compile(r"(?:args|output)_(\d+)(?:_output)?$")  # as the converter calls them


def library() -> Any:
    """Return ai_edge_litert.interpreter; raise Unavailable when it cannot be imported."""
    load("ai_edge_litert", REMEDY)
    return load("ai_edge_litert.interpreter", REMEDY)


def interpreter(
    model: Path, threads: int, *, kernels: str = "xnnpack", shapes: Sequence[Any] = ()
) -> Any:
    """Return an interpreter of a file with its memory taken; an open size is set by `shapes`.

    Raises what the library raises, ValueError or RuntimeError, for a file that it cannot take.
    """
    with hushed():
        made = _opened(model, threads, kernels)
        for given, shape in zip(inputs(made), shapes, strict=False):
            if tuple(given["shape"]) != tuple(shape):
                made.resize_tensor_input(given["index"], list(shape), strict=True)
        made.allocate_tensors()
    return made


def described(model: Path) -> Any:
    """Return an interpreter that takes no memory yet, to tell of its inputs; raise likewise."""
    with hushed():
        return _opened(model, 1, "builtin")


def _opened(model: Path, threads: int, kernels: str) -> Any:
    lite = library()
    kinds = lite.OpResolverType
    return lite.Interpreter(
        model_path=str(model),
        num_threads=threads,
        experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        if kernels == "builtin"
        else kinds.BUILTIN,
    )


def inputs(made: Any) -> list[Mapping[str, Any]]:
    """Return what an interpreter tells of its inputs, in the order of the model's arguments."""
    return _ordered(made.get_input_details())


def outputs(made: Any) -> list[Mapping[str, Any]]:
    """Return what an interpreter tells of its outputs, in the order that the model gives them."""
    return _ordered(made.get_output_details())


def _ordered(details: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Sort by the numbers that the converter gave; another file's order is its own."""
    found = [_NUMBERED.search(d["name"]) for d in details]
    numbers = [int(match[1]) for match in found if match]
    if len(numbers) != len(details):
        return details
    return [d for _, d in sorted(zip(numbers, details, strict=True), key=lambda pair: pair[0])]


def put(made: Any, values: Sequence[Any]) -> None:
    """Copy values into the inputs' memory, where they stay: ids are int32 in most files."""
    for given, value in zip(inputs(made), values, strict=True):
        made.set_tensor(given["index"], value.astype(given["dtype"], copy=False))


@contextmanager
def hushed() -> Iterator[None]:
    """Keep away what C++ tells on standard error; errors are raised, not printed."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with tempfile.TemporaryFile() as away:
            os.dup2(away.fileno(), 2)
            yield
            sys.stderr.flush()
    finally:
        os.dup2(before, 2)
        os.close(before)
