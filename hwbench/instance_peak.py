"""The dense peak of an instance by its data sheets, to hold its price against.

No job reaches a peak: that is what measuring is for.
"""

from dataclasses import dataclass

from hwbench import data_sheets
from hwbench.instance import Instance

# What a training is likely to use: of an accelerator its tensor cores, of a processor float32.
_ACCELERATOR = ("bfloat16", "float16")
_CPU = ("float32",)


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The dense peak of all accelerators of an instance, or of its share of a processor."""

    flops_per_s: float
    dtype: str


def peak(instance: Instance) -> Peak | None:
    """Return the peak; None where a data sheet, a peak or the share of the socket is not known."""
    if instance.accelerator is not None:
        return _of(instance.accelerator, _ACCELERATOR, instance.n_accelerators)
    sheet = data_sheets.find(instance.cpu) if instance.cpu else None
    if sheet is None or not (sheet.cores and instance.vcpus and instance.vcpus_per_core):
        return None
    cores = instance.vcpus / instance.vcpus_per_core
    return _of(sheet.name, _CPU, cores / sheet.cores)


def _of(device: str, dtypes: tuple[str, ...], n: float) -> Peak | None:
    sheet = data_sheets.find(device)
    peaks = sheet.peak_flops_per_s if sheet else {}
    dtype = next((d for d in dtypes if d in peaks), None)
    return Peak(flops_per_s=peaks[dtype] * n, dtype=dtype) if dtype else None


def usd_per_flops(instance: Instance) -> float | None:
    """Return USD an hour for each FLOP/s of the dense peak, None where that is not known."""
    found = peak(instance)
    return instance.usd_per_h / found.flops_per_s if found else None
