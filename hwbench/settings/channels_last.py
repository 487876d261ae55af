"""Images as (batch, height, width, channels) in memory, as vectorised convolutions want them."""

from hwbench.setting import Recipe, Setting
from hwbench.workload import Config, Workload


def _apply(recipe: Recipe) -> None:
    last = recipe.torch.channels_last
    recipe.model.to(memory_format=last)
    recipe.layout = lambda x: x.contiguous(memory_format=last) if x.dim() == 4 else x


def _supports(workload: Workload, config: Config, device: str) -> str | None:
    return None if "image" in config else "it takes no images"


SETTING = Setting(
    name="channels_last",
    summary="images and weights with their channels last in memory",
    saves="time",
    typed="model.to(memory_format=torch.channels_last); images likewise",
    apply=_apply,
    supports=_supports,
)
