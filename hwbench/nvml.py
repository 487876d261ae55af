"""NVIDIA's cards as their driver tells of them (NVML). None here is normal, and has a reason.

NVML counts cards by PCI bus, CUDA by default the fastest first: where the cards of a machine
differ, `cuda:N` means the same to both only with CUDA_DEVICE_ORDER=PCI_BUS_ID.
Source: NVML API reference; CUDA C++ programming guide, "CUDA environment variables".
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from hwbench.device import Device
from hwbench.units import W_PER_MW

_REASONS = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver is installed (libnvidia-ml is not there)",
    "NVMLError_DriverNotLoaded": "NVIDIA's driver is installed but not loaded",
    "NVMLError_NoPermission": "NVIDIA's driver refuses this user (see /dev/nvidia*)",
    "NVMLError_LibRmVersionMismatch": (
        "NVIDIA's driver and its library differ in version: reboot, or reload the driver"
    ),
}


class Found(NamedTuple):
    """The cards, and why there are none or not all of them."""

    devices: tuple[Device, ...]
    why_not: str | None


@dataclass(frozen=True, kw_only=True)
class _Card:
    """What CUDA calls `cuda:index`: a whole card, or a MIG slice of one (`whole` is the card)."""

    index: int
    handle: Any
    whole: Any

    @property
    def sliced(self) -> bool:
        return self.handle is not self.whole


def devices(environ: Mapping[str, str] = os.environ) -> Found:
    """Return the cards that CUDA may use here, with what their driver tells, and why not more."""
    try:
        import pynvml
    except ImportError:
        return Found((), "nvidia-ml-py is not installed: pip install nvidia-ml-py")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as e:
        return Found((), reason(e))
    try:
        return _listed(pynvml, environ)
    finally:
        _quietly(pynvml, pynvml.nvmlShutdown)


def reason(error: Exception) -> str:
    """Return what an NVML error means for the user."""
    return _REASONS.get(type(error).__name__, f"NVIDIA's driver says: {error}")


def _listed(nvml: Any, environ: Mapping[str, str]) -> Found:
    asked = environ.get("CUDA_VISIBLE_DEVICES")
    try:
        names = _visible(int(nvml.nvmlDeviceGetCount()), asked)
    except nvml.NVMLError as e:
        return Found((), reason(e))
    if not names:
        hidden = f"CUDA_VISIBLE_DEVICES={asked!r} hides every GPU"
        return Found((), "the driver lists no GPU" if asked is None else hidden)
    found, lost = [], []
    for index, name in enumerate(names):
        try:
            found.append(_device(nvml, _card(nvml, index, name)))
        except nvml.NVMLError as e:
            lost.append(f"cuda:{index} is left out: {reason(e)}")
            if isinstance(name, str):
                break  # CUDA, too, takes nothing from the first name on that it cannot find
    return Found(tuple(found), "; ".join(lost) or None)


def _visible(count: int, asked: str | None) -> list[int | str]:
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


def _card(nvml: Any, index: int, name: int | str) -> _Card:
    """Open the card by number, full name or, as CUDA allows, the beginning of its name."""
    if isinstance(name, int):
        handle = nvml.nvmlDeviceGetHandleByIndex(name)
        return _Card(index=index, handle=handle, whole=handle)
    if name.startswith("MIG-"):
        handle = nvml.nvmlDeviceGetHandleByUUID(name)
        whole = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
        return _Card(index=index, handle=handle, whole=whole)
    handle = next(
        (h for h in _handles(nvml) if _text(nvml.nvmlDeviceGetUUID(h)).startswith(name)), None
    )
    if handle is None:
        raise nvml.NVMLError(nvml.NVML_ERROR_NOT_FOUND)
    return _Card(index=index, handle=handle, whole=handle)


def _handles(nvml: Any) -> Iterator[Any]:
    for number in range(nvml.nvmlDeviceGetCount()):
        handle = _quietly(nvml, nvml.nvmlDeviceGetHandleByIndex, number)
        if handle is not None:
            yield handle


def _device(nvml: Any, card: _Card) -> Device:
    """Ask the card everything; what this driver or card does not know is None.

    Raises NVMLError when the card does not answer at all.
    """
    memory = _asked(nvml, nvml.nvmlDeviceGetMemoryInfo, card.handle)
    limit_mw = _asked(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, card.whole)
    capability = _asked(nvml, nvml.nvmlDeviceGetCudaComputeCapability, card.whole)
    return Device(
        name=f"cuda:{card.index}",
        kind="cuda",
        index=card.index,
        model=_text_or_none(_asked(nvml, nvml.nvmlDeviceGetName, card.handle)),
        memory_bytes=None if memory is None else int(memory.total),
        driver=_text_or_none(_asked(nvml, nvml.nvmlSystemGetDriverVersion)),
        power_limit_w=None if limit_mw is None else limit_mw * W_PER_MW,
        compute_capability=None if capability is None else ".".join(map(str, capability)),
        mig=_mig(nvml, card),
        other_processes=_other_processes(nvml, card.handle),
    )


def _mig(nvml: Any, card: _Card) -> bool | None:
    """Tell whether the card is divided; a card or driver older than MIG (None) is not known to."""
    if card.sliced:
        return True
    modes = _asked(nvml, nvml.nvmlDeviceGetMigMode, card.handle)
    return None if modes is None else modes[0] == nvml.NVML_DEVICE_MIG_ENABLE


def _other_processes(nvml: Any, handle: Any) -> int | None:
    """Count the compute processes on the card but this one and its children.

    Some drivers tell a container the numbers that processes have outside: then none is ours.
    """
    try:
        listed = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except nvml.NVMLError as e:
        _raise_if_gone(nvml, e)
        return None
    except Exception as e:  # NVMLLibraryMismatchError, which is no NVMLError: an old driver
        if type(e).__name__ != "NVMLLibraryMismatchError":
            raise
        older = getattr(nvml, "nvmlDeviceGetComputeRunningProcesses_v2", None)
        listed = older and _asked(nvml, older, handle)
    return None if listed is None else len({p.pid for p in listed} - _own_pids())


def _own_pids() -> set[int]:
    import psutil

    try:
        children = psutil.Process().children(recursive=True)
    except psutil.Error:  # one ended while they were being listed
        children = []
    return {os.getpid(), *(child.pid for child in children)}


def _asked(nvml: Any, question: Callable[..., Any], *about: Any) -> Any:
    """Return the answer, or None where the card or driver has none; a lost card raises."""
    try:
        return question(*about)
    except nvml.NVMLError as e:
        _raise_if_gone(nvml, e)
        return None


def _raise_if_gone(nvml: Any, error: Any) -> None:
    if error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED):
        raise error


def _quietly(nvml: Any, question: Callable[..., Any], *about: Any) -> Any:
    try:
        return question(*about)
    except nvml.NVMLError:
        return None


def _text(written: str | bytes) -> str:
    """Return text from what older versions of nvidia-ml-py give as bytes."""
    return written.decode(errors="replace") if isinstance(written, bytes) else written


def _text_or_none(written: str | bytes | None) -> str | None:
    return None if written is None else _text(written)
