"""The ratios of a pair of cases: of time, of joules and of dollars, or why one is not known."""

import math
from dataclasses import dataclass, replace

from hwbench import ratio_tests, stats
from hwbench.case_facts import CaseFacts, Joules
from hwbench.case_pairs import Matched
from hwbench.compared import RatioOf, Side
from hwbench.ratio_tests import Ln


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A pair before the verdicts, which depend on how many there are."""

    matched: Matched
    record: str
    ln: Ln
    ratio: RatioOf
    energy: RatioOf | None
    cost: RatioOf | None
    reasons: dict[str, str]


def tried(m: Matched, record: str, sides: tuple[Side, Side], level: float, *, own: bool) -> Tried:
    """Return a pair at an interval's `level`; `own`: both cases are of one record."""
    ln = _ln(m.base, m.other, own=own)
    a, b = m.base.items, m.other.items
    if a and b and a != b:  # of batches that differ the time is an item's
        ln = replace(ln, point=ln.point + math.log(a / b))
    reasons: dict[str, str] = {}
    energy, why = _energy(m, level)
    if why is not None:
        reasons["energy_ratio"] = why
    ratio = ratio_tests.interval(ln, level)
    cost, why = _cost(ratio, sides)
    if why is not None:
        reasons["cost_ratio"] = why
    return Tried(
        matched=m, record=record, ln=ln, ratio=ratio, energy=energy, cost=cost, reasons=reasons
    )


def _ln(base: CaseFacts, other: CaseFacts, *, own: bool) -> Ln:
    if own and base.id == other.id:
        return ratio_tests.of_itself()
    if own and base.measurement is not None and other.measurement is not None:
        paired = ratio_tests.of_pair(base.measurement, other.measurement)
        if paired is not None:
            return paired
    return ratio_tests.apart(base, other)


def _energy(m: Matched, level: float) -> tuple[RatioOf | None, str | None]:
    """Return the ratio of joules an item, its ends by both intervals in quadrature."""
    a, b = m.base.energy, m.other.energy
    for found, of, side in ((a, m.base, "base"), (b, m.other, "other")):
        if found is None:
            return None, f"not known of the {side}: {of.energy_reason or 'no meter'}"
    assert a is not None and b is not None
    if a.parts != b.parts:
        return None, f"of {'+'.join(a.parts)} in the base, of {'+'.join(b.parts)} in the other"
    halves = [_half(e, level) for e in (a, b)]
    for half, side in zip(halves, ("base", "other"), strict=True):
        if half is None:
            return None, f"of the {side} it is modelled in part, or none: its range is no interval"
    point = math.log(b.point / a.point * (m.base.items or 1) / (m.other.items or 1))
    half = math.hypot(*(h for h in halves if h is not None))
    ends = {"low": math.exp(point - half), "high": math.exp(point + half)}
    return RatioOf(point=math.exp(point), level=level, **ends), None


def _half(e: Joules, level: float) -> float | None:
    """Return half of an energy's interval in logarithms, at this level; None where it has none."""
    if e.level is None or not 0 < e.low <= e.high:
        return None
    own, asked = (stats.normal_quantile(x) for x in (e.level, level))
    return math.log(e.high / e.low) / 2 * asked / own


def _cost(ratio: RatioOf, sides: tuple[Side, Side]) -> tuple[RatioOf | None, str | None]:
    a, b = (s.usd_per_h for s in sides)
    if a is None or b is None:
        side = "base" if a is None else "other"
        return None, f"of the {side}: {sides[0 if a is None else 1].no_price}"
    dearer = b / a
    return (
        RatioOf(
            point=ratio.point * dearer,
            low=ratio.low * dearer,
            high=ratio.high * dearer,
            level=ratio.level,
        ),
        None,
    )
