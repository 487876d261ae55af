"""The optimiser's update of all weights as one kernel instead of several for each tensor."""

from hwbench.setting import Recipe, Setting
from hwbench.workload import Config, Workload


def _apply(recipe: Recipe) -> None:
    recipe.fused = True


def _supports(workload: Workload, config: Config, device: str) -> str | None:
    return "its optimiser is its own" if workload.optimizer.given_by else None


SETTING = Setting(
    name="fused",
    summary="the optimiser's update as one kernel",
    saves="time",
    typed="the optimiser with fused=True, as in torch.optim.AdamW(..., fused=True)",
    apply=_apply,
    supports=_supports,
)
