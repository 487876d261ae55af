"""A verdict for each measurement, with the reason and the remedy in words.

In order of gravity: implausible, throttled, drifting, noisy, valid. What makes a verdict also is a
warning; other warnings stand beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hwbench import interference
from hwbench.estimate_value import Estimate
from hwbench.measurement import Measurement, Protocol, Verdict, Warned
from hwbench.stopping import half_width_frac
from hwbench.units import ITEM_BYTES

NOISY_FRAC = 0.10  # half-width of the interval, relative to the median
FEW_SAMPLES_LEVEL = 0.95
UNSTEADY_FRAC = 0.5  # of the visits
_UNDONE = ": something was not run, or not waited for"
GRAVITY: tuple[Verdict, ...] = ("implausible", "throttled", "drifting", "noisy")

MATRIX_PRODUCTS = ("gemm", "gemm_int8")  # what no other case of their dtype outruns
FASTER_FLOPS = 1.10  # times the best matrix product: above it something was not run
BANDWIDTH = "triad"
# Times the best triad. STREAM counts three of the four transfers that a store which first reads its
# line makes (4/3), and reading alone is faster than reading and writing.
FASTER_BYTES = 2.0
CACHES = 4  # times the last level's size: what is larger must come from memory
ABOVE_LIMIT = 1.2  # a power limit holds on average, and sensors have an error
ACCELERATOR_CACHE_BYTES = 64 << 20  # more than any second level known


def judged(m: Measurement, protocol: Protocol, unsoaked: bool) -> Measurement:
    """Return the measurement with its warnings and the gravest verdict that they carry."""
    return _with(m, list(_warnings(m, protocol, unsoaked)))


def against_roofs(
    measurements: Sequence[Measurement],
    cache_bytes: Mapping[str, int | None],
    power_limit_w: Mapping[str, float | None] | None = None,
) -> tuple[Measurement, ...]:
    """Mark as implausible what cannot be, such as to outrun the best of the device in this run.

    `cache_bytes` is the size of each device's last-level cache, `power_limit_w` the most that it
    may draw, where they are known.
    """
    limits_w = power_limit_w or {}
    products: dict[tuple[str, str], float] = {}
    bandwidths: dict[str, float] = {}
    for m in measurements:
        if m.name in MATRIX_PRODUCTS:
            _raise(products, (m.device, m.dtype), m.flops_per_s)
        if m.name == BANDWIDTH:
            _raise(bandwidths, m.device, m.bytes_per_s)
    return tuple(
        _with(
            m,
            [
                *_above_product(m, products.get((m.device, m.dtype))),
                *_above_bandwidth(m, bandwidths.get(m.device), _memory_from(m, cache_bytes)),
                *_below_parameters(m),
                *_of_energy(m, limits_w.get(m.device)),
            ],
        )
        for m in measurements
    )


def _with(m: Measurement, found: list[Warned]) -> Measurement:
    warnings = (*m.warnings, *found)
    codes = {w.code for w in warnings}
    verdict: Verdict = next((v for v in GRAVITY if v in codes), "valid")
    return replace(m, warnings=warnings, verdict=verdict if m.wall_s else None)


def _warnings(m: Measurement, protocol: Protocol, unsoaked: bool) -> Iterable[Warned]:
    """Yield what a reader of the figures must know, with the remedy."""
    assert m.wall_s is not None
    if m.visits.done < m.visits.planned:
        yield Warned(
            code="partial",
            message=f"{m.visits.done} of {m.visits.planned} visits were finished",
            remedy="hwbench run --resume RECORD finishes the rest",
        )
    yield from _of_the_machine(m, unsoaked)
    if m.trend is not None and m.trend.drifting:
        yield Warned(
            code="drifting",
            message=f"it changed by {m.trend.change_frac:+.0%} over the run (p ="
            f" {m.trend.p_value:.2g}, {m.trend.method}): its latest speed is what lasts, if"
            " anything does",
            remedy="let the machine warm up (--soak 60s) or cool down, and run again",
        )
    half = half_width_frac(m.wall_s)
    if half > NOISY_FRAC:
        yield Warned(
            code="noisy",
            message=f"the interval of the median is +-{half:.0%}{_where(m)}",
            remedy="stop other programs, or run --profile standard",
        )
    if m.wall_s.level < FEW_SAMPLES_LEVEL:
        yield Warned(
            code="few_samples",
            message=f"{m.visits.done} visits of {m.wall_s.n} samples in all bound the median with"
            f" {m.wall_s.level:.0%} only",
            remedy="run --profile standard",
        )
    unsteady = m.steady.get("no steady state", 0)
    if unsteady > UNSTEADY_FRAC * sum(m.steady.values()):
        yield Warned(
            code="no_steady_state",
            message=f"{unsteady} of {m.visits.done} visits never came to a steady speed",
            remedy="longer visits (--profile standard), or --soak 60s",
        )


def with_minutes(m: Measurement) -> Measurement:
    """Return a case that ran for minutes with a warning where it did not hold its speed."""
    found = m.sustained
    if found is None or not found.slows or found.change_frac is None:
        return m
    told = Warned(
        code="slows",
        message=f"it took {found.change_frac:+.0%} after {found.ran_s:.0f} s without a pause (p ="
        f" {found.p_value:.2g}, {found.method})",
        remedy="plan with its last third's time, or cool the device",
    )
    return replace(m, warnings=(*m.warnings, told))


def _where(m: Measurement) -> str:
    """Return where the samples vary, which says whether longer or more visits would help."""
    if m.variance is None:
        return ""
    within, between = m.variance.within_frac, m.variance.between_frac
    return f": {within:.0%} from sample to sample, {between:.0%} more from visit to visit"


def _of_the_machine(m: Measurement, unsoaked: bool) -> Iterable[Warned]:
    """Yield what other programs, heat and clocks did to it."""
    throttled = interference.throttled(m.samples, m.conditions)
    if throttled is not None:
        yield Warned(code="throttled", message=throttled.reason, remedy=throttled.remedy)
    flagged = [s.disturbed for s in m.samples if s.disturbed]
    if flagged:
        most = max(set(flagged), key=flagged.count)
        yield Warned(
            code="disturbed",
            message=f"{len(flagged)} of {len(m.samples)} samples were disturbed, and are left out"
            f" of the median where enough others are; most: {most}",
            remedy="stop other programs and run again",
        )
    if unsoaked:
        yield Warned(
            code="not_soaked",
            message="not thermally soaked: sustained may be slower",
            remedy="--soak 60s runs each case until the device is warm",
        )


def _raise(roofs: dict[Any, float], key: Any, found: Estimate | None) -> None:
    if found is not None:
        roofs[key] = max(roofs.get(key, 0.0), found.high)


def _above_product(m: Measurement, roof: float | None) -> Iterable[Warned]:
    rate = m.flops_per_s
    if roof and rate and m.name not in MATRIX_PRODUCTS and rate.low > FASTER_FLOPS * roof:
        yield _implausible(
            f"{rate.point:.3g} FLOP/s, where the best matrix product has {roof:.3g}{_UNDONE}"
        )


def _above_bandwidth(m: Measurement, roof: float | None, moved: int | None) -> Iterable[Warned]:
    """Yield a warning where the least that an iteration moves cannot have come from memory."""
    if not roof or not moved or m.wall_s is None or m.name == BANDWIDTH:
        return
    rate = moved / m.wall_s.high
    if rate > FASTER_BYTES * roof:
        yield _implausible(
            f"{moved / m.wall_s.point:.3g} B/s at least, where the best triad has"
            f" {roof:.3g}{_UNDONE}"
        )


def _memory_from(m: Measurement, cache_bytes: Mapping[str, int | None]) -> int | None:
    """Return the least bytes that an iteration must bring from memory, or None: none need be.

    A kernel: what it moves at least. A network: its parameters, read once. Neither if it might
    stay in the caches from one iteration to the next.
    """
    least = m.work.bytes_per_iteration
    if m.kind == "workload" and m.work.parameters is not None:
        least = m.work.parameters * ITEM_BYTES[m.dtype]
    cache = cache_bytes.get(m.device)
    if least is None or cache is None or least < CACHES * cache:
        return None
    return least


def _below_parameters(m: Measurement) -> Iterable[Warned]:
    """Yield a warning where the peak memory cannot have held the network's parameters."""
    memory, parameters = m.memory_peak_bytes, m.work.parameters
    if memory is None or parameters is None:
        return
    peak = memory.host if m.device == "cpu" else memory.device
    least = parameters * ITEM_BYTES[m.dtype]
    if peak is not None and peak < least:
        yield _implausible(f"a peak of {peak:.3g} bytes, where its parameters have {least:.3g}")


def _of_energy(m: Measurement, limit_w: float | None) -> Iterable[Warned]:
    """Yield a warning for work without energy, or more power than the device may draw."""
    if m.energy_j is not None and m.energy_j.measured and m.energy_j.point == 0:
        yield _implausible("0 J measured for work that was done: the counter did not move")
    peak_w = _peak_w(m)
    if limit_w and peak_w and peak_w > ABOVE_LIMIT * limit_w:
        yield _implausible(f"a peak of {peak_w:.0f} W, where the limit is {limit_w:.0f} W")


def _peak_w(m: Measurement) -> float | None:
    """Return the peak of the case's own device where it is told apart, else of all that is."""
    domain = "cpu" if m.device == "cpu" else "gpu"
    if m.energy_j is not None and domain in m.energy_j.domains:
        return m.energy_j.domains[domain].peak_w
    return m.power_w.peak if m.power_w else None


def _implausible(text: str) -> Warned:
    return Warned(
        code="implausible",
        message=text,
        remedy="please report it with the record",
    )
