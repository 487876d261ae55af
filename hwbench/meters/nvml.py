"""NVIDIA's cards: the energy counter (Volta and later), else the power reading.

The counter is in millijoules since the driver was loaded; power is a mean over up to a second and
is refreshed about every 100 ms. Sources: NVML API, nvmlDeviceGetTotalEnergyConsumption and
nvmlDeviceGetPowerUsage; Yang et al. 2024, "Accurate and Convenient Energy Measurements for GPUs".
"""

from contextlib import suppress
from typing import Any

from hwbench.meter import Meter
from hwbench.probed import MeterFacts

_RESOLUTION_S = 0.1


def probe() -> MeterFacts:
    """Tell whether a card here counts its energy or at least tells its power."""
    try:
        import pynvml
    except ImportError:
        return _facts("nvidia-ml-py is not installed", "pip install nvidia-ml-py")
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as e:
        return _facts(f"NVIDIA's driver does not answer: {e}")
    try:
        return _found(pynvml)
    except pynvml.NVMLError as e:
        return _facts(f"NVIDIA's driver says: {e}")
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _found(nvml: Any) -> MeterFacts:
    count = nvml.nvmlDeviceGetCount()
    if not count:
        return _facts("the driver lists no GPU")
    silent = {n: why for n in range(count) if (why := _why_silent(nvml, n))}
    if len(silent) == count:
        return _facts(f"no GPU tells its power: {silent[0]}")
    return _facts(None)


def _why_silent(nvml: Any, number: int) -> str | None:
    """Return why the card tells neither its energy nor its power, or None if it does."""
    why = None
    for question in (nvml.nvmlDeviceGetTotalEnergyConsumption, nvml.nvmlDeviceGetPowerUsage):
        try:
            question(nvml.nvmlDeviceGetHandleByIndex(number))
            return None
        except nvml.NVMLError as e:
            why = str(e)
    return why


def _facts(why_not: str | None, remedy: str | None = None) -> MeterFacts:
    return MeterFacts(
        name="nvml",
        domains=("gpu",),
        measured=True,
        resolution_s=_RESOLUTION_S,
        why_not=why_not,
        remedy=remedy,
    )


METER = Meter(
    name="nvml", summary="NVIDIA GPUs, by their energy counter or power reading", probe=probe
)
