"""A training step in torch with settings: layout, precision, compilation, what is kept."""

from collections.abc import Callable
from functools import partial
from typing import Any

from hwbench.dialects.torch_training import Step, Transform, optimizer_of
from hwbench.errors import Unavailable
from hwbench.setting import Recipe, Setting
from hwbench.workload import Workload


def step_of(
    torch: Any,
    workload: Workload,
    model: Any,
    device: Any,
    settings: tuple[Setting, ...],
    *,
    autocast: Callable[[], Any],
    transform: Transform,
) -> Step:
    """Return the step of a network on any batch, changed by settings in their order.

    Raises Unavailable for a network whose losses come in turn, or an optimiser without that form.
    """
    if len(workload.objectives) > 1:
        raise Unavailable(f"{workload.name} is trained by several losses in turn: no setting of it")
    recipe = Recipe(torch=torch, model=model, device=device, autocast=autocast, transform=transform)
    for setting in settings:
        setting.apply(recipe)
    make = partial(optimizer_of, torch, workload.optimizer, recipe.model.parameters())
    try:
        optimizer = make(fused=True) if recipe.fused else make()
    except (RuntimeError, TypeError) as e:
        raise Unavailable(f"the optimiser has no fused form here ({e})") from None
    loss_of = _loss_of(torch, workload, recipe)

    def step(inputs: tuple[Any, ...], targets: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        whole = 0.0
        placed = tuple(map(recipe.layout, inputs))
        for part, labels in _parted(placed, targets, recipe.parts):
            share = len(labels) / len(targets)
            with recipe.autocast():
                loss = loss_of(part, labels) * share
            loss.backward()
            whole = whole + loss.detach()
        optimizer.step()
        return whole

    return step


def _loss_of(torch: Any, workload: Workload, recipe: Recipe) -> Callable[[Any, Any], Any]:
    if workload.objectives:
        (objective,) = workload.objectives
        own = recipe.transform(getattr(recipe.model, objective.method), "training")
        return lambda inputs, targets: own(*inputs, targets)
    run = recipe.transform(recipe.model, "training")

    def cross_entropy(inputs: Any, targets: Any) -> Any:
        logits = run(*inputs)
        return torch.nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten())

    return cross_entropy


def _parted(inputs: tuple[Any, ...], targets: Any, parts: int) -> Any:
    """Yield a batch in parts of about one size; fewer where it has fewer items."""
    if parts <= 1:
        return [(inputs, targets)]
    cut = [t.chunk(parts) for t in (*inputs, targets)]
    return [(tuple(row[:-1]), row[-1]) for row in zip(*cut, strict=True)]
