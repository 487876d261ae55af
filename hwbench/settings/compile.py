"""The forward and backward pass compiled: fewer passes over memory, fewer launches."""

import os
import shutil
import sys

from hwbench.dialects.torch_compiled import compiled
from hwbench.setting import Recipe, Setting
from hwbench.workload import Config, Workload


def _apply(recipe: Recipe) -> None:
    recipe.transform = compiled


def _supports(workload: Workload, config: Config, device: str) -> str | None:
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        return f"torch.compile calls a C++ compiler, and {compiler} is not found"
    return None


SETTING = Setting(
    name="compile",
    summary="torch.compile, with its default backend",
    saves="time",
    typed="model = torch.compile(model)",
    apply=_apply,
    supports=_supports,
    changes_numbers=True,
)
