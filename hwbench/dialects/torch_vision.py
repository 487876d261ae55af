"""Make torchvision, which timm and peft (through transformers) need, import beside any torch.

torchvision from the registry is compiled against CUDA. Beside the CPU torch its library does not
load, and the import then fails where it describes two operators that the library would have
defined: "operator torchvision::nms does not exist". With their schemas alone it imports: networks
and transforms work, the compiled operators do not.
"""

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DESCRIBED = ("nms", "qnms")  # whose fake kernels torchvision registers when it is imported
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache  # a library that nobody holds takes its schemas away
def let_torchvision_import() -> Any:
    """Define the schemas; return their library, or None where torchvision imports by itself.

    It imports nothing of torchvision, so that no half of it stays behind. Call it before
    torchvision or timm is imported; without torchvision it does nothing.
    """
    import torch

    for finder in [f for f in sys.meta_path if isinstance(f, _First)]:
        sys.meta_path.remove(finder)  # it would call this again, and lose what is defined here
    if find_spec("torchvision") is None or _compiled_part_loads():
        return None
    library: Any = torch.library.Library("torchvision", "FRAGMENT")
    for name in DESCRIBED:
        if not hasattr(torch.ops.torchvision, name):
            library.define(name + SCHEMA)
    return library


class _First:
    """A finder that finds nothing: it sees to it that torchvision can be imported, once."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Return None, having defined the schemas where torchvision is what is asked for."""
        if name == "torchvision":
            let_torchvision_import()  # which takes this finder away


def when_torchvision_is_imported() -> None:
    """Have `let_torchvision_import` called before whoever imports torchvision, if anybody does."""
    if not any(isinstance(finder, _First) for finder in sys.meta_path):
        sys.meta_path.insert(0, _First())  # type: ignore[arg-type]


def _compiled_part_loads() -> bool:
    """Load torchvision's library as torchvision itself does first; a second time is nothing."""
    import torch

    spec = find_spec("torchvision")
    folders = spec.submodule_search_locations or [] if spec else []
    try:
        for path in (p for folder in folders for p in Path(folder).glob("_C*")):
            torch.ops.load_library(path)
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, DESCRIBED[0])
