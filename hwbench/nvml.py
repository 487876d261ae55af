"""NVIDIA's cards as their driver tells of them (NVML). None here is normal, and has a reason.

NVML counts cards by PCI bus, CUDA by default the fastest first: where the cards of a machine
differ, `cuda:N` means the same to both only with CUDA_DEVICE_ORDER=PCI_BUS_ID.
Source: NVML API reference; CUDA C++ programming guide, "CUDA environment variables".
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hwbench import cards
from hwbench.cards import Opened, text
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


def devices(environ: Mapping[str, str] = os.environ) -> Found:
    """Return the cards that CUDA may use here, with what their driver tells, and why not more."""
    library, why_not = started()
    if library is None:
        return Found((), why_not)
    try:
        return _listed(library, environ)
    finally:
        _quietly(library, library.nvmlShutdown)


def started() -> tuple[Any, str | None]:
    """Return the library, started, or None with the reason; NVML counts starts and shutdowns."""
    try:
        import pynvml
    except ImportError:
        return None, "nvidia-ml-py is not installed: pip install nvidia-ml-py"
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as e:
        return None, reason(e)
    return pynvml, None


def opened(
    nvml: Any, index: int, environ: Mapping[str, str] = os.environ
) -> tuple[Opened | None, str | None]:
    """Return what CUDA calls `cuda:index`, or None with the reason."""
    try:
        names = cards.visible(int(nvml.nvmlDeviceGetCount()), environ.get("CUDA_VISIBLE_DEVICES"))
        if index >= len(names):
            return None, f"the driver lists no cuda:{index}"
        return cards.card(nvml, index, names[index]), None
    except nvml.NVMLError as e:
        return None, reason(e)


def reason(error: Exception) -> str:
    """Return what an NVML error means for the user."""
    return _REASONS.get(type(error).__name__, f"NVIDIA's driver says: {error}")


def _listed(nvml: Any, environ: Mapping[str, str]) -> Found:
    asked = environ.get("CUDA_VISIBLE_DEVICES")
    try:
        names = cards.visible(int(nvml.nvmlDeviceGetCount()), asked)
    except nvml.NVMLError as e:
        return Found((), reason(e))
    if not names:
        hidden = f"CUDA_VISIBLE_DEVICES={asked!r} hides every GPU"
        return Found((), "the driver lists no GPU" if asked is None else hidden)
    found, lost = [], []
    for index, name in enumerate(names):
        try:
            found.append(_device(nvml, cards.card(nvml, index, name)))
        except nvml.NVMLError as e:
            lost.append(f"cuda:{index} is left out: {reason(e)}")
            if isinstance(name, str):
                break  # CUDA, too, takes nothing from the first name on that it cannot find
    return Found(tuple(found), "; ".join(lost) or None)


def _device(nvml: Any, card: Opened) -> Device:
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
        other_processes=foreign_processes(nvml, card.handle, with_children(os.getpid())),
    )


def _mig(nvml: Any, card: Opened) -> bool | None:
    """Tell whether the card is divided; a card or driver older than MIG (None) is not known to."""
    if card.sliced:
        return True
    modes = _asked(nvml, nvml.nvmlDeviceGetMigMode, card.handle)
    return None if modes is None else modes[0] == nvml.NVML_DEVICE_MIG_ENABLE


def persistence(environ: Mapping[str, str] = os.environ) -> tuple[dict[str, bool], str | None]:
    """Return whether each card stays awake when nobody uses it, and why some are not told."""
    library, why_not = started()
    if library is None:
        return {}, why_not
    try:
        return _persistence(library, environ)
    finally:
        _quietly(library, library.nvmlShutdown)


def _persistence(nvml: Any, environ: Mapping[str, str]) -> tuple[dict[str, bool], str | None]:
    found, silent = _listed(nvml, environ), []
    modes = {}
    for device in found.devices:
        card, _ = opened(nvml, device.index, environ)
        mode = card and _quietly(nvml, nvml.nvmlDeviceGetPersistenceMode, card.whole)
        if mode is None:
            silent.append(device.name)
        else:
            modes[device.name] = mode == nvml.NVML_FEATURE_ENABLED
    unknown = f"the driver does not tell it of {', '.join(silent)}" if silent else None
    return modes, "; ".join(filter(None, (found.why_not, unknown))) or None


def foreign_processes(nvml: Any, handle: Any, ours: set[int]) -> int | None:
    """Count the compute processes on the card but `ours`.

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
    return None if listed is None else len({p.pid for p in listed} - ours)


def with_children(pid: int) -> set[int]:
    """Return the process and all that it started, directly or not."""
    import psutil

    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:  # one ended while they were being listed
        children = []
    return {pid, *(child.pid for child in children)}


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


def _text_or_none(written: str | bytes | None) -> str | None:
    return None if written is None else text(written)
