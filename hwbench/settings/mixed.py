"""Products in bfloat16 over float32 weights (Micikevicius et al. 2018; no scaling is needed)."""

from hwbench.setting import Recipe, Setting
from hwbench.workload import Config, Workload


def _apply(recipe: Recipe) -> None:
    torch, kind = recipe.torch, recipe.device.type
    recipe.autocast = lambda: torch.autocast(kind, dtype=torch.bfloat16)


def _supports(workload: Workload, config: Config, device: str) -> str | None:
    return None if "bfloat16" in workload.dtypes else "it has no bfloat16 form"


SETTING = Setting(
    name="mixed",
    summary="mixed precision: products in bfloat16, weights and sums in float32",
    saves="time",
    typed="with torch.autocast(device, dtype=torch.bfloat16): around the forward pass",
    apply=_apply,
    supports=_supports,
    changes_numbers=True,
)
