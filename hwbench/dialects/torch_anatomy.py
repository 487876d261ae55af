"""What a torch module is made of, as it runs: its blocks in order, its head, the FLOPs of each.

Found by running it once, so that it holds for any network: blocks are the modules of its sequences
(`layer1.0`, `blocks.3`), and what has parameters outside of them. FLOPs are counted where torch's
functions are called: 2 per multiply-accumulate of products, convolutions, attention, recurrence.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A call that computes: the module it was made in, its FLOPs per item, what is trained of it.

    `trains`: a weight of its own requires a gradient. `passes`: its input does, so a gradient goes
    through it to what comes before.
    """

    module: str
    flops: float
    trains: bool
    passes: bool


@dataclass(frozen=True, kw_only=True)
class Block:
    """A part of a network that runs as one: its dotted name, its FLOPs forward per item."""

    name: str
    flops: float


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """A network as it ran: its calls, its blocks in the order of running, the head."""

    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]
    head: str | None  # dotted name of the linear layer that ran last and gives the logits

    @property
    def forward_flops(self) -> float:
        """Return the FLOPs of a forward pass, per item."""
        return sum(layer.flops for layer in self.layers)

    @property
    def step_flops(self) -> float:
        """Return the FLOPs of a training step, per item, as the flags stood when it ran.

        Forward 1, gradient of the weights 1 where they train, gradient of the input 1 where
        something before it trains (docs/methodology.md, shortcuts).
        """
        return sum(layer.flops * (1 + layer.trains + layer.passes) for layer in self.layers)


def anatomy(torch: Any, model: Any, inputs: tuple[Any, ...], call: Any = None) -> Anatomy:
    """Run `model` (or `call`, which runs it) on `inputs` and return what it is made of.

    Batch statistics and random numbers are left as they were.
    """
    count = _Count(torch, model)
    kept = {n: b.clone() for n, b in model.named_buffers()}
    with (
        torch.random.fork_rng(),
        torch.enable_grad(),
        count.listening(),
        _mode(torch, count.called),
    ):
        output = (call or model)(*inputs)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])
    items = len(inputs[0])
    layers = tuple(
        Layer(module=m, flops=f / items, trains=t, passes=p) for m, f, t, p in count.calls
    )
    blocks = tuple(
        Block(name=n, flops=sum(x.flops for x in layers if within(x.module, n)))
        for n in _in_order(torch, model, count.ran)
    )
    head = next((name for name, made in reversed(count.linear) if made is output), None)
    return Anatomy(layers=layers, blocks=blocks, head=head)


def within(name: str, module: str) -> bool:
    """Return whether a dotted name is of `module` or below it."""
    return name == module or name.startswith(f"{module}.")


class _Count:
    """The modules that run, in order, and the calls made in them."""

    def __init__(self, torch: Any, model: Any) -> None:
        self.torch, self.model = torch, model
        self.ran: list[str] = []
        self.linear: list[tuple[str, Any]] = []
        self.calls: list[tuple[str, float, bool, bool]] = []
        self._inside: list[str] = [""]

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Follow which module runs."""
        hooks = []
        for name, module in self.model.named_modules():
            if name:
                hooks.append(module.register_forward_pre_hook(self._entering(name)))
                hooks.append(module.register_forward_hook(self._leaving(name), always_call=True))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(module: Any, inputs: Any) -> None:
            self._inside.append(name)
            self.ran.append(name)

        return enter

    def _leaving(self, name: str) -> Callable[..., None]:
        def leave(module: Any, inputs: Any, output: Any) -> None:
            self._inside.pop()
            if isinstance(module, self.torch.nn.Linear):
                self.linear.append((name, output))

        return leave

    def called(self, flops: float, weights: list[Any], inputs: list[Any]) -> None:
        """Note a call: its FLOPs, its weights, its other tensors."""
        self.calls.append(
            (
                self._inside[-1],
                flops,
                any(w.requires_grad for w in weights),
                any(x.requires_grad for x in inputs),
            )
        )


def _mode(torch: Any, note: Callable[[float, list[Any], list[Any]], None]) -> Any:
    """Return a context in which every call of torch that computes is noted."""
    F = torch.nn.functional
    convolutions = {F.conv1d, F.conv2d, F.conv3d}
    transposed = {F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d}
    products = {torch.matmul, torch.bmm, torch.mm, torch.Tensor.matmul, torch.Tensor.__matmul__}
    recurrences = {torch._VF.lstm}

    class Counting(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = function(*args, **(kwargs or {}))
            given = [*args, *(kwargs or {}).values()]
            if function is F.linear:
                x, w = given[0], given[1]
                note(2.0 * x.numel() * w.shape[0], [w], [x])
            elif function in convolutions:
                x, w = given[0], given[1]
                note(2.0 * output.numel() * prod(w.shape[1:]), [w], [x])
            elif function in transposed:
                x, w = given[0], given[1]
                note(2.0 * x.numel() * prod(w.shape[1:]), [w], [x])
            elif function is F.scaled_dot_product_attention:
                q, k, v = given[:3]
                note(2.0 * q.numel() * k.shape[-2] * 2, [q], [k, v])
            elif function in products:
                a, b = given[0], given[1]
                note(2.0 * output.numel() * a.shape[-1], [b], [a])
            elif function in recurrences:
                x, _, weights = given[0], given[1], given[2]
                matrices = [w for w in weights if w.dim() == 2]
                tokens = x.numel() / x.shape[-1]
                note(2.0 * tokens * sum(w.numel() for w in matrices), matrices, [x])
            return output

    return Counting()


def _in_order(torch: Any, model: Any, ran: list[str]) -> list[str]:
    """Return the names of the parts that hold all parameters, in the order in which they ran."""
    first = {name: i for i, name in reversed(list(enumerate(ran)))}

    def began(name: str) -> int:
        return min((i for n, i in first.items() if within(n, name)), default=len(ran))

    return sorted(_parts(torch, "", model, False), key=began)


def _parts(torch: Any, name: str, module: Any, element: bool) -> Iterator[str]:
    """Yield the parts of a module: an element of a sequence whole, and what lies outside of any."""
    children = [
        (f"{name}.{n}" if name else n, c)
        for n, c in module.named_children()
        if any(True for _ in c.parameters())
    ]
    own = any(True for _ in module.parameters(recurse=False))
    if name and (own or element or not any(_sequence(torch, m) for m in module.modules())):
        yield name
        return
    for child, part in children:
        yield from _parts(torch, child, part, _sequence(torch, module))


def _sequence(torch: Any, module: Any) -> bool:
    kinds = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)
    return isinstance(module, kinds) and len(module) > 1
