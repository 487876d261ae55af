"""Six facts of a data sheet, as logarithms, by which a device's training throughput is told.

Time is a part by the peak and a part by the memory's bandwidth (roofline: Williams, Waterman and
Patterson 2009, as a sum); a card that may draw more power holds its clock; what the peak for
matrices does not speed up goes by the float32 peak; a larger memory takes larger batches, and is
of another kind of card.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hwbench.data_sheet import DataSheet
from hwbench.units import BYTES_PER_GIB

# The exponents of tensor peak, bandwidth, TDP, memory, float32 peak and roofline before any figure
# is seen [judgement]: bandwidth-bound, as training mostly is on a GPU (PEAK_SHARE of the time by
# the peak on an A100 SXM 40 GB, which is also the middle of the scale).
EXPONENTS = (0.0, 0.0, 0.15, 0.05, 0.05, 0.75)
PEAK_SHARE = 0.3
PEAKS_FLOPS_PER_S = {"half": 312e12, "full": 156e12}
BANDWIDTH_BYTES_PER_S, TDP_W, FP32_FLOPS_PER_S = 1555e9, 300.0, 30e12
MEMORY_BYTES = 40 * BYTES_PER_GIB
NAMES = {"half": ("float16", "bfloat16"), "full": ("tf32", "float32")}
ENOUGH = 6  # sheets for a line through them


class Line(NamedTuple):
    """A fact that is not stated, from the two that are: constant + bandwidth x + peak y."""

    constant: float = 0.0
    bandwidth: float = 0.0
    peak: float = 0.0


class Gaps(NamedTuple):
    """How TDP and float32 peak follow from bandwidth and tensor peak, for sheets without them."""

    tdp: Line = Line()
    fp32: Line = Line()


def peak_flops_per_s(sheet: DataSheet, precision: str, dtype: str) -> float | None:
    """Return the dense peak for a training in `dtype` (`precision` half or full), or None."""
    exact = (dtype,) if dtype in ("bfloat16", "float32") else ()
    found = (sheet.peak_flops_per_s.get(name) for name in (*exact, *NAMES[precision]))
    return next((peak for peak in found if peak), None)


def missing(sheet: DataSheet, precision: str, dtype: str) -> str | None:
    """Return what a data sheet lacks for a prediction, None where it has enough."""
    if not sheet.bandwidth_bytes_per_s:
        return f"the data sheet of the {sheet.name} has no memory bandwidth"
    if peak_flops_per_s(sheet, precision, dtype) is None:
        return f"the data sheet of the {sheet.name} has no peak for {dtype}"
    return None


def told(sheet: DataSheet) -> tuple[str, ...]:
    """Return which facts the sheet lacks, which are told from its others."""
    absent = [] if sheet.tdp_w else ["TDP"]
    return (*absent, *([] if sheet.peak_flops_per_s.get("float32") else ["float32 peak"]))


def _two(sheet: DataSheet, precision: str, dtype: str) -> tuple[float, float]:
    bandwidth = (sheet.bandwidth_bytes_per_s or 0.0) / BANDWIDTH_BYTES_PER_S
    peak = (peak_flops_per_s(sheet, precision, dtype) or 0.0) / PEAKS_FLOPS_PER_S[precision]
    return math.log(bandwidth), math.log(peak)


def gaps(sheets: Sequence[DataSheet]) -> Gaps:
    """Return the least squares over the sheets that state all; no slope where too few do."""
    return Gaps(tdp=_line(sheets, _tdp), fp32=_line(sheets, _fp32))


def _tdp(sheet: DataSheet) -> float | None:
    return math.log(sheet.tdp_w / TDP_W) if sheet.tdp_w else None


def _fp32(sheet: DataSheet) -> float | None:
    peak = sheet.peak_flops_per_s.get("float32")
    return math.log(peak / FP32_FLOPS_PER_S) if peak else None


def _line(sheets: Sequence[DataSheet], fact: Callable[[DataSheet], float | None]) -> Line:
    import numpy as np

    whole = [s for s in sheets if missing(s, "half", "float16") is None]
    pairs = [(_two(s, "half", "float16"), v) for s in whole if (v := fact(s)) is not None]
    if len(pairs) < ENOUGH:
        return Line()
    design = np.array([(1.0, *x) for x, _ in pairs])
    found = np.linalg.lstsq(design, np.array([v for _, v in pairs]), rcond=None)[0]
    return Line(*(float(c) for c in found))


def facts(sheet: DataSheet, precision: str, dtype: str, told: Gaps) -> tuple[float, ...]:
    """Return the six facts of a sheet that is not `missing` anything; `told` fills the rest."""
    bandwidth, peak = _two(sheet, precision, dtype)
    half = _two(sheet, "half", "float16") if not missing(sheet, "half", "float16") else None
    by = (1.0, *(half or (bandwidth, peak)))
    tdp, fp32 = _tdp(sheet), _fp32(sheet)
    memory = math.log((sheet.memory_bytes or MEMORY_BYTES) / MEMORY_BYTES)
    return (
        peak,
        bandwidth,
        _dot(told.tdp, by) if tdp is None else tdp,
        memory,
        _dot(told.fp32, by) if fp32 is None else fp32,
        -math.log(PEAK_SHARE * math.exp(-peak) + (1 - PEAK_SHARE) * math.exp(-bandwidth)),
    )


def _dot(line: Sequence[float], by: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(line, by, strict=True))


def before(values: Sequence[float]) -> float:
    """Return the logarithm of a throughput by the prior's exponents alone."""
    return _dot(EXPONENTS, values)
