"""What the catalogue can be held against without a network: its rows and data sheets themselves."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hwbench import data_sheets
from hwbench.data_sheet import DataSheet
from hwbench.grid import GridRow
from hwbench.instance import Instance, Problem

_CLOSE = 0.06  # makers round: 121 and 242.5
# FLOP for each byte of memory traffic at the dense float16 peak: 419 of an L40S is the most of
# NVIDIA's; the sparse figure of an L4, L40S or H100 is beyond it.
_MOST_PER_BYTE = 450.0
# Tensor cores by vector float32: 16 up to Hopper (A100 312 by 19.5), 32 since Blackwell.
_MOST_PER_FLOAT32 = {2017: 16.0, 2025: 32.0}


def of_instances(instances: Iterable[Instance]) -> tuple[Problem, ...]:
    """Return what is wrong among instances that are each sound: doubles, unknown devices.

    What a single row may not be (price, spot, memory) `Instance` itself refuses.
    """
    rows = list(instances)
    counts = Counter((i.name, i.region) for i in rows)
    doubles = [
        Problem(where=name, what=f"stands {n} times for region {region}")
        for (name, region), n in counts.items()
        if n > 1
    ]
    return tuple(doubles + [p for i in rows for p in _of_instance(i)])


def _of_instance(i: Instance) -> Iterator[Problem]:
    if i.accelerator is None:
        return
    sheet = data_sheets.find(i.accelerator)
    if sheet is None:
        yield Problem(where=i.name, what=f"no data sheet of the accelerator {i.accelerator}")
        return
    told, stated = i.accelerator_memory_bytes, sheet.memory_bytes if sheet else None
    if told and stated and abs(told - stated) > 0.1 * stated:
        what = f"accelerator_memory_bytes is {told}, the {i.accelerator} has {stated}"
        yield Problem(where=i.name, what=what)


def of_sheets(sheets: Iterable[DataSheet]) -> tuple[Problem, ...]:
    """Return what is implausible in data sheets: a sparse peak, a ratio that no such chip has."""
    rows = list(sheets)
    doubles = [n for n, count in Counter(s.name.lower() for s in rows).items() if count > 1]
    found = [Problem(where=n, what="stands more than once") for n in doubles]
    return tuple(found + [Problem(where=s.name, what=what) for s in rows for what in _of_sheet(s)])


def _of_sheet(s: DataSheet) -> Iterator[str]:
    numbers = {"memory_bytes": s.memory_bytes, "bandwidth_bytes_per_s": s.bandwidth_bytes_per_s}
    numbers |= {"tdp_w": s.tdp_w, "idle_w": s.idle_w, "cores": s.cores}
    numbers |= {f"the {dtype} peak": value for dtype, value in s.peak_flops_per_s.items()}
    for name, value in numbers.items():
        if value is not None and value <= 0:
            yield f"{name} must be above 0, is {value:g}"
    if not s.source:
        yield "it states no source"
    if s.vendor == "NVIDIA" and s.kind in ("gpu", "edge"):
        yield from _of_nvidia(s)


def _of_nvidia(s: DataSheet) -> Iterator[str]:
    peaks = s.peak_flops_per_s
    half, single = peaks.get("float16"), peaks.get("float32")
    if half is None:
        return
    if "bfloat16" in peaks:  # Ampere and later
        yield from _ratio(peaks, "int8", "float16", (2.0, 4.0))  # 4: GeForce, float32 accumulation
        yield from _ratio(peaks, "float8", "float16", (2.0,))
        yield from _ratio(peaks, "bfloat16", "float16", (1.0,))
        yield from _ratio(peaks, "float16", "tf32", (2.0,))
    most = max((f for year, f in _MOST_PER_FLOAT32.items() if s.year >= year), default=2.0)
    if single and half > most * single * (1 + _CLOSE):
        yield f"float16 is {half / single:.0f} times float32, at most {most:g} is dense"
    per_byte = half / s.bandwidth_bytes_per_s if s.bandwidth_bytes_per_s else 0.0
    if per_byte > _MOST_PER_BYTE:
        yield (
            f"float16 is {per_byte:.0f} FLOP for each byte of bandwidth, at most"
            f" {_MOST_PER_BYTE:g} is dense"
        )


def _ratio(
    peaks: Mapping[str, float], over: str, under: str, allowed: tuple[float, ...]
) -> Iterator[str]:
    upper, lower = peaks.get(over), peaks.get(under)
    if upper and lower and not any(abs(upper / lower / a - 1) <= _CLOSE for a in allowed):
        wanted = " or ".join(f"{a:g}" for a in allowed)
        yield f"{over} is {upper / lower:.2f} times {under}, not {wanted}"


def of_grid(rows: Iterable[GridRow]) -> tuple[Problem, ...]:
    """Return what is wrong with rows of the grid: doubles, and figures that cannot be."""
    known = list(rows)
    doubles = [c for c, n in Counter(r.code.lower() for r in known).items() if n > 1]
    found = [Problem(where=c, what="stands more than once") for c in doubles]
    for r in known:
        if not 0 < r.gco2e_per_kwh < 1500:  # lignite alone is about 1,200
            found.append(Problem(where=r.code, what=f"{r.gco2e_per_kwh:g} gCO2e/kWh cannot be"))
        for t in r.tariffs:
            if not 0 < t.usd_per_kwh < 2:
                found.append(Problem(where=r.code, what=f"{t.usd_per_kwh:g} USD/kWh cannot be"))
    return tuple(found)
