"""Training a part of a network in torch: the rest is frozen, and costs what freezing saves.

A frozen parameter requires no gradient, so autograd keeps no activation for it and computes no
gradient of it; before the first trained layer it computes none at all. A module without anything
trained is in evaluation mode: batch statistics do not move, nothing is dropped.
"""

from collections.abc import Callable, Iterable
from typing import Any

from hwbench.dialects.torch_anatomy import Anatomy, anatomy, within
from hwbench.errors import Unavailable
from hwbench.stepping import Ground, Inputs, Stepper

Loss = Callable[[Any, Any], Any]


def cross_entropy(torch: Any) -> Loss:
    """Return the mean cross-entropy of logits over all leading axes."""

    def loss(logits: Any, targets: Any) -> Any:
        return torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())

    return loss


def probe_inputs(ground: Ground, items: int = 2) -> Inputs:
    """Return a small batch of the network's own inputs on its device, to run it once."""
    import numpy as np

    drawn = ground.workload.inputs(ground.config, items, np.random.default_rng(0))
    return tuple(ground.torch.from_numpy(np.ascontiguousarray(x)).to(ground.device) for x in drawn)


def anatomy_of(ground: Ground) -> Anatomy:
    """Return what the ground's network is made of."""
    return anatomy(ground.torch, ground.model, probe_inputs(ground))


def head_of(ground: Ground, found: Anatomy) -> str:
    """Return the name of the head; raise Unavailable where the network has none of its own."""
    if found.head is None:
        raise Unavailable(
            f"{ground.workload.name} has no output layer of its own (it is tied, or not linear):"
            " nothing can be trained apart from the rest"
        )
    return found.head


def freeze_but(model: Any, trained: Iterable[str]) -> None:
    """Let only what is named train: dotted names of modules or parameters.

    A module in which nothing trains is put in evaluation mode.
    """
    names = tuple(trained)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(any(within(name, n) for n in names))
    settle(model)


def settle(module: Any, above: bool = True) -> None:
    """Put modules in training mode in which something trains, others in evaluation mode.

    One without parameters (dropout) goes with what it is a part of.
    """
    own = [p.requires_grad for p in module.parameters()]
    module.training = any(own) if own else above
    for child in module.children():
        settle(child, module.training)


def trained_of(model: Any) -> list[Any]:
    """Return the parameters that train."""
    return [p for p in model.parameters() if p.requires_grad]


def stepper(ground: Ground, model: Any | None = None, extra: Iterable[Any] = ()) -> Stepper:
    """Return the step of a classifier that trains what requires a gradient in `model`.

    Forward, mean cross-entropy, backward, update - as the network's own, with less of it. `extra`
    are parameters to train that are not in the model.
    """
    torch, model = ground.torch, ground.model if model is None else model
    optimizer = ground.optimizer([*trained_of(model), *extra])
    run, loss_of = ground.transform(model, "training"), cross_entropy(torch)

    def step(inputs: Inputs, targets: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        with ground.autocast():
            loss = loss_of(run(*inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Stepper(step=step, logits=evaluated(ground, model), model=model, optimizers=(optimizer,))


def evaluated(ground: Ground, model: Any, call: Callable[..., Any] | None = None) -> Any:
    """Return the evaluation of `model`: logits without a gradient, its modes put back after."""
    torch, run = ground.torch, call or model

    def logits(inputs: Inputs) -> Any:
        model.eval()
        try:
            with torch.no_grad(), ground.autocast():
                return run(*inputs)
        finally:
            settle(model)

    return logits


class Captured:
    """What a module is given while a network runs: the features before its head."""

    def __init__(self, model: Any, name: str) -> None:
        """Listen at the module of that name."""
        self.value: Any = None
        self._hook = model.get_submodule(name).register_forward_pre_hook(self._keep)

    def _keep(self, module: Any, inputs: Any) -> None:
        self.value = inputs[0].detach()

    def remove(self) -> None:
        """Stop listening."""
        self._hook.remove()


def seeded(ground: Ground, make: Callable[[], Any]) -> Any:
    """Return what `make` makes, on the ground's device, with random numbers of the ground's seed.

    Those of everybody else go on as if nothing had been drawn.
    """
    torch = ground.torch
    with torch.random.fork_rng():
        torch.manual_seed(ground.seed)
        return make().to(ground.device)


def put(model: Any, name: str, module: Any) -> None:
    """Put a module in the place of the one of that dotted name."""
    above, _, last = name.rpartition(".")
    setattr(model.get_submodule(above), last, module)


def inner_blocks(found: Anatomy) -> tuple[str, ...]:
    """Return the blocks that are elements of a sequence; all with FLOPs but the head if none is."""
    computing = [b.name for b in found.blocks if b.flops and b.name != found.head]
    elements = [n for n in computing if n.rpartition(".")[2].isdigit()]
    return tuple(elements or computing)


def features(output: Any) -> Any:
    """Return the tensor of a block's output: of a recurrent one its sequence, not its state."""
    return output[0] if isinstance(output, tuple) else output


def channels(tensor: Any) -> int:
    """Return the channels of a block's output: the second axis of images, else the last."""
    return int(tensor.shape[1] if tensor.dim() == 4 else tensor.shape[-1])


def bottleneck(torch: Any, tensor: Any, share: int, least: int = 4) -> Any:
    """Return down-projection, ReLU and up-projection for tensors like that one.

    The up-projection starts at zero, so what is added to begin with is nothing. Images are
    projected by 1 x 1 convolutions.
    """
    nn, wide = torch.nn, channels(tensor)
    narrow = max(least, wide // share)
    if tensor.dim() == 4:
        down, up = nn.Conv2d(wide, narrow, 1), nn.Conv2d(narrow, wide, 1)
    else:
        down, up = nn.Linear(wide, narrow), nn.Linear(narrow, wide)
    nn.init.zeros_(up.weight)
    nn.init.zeros_(up.bias)
    return nn.Sequential(down, nn.ReLU(), up)


def outputs_of(ground: Ground, names: Iterable[str], given: bool = False) -> dict[str, Any]:
    """Return what each named module gives on a small batch, by name; `given`: what it is given."""
    seen: dict[str, Any] = {}

    def keeping(name: str) -> Callable[..., None]:
        def keep(module: Any, inputs: Any, output: Any) -> None:
            seen[name] = (inputs[0] if given else features(output)).detach()

        return keep

    model = ground.model
    hooks = [model.get_submodule(n).register_forward_hook(keeping(n)) for n in names]
    model.eval()
    try:
        with ground.torch.no_grad():
            model(*probe_inputs(ground))
    finally:
        settle(model)
        for hook in hooks:
            hook.remove()
    return seen
