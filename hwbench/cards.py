"""Which of NVIDIA's cards CUDA calls `cuda:N`: what all that ask the driver must agree on.

Nothing is imported here: the library, nvidia-ml-py, is handed in, started.
Source: NVML API reference; CUDA C++ programming guide, "CUDA environment variables".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What CUDA calls `cuda:index`: a whole card, or a MIG slice of one (`whole` is the card)."""

    index: int
    handle: Any
    whole: Any

    @property
    def sliced(self) -> bool:
        """Tell a MIG slice from a whole card."""
        return self.handle is not self.whole


def divided(nvml: Any, card: Opened) -> bool:
    """Return whether CUDA runs on a part of the card only: then its sensors tell of others too.

    CUDA takes the first slice of a divided card that is named by its number.
    """
    if card.sliced:
        return True
    try:
        current, _ = nvml.nvmlDeviceGetMigMode(card.handle)
    except (nvml.NVMLError, AttributeError):  # older than MIG
        return False
    return bool(current == nvml.NVML_DEVICE_MIG_ENABLE)


def opened(nvml: Any, environ: Mapping[str, str]) -> Iterator[Opened]:
    """Yield the cards that CUDA may use here; one that does not answer is left out."""
    names = visible(int(nvml.nvmlDeviceGetCount()), environ.get("CUDA_VISIBLE_DEVICES"))
    for index, name in enumerate(names):
        try:
            yield card(nvml, index, name)
        except nvml.NVMLError:
            if isinstance(name, str):
                return  # CUDA, too, takes nothing from the first name on that it cannot find


def visible(count: int, asked: str | None) -> list[int | str]:
    """Return the cards that CUDA sees in its order: numbers, and names as CUDA takes them.

    CUDA ignores everything from the first number on that is no card.
    """
    if asked is None:
        return list(range(count))
    names: list[int | str] = []
    for word in asked.split(","):
        name = word.strip()
        if name.startswith(("GPU-", "MIG-")):
            names.append(name)
        elif name.isdecimal() and int(name) < count:
            names.append(int(name))
        else:
            break
    return names


def card(nvml: Any, index: int, name: int | str) -> Opened:
    """Open the card by number, full name or, as CUDA allows, the beginning of its name."""
    if isinstance(name, int):
        handle = nvml.nvmlDeviceGetHandleByIndex(name)
        return Opened(index=index, handle=handle, whole=handle)
    if name.startswith("MIG-"):
        handle = nvml.nvmlDeviceGetHandleByUUID(name)
        whole = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
        return Opened(index=index, handle=handle, whole=whole)
    handle = next(
        (h for h in _handles(nvml) if text(nvml.nvmlDeviceGetUUID(h)).startswith(name)), None
    )
    if handle is None:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)
    return Opened(index=index, handle=handle, whole=handle)


def _handles(nvml: Any) -> Iterator[Any]:
    for number in range(nvml.nvmlDeviceGetCount()):
        try:
            yield nvml.nvmlDeviceGetHandleByIndex(number)
        except nvml.NVMLError:
            continue  # this one does not answer: another may be the one that is looked for


def text(written: str | bytes) -> str:
    """Return text from what older versions of nvidia-ml-py give as bytes."""
    return written.decode(errors="replace") if isinstance(written, bytes) else written


# How far a card's power is off at most, steady, against an external meter (Yang et al. 2024,
# arXiv:2312.02741, published data): A100 -5.5 % is the most of data-centre cards since Volta, the
# 2060 Super's +10.9 % that of others.
_DATA_CENTRE, _OTHERS = 0.06, 0.11


def gain_frac(nvml: Any, card: Opened) -> float:
    """Return how far the scale of a card's sensor may be off, by what the card is sold for."""
    try:
        name = text(nvml.nvmlDeviceGetName(card.whole)).upper()
    except nvml.NVMLError:
        return _OTHERS
    consumer = any(word in name for word in ("GEFORCE", "TITAN", "QUADRO", "RTX"))
    return _OTHERS if consumer else _DATA_CENTRE
