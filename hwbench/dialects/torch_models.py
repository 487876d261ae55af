"""Models of the user's own in torch: built from their spec, and made to train."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from hwbench.dialects import torch_libraries
from hwbench.dialects.user_code import Given, given, raised, wrong
from hwbench.model_spec import ModelSpec, parse

SEED = 0
_kept: dict[tuple[str, bool], Given] = {}  # of this process: what an optimiser is made by


def build(config: Mapping[str, int], spec: str, pretrained: bool = False) -> Any:
    """Return the module of a spec in float32, the same in every process; raise BadInput."""
    asked = parse(spec)
    found = made_of(asked, pretrained, config.get("layers"))
    return adapted(asked, found)


def optimizer(spec: str, parameters: Iterable[Any]) -> Any:
    """Return the factory's own optimiser over these parameters."""
    asked = parse(spec)
    found = _kept.get((spec, False)) or _kept.get((spec, True)) or made_of(asked, False)
    own, given_parameters = found.optimizer, list(parameters)
    try:
        if hasattr(own, "param_groups"):  # made already, over a module's own parameters
            return type(own)(given_parameters, **own.defaults)
        return own(given_parameters)
    except Exception as e:
        raise raised(asked, e, "when its optimiser was made") from None


def made_of(
    spec: ModelSpec, pretrained: bool, layers: int | None = None, held: bool = True
) -> Given:
    """Build anew what the spec names, from the same seeds each time; `layers` cuts it to so many.

    Only models of transformers that are stacks of blocks are cut, and made without memory where
    they are not `held`.
    """
    import numpy as np
    import torch

    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)
    if spec.kind == "timm":
        found = torch_libraries.of_timm(spec, pretrained)
    elif spec.kind == "hf":
        found = torch_libraries.of_transformers(spec, pretrained, layers, held)
    elif spec.kind == "lightning":
        from hwbench.dialects.torch_lightning import of_lightning

        found = of_lightning(spec)
    else:
        found = given(spec)
    if not isinstance(found.model, torch.nn.Module):
        raise wrong(spec, f"gives a {type(found.model).__name__}, which is no torch.nn.Module")
    if held:
        _kept[spec.text, pretrained] = found
    return found


def inputs_of(spec: ModelSpec, found: Given) -> dict[str | int, Any]:
    """Return the inputs of a batch by the name of their argument, or by its place."""
    import torch

    inputs = found.inputs
    if inputs is None:
        inputs = getattr(found.model, "example_input_array", None)
    if inputs is None:
        raise wrong(
            spec,
            "returned a module without inputs: return (module, inputs), inputs being a batch as"
            " the module takes it",
        )
    if isinstance(inputs, Mapping):
        by_name: dict[str | int, Any] = dict(inputs)
    else:
        by_name = dict(enumerate(inputs if isinstance(inputs, (tuple, list)) else (inputs,)))
    for name, value in by_name.items():
        if not torch.is_tensor(value) or value.dim() < 1 or not len(value):
            raise wrong(
                spec,
                f"gives input {name} as {type(value).__name__}: a tensor whose first dimension"
                " is the batch",
            )
    if len({len(v) for v in by_name.values()}) != 1:
        lengths = ", ".join(str(len(v)) for v in by_name.values())
        raise wrong(spec, f"gives inputs of different batches: {lengths} items")
    return by_name


def adapted(spec: ModelSpec, found: Given) -> Any:
    """Return a module that takes tensors in order and returns logits, with `loss` to train by."""
    import torch

    names = [n for n in inputs_of(spec, found) if isinstance(n, str)]

    class Adapted(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.module = found.model

        def forward(self, *inputs: Any) -> Any:
            return tensor_of(self._output(inputs))

        def _output(self, inputs: tuple[Any, ...]) -> Any:
            if names:
                return self.module(**dict(zip(names, inputs, strict=True)))
            return self.module(*inputs)

        def loss(self, *inputs_and_targets: Any) -> Any:
            *inputs, targets = inputs_and_targets
            if found.train is not None:
                return found.train(tuple(inputs), targets)
            output = self._output(tuple(inputs))
            if found.loss is not None:
                return found.loss(output) if found.targets is None else found.loss(output, targets)
            if found.targets is not None:  # numbers, not classes
                return torch.nn.functional.mse_loss(tensor_of(output), targets)
            return squares(output)

    return Adapted()


def tensor_of(output: Any) -> Any:
    """Return the tensor that a module's output is, or holds: its logits, else the first."""
    import torch

    if torch.is_tensor(output):
        return output
    for name in ("logits", "last_hidden_state"):
        value = getattr(output, name, None)
        if torch.is_tensor(value):
            return value
    return next(iter(_tensors(output)), None)


def _tensors(output: Any) -> Iterable[Any]:
    import torch

    if torch.is_tensor(output):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, (tuple, list)):
        for value in output:
            yield from _tensors(value)


def squares(output: Any) -> Any:
    """Return the mean square of all that a module gives: a loss for one that nothing is known of.

    It costs what any loss on the output costs, next to nothing, and every gradient is computed.
    """
    parts = [t.float().square().mean() for t in _tensors(output) if t.is_floating_point()]
    return sum(parts)
