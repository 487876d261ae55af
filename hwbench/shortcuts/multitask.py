"""Several tasks at once: one trunk, a head for each (Caruana 1997, hard parameter sharing)."""

import copy
from typing import Any

from hwbench.shortcut import Ratio, Shortcut
from hwbench.stepping import Ground, Inputs, Stepper


def build(ground: Ground) -> Stepper:
    """Put a head a task in the place of the head; a joint example's loss is the mean over them.

    Logits get an axis before the last, of the tasks. Targets of one axis less than the logits are
    every task's; with the axis of the tasks, last, each has its own.
    """
    from torch import nn

    from hwbench.dialects import torch_frozen as frozen

    torch, model = ground.torch, ground.model
    name = frozen.head_of(ground, frozen.anatomy_of(ground))

    class Heads(nn.Module):
        def __init__(self, head: Any, tasks: int) -> None:
            super().__init__()
            self.of = torch.nn.ModuleList(copy.deepcopy(head) for _ in range(tasks))

        def forward(self, x: Any) -> Any:
            return torch.stack([head(x) for head in self.of], dim=-2)

    frozen.put(model, name, Heads(model.get_submodule(name), ground.tasks))
    made, run = frozen.stepper(ground), ground.transform(model, "training")
    (optimizer,) = made.optimizers

    def step(inputs: Inputs, targets: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        with ground.autocast():
            logits = run(*inputs)
            each = targets
            if targets.dim() < logits.dim() - 1:
                each = targets.unsqueeze(-1).expand(logits.shape[:-1])
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), each.flatten())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Stepper(step=step, logits=made.logits, model=model, optimizers=made.optimizers)


SHORTCUT = Shortcut(
    name="multitask",
    summary="one trunk for several tasks, a head for each",
    step_ratio=Ratio(point=1, low=0.99, high=1.1),
    theory="3 F and 3 f of each further head, for all tasks at once",
    epochs=None,
    frozen="nothing",
    memory="as from scratch, and a head for each task",
    pretrained=False,
    several=True,
    build=build,
)
