"""Pretrained weights for a torch network: from a file, or from a library's cache on this machine.

Nothing is downloaded. A weight goes where name and shape agree; where few names do, and all shapes
agree in the order in which the networks list them, the order tells which is which.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwbench.dialects.libraries import load
from hwbench.dialects.torch_anatomy import within
from hwbench.dialects.torch_vision import let_torchvision_import
from hwbench.errors import BadInput, Unavailable

REMEDY = "pip install 'hwbench-dl[models]'"
LEAST_FRAC = 0.5  # of the weights beside the head, that names have to tell
# What libraries and wrappers put before the names.
_BEFORE = ("", "module.", "model.", "backbone.", "network.")
_INSIDE = ("state_dict", "model", "model_state_dict")  # where checkpoints keep the weights


def state_of(torch: Any, spec: str) -> dict[str, Any]:
    """Return the weights of `timm:NAME`, `transformers:NAME` or of a file, on the processor.

    Raises BadInput for a file that holds none, Unavailable where a library or its cache lacks them.
    """
    library, colon, name = spec.partition(":")
    if colon and library in ("timm", "transformers"):
        return _cached(library, name)
    path = Path(spec)
    if not path.is_file():
        raise BadInput(
            f"--pretrained {spec}: there is no such file; a name is timm:NAME or transformers:NAME"
        )
    return _of_file(torch, path)


def _of_file(torch: Any, path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".safetensors":
            load("safetensors", REMEDY)
            return dict(load("safetensors.torch", REMEDY).load_file(str(path)))
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Unavailable:
        raise
    except Exception as e:  # each format breaks in its own way
        raise BadInput(
            f"--pretrained {path}: cannot be read as weights ({type(e).__name__}): keep them by"
            " torch.save(model.state_dict(), ...)"
        ) from None
    for key in _INSIDE:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not any(torch.is_tensor(v) for v in found.values()):
        raise BadInput(f"--pretrained {path}: holds no weights by name (a state dict)")
    return {str(k): v for k, v in found.items() if torch.is_tensor(v)}


def _cached(library: str, name: str) -> dict[str, Any]:
    """Return a library's pretrained network as weights, from its cache alone."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is imported
    let_torchvision_import()  # both import it, whether or not they need it here
    module = load(library, REMEDY)
    try:
        if library == "timm":
            model = module.create_model(name, pretrained=True)
        else:
            model = module.AutoModel.from_pretrained(name, local_files_only=True)
    except Exception as e:  # of the library, its hub or its network
        raise Unavailable(
            f"{library} has no pretrained {name} in this machine's cache ({type(e).__name__})",
            f"load it once by {library} where there is a network, or give --pretrained FILE",
        ) from None
    return dict(model.state_dict())


def put_in(model: Any, state: Mapping[str, Any], head: str | None, spec: str) -> int:
    """Put weights into the model, its head left out; return how many there were.

    Raises BadInput where they are of another network.
    """
    own = {
        name: tuple(value.shape)
        for name, value in model.state_dict().items()
        if head is None or not within(name, head)
    }
    chosen = _by_name(own, state)
    if len(chosen) < LEAST_FRAC * len(own):
        chosen = _by_order(own, state) or chosen
    if len(chosen) < LEAST_FRAC * len(own):
        raise BadInput(
            f"--pretrained {spec}: {len(chosen)} of the network's {len(own)} weights beside its"
            f" head are in it by name and shape: it is of another network"
        )
    model.load_state_dict({k: state[v] for k, v in chosen.items()}, strict=False)
    return len(chosen)


def _by_name(own: Mapping[str, tuple[int, ...]], state: Mapping[str, Any]) -> dict[str, str]:
    """Return our names and theirs, by what the most of them begin with."""
    tried = [
        {
            name: before + name
            for name, shape in own.items()
            if before + name in state and tuple(state[before + name].shape) == shape
        }
        for before in _BEFORE
    ]
    return max(tried, key=len)


def _by_order(own: Mapping[str, tuple[int, ...]], state: Mapping[str, Any]) -> dict[str, str]:
    """Return our names and theirs in order, none where a shape disagrees."""
    theirs: Sequence[str] = list(state)[: len(own)]
    agree = [tuple(state[name].shape) for name in theirs] == list(own.values())
    return dict(zip(own, theirs, strict=True)) if agree else {}
