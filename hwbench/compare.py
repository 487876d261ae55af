"""The verb `compare`: which cases are faster or slower in other records than in the base."""

import datetime
import glob
import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hwbench
from hwbench import case_pairs, ratio_tests, spending, stats, store
from hwbench.case import SIDE
from hwbench.case_pairs import Matched
from hwbench.compared import (
    SCHEMA,
    Comparison,
    NotComparable,
    Overall,
    Pair,
    RatioOf,
    Side,
)
from hwbench.energy import Energy
from hwbench.errors import BadInput, UnknownName
from hwbench.measurement import Record
from hwbench.ratio_tests import Ln

AMBIGUOUS = 3  # exit status


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked of a comparison; the first record is the base."""

    records: tuple[str, ...]  # paths or globs
    threshold: float = 0.03
    level: float = 0.95
    only: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    usd_per_h: tuple[float, ...] = ()  # of the records in their order; none: the catalogue's
    catalog: Path | None = None
    argv: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """A pair before the verdicts, which depend on how many there are."""

    matched: Matched
    record: str
    ln: Ln
    energy: RatioOf | None
    cost: RatioOf | None
    reasons: dict[str, str]


def compare(options: Options) -> Comparison:
    """Return the comparison; raise BadInput for what cannot be compared at all."""
    _check(options)
    paths = _paths(options.records)
    records = [store.load(p) for p in paths]
    if len(records) == 1:
        if not options.across and records[0].protocol.against is not None:
            options = replace(options, across=(SIDE,))
        if not options.across:
            raise BadInput(
                f"{paths[0]}: one record alone: give another, or --across {_ACROSS} to compare"
                " its own cases"
            )
        paths, records = paths * 2, records * 2
    sides = _sides(records, paths, options)
    tried, refused = [], []
    for other, side in zip(records[1:], sides[1:], strict=True):
        found, why = case_pairs.matched(records[0], other, options.only, options.across)
        refused += why
        tried += [_tried(m, records[0], other, (sides[0], side), options.level) for m in found]
    if not tried:
        raise BadInput(_nothing(paths, refused, options))
    pairs = _judged(tried, options)
    now = datetime.datetime.now(datetime.UTC)
    return Comparison(
        schema=SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=options.argv,
        threshold=options.threshold,
        level=options.level,
        across=options.across,
        base=sides[0],
        others=tuple(sides[1:]),
        pairs=tuple(pairs),
        not_comparable=tuple(refused),
        summary=tuple(
            _overall(r, [t for t in tried if t.record == r], pairs, options)
            for r in dict.fromkeys(t.record for t in tried)
        ),
    )


def status(done: Comparison) -> int:
    """Return the exit status: 1 slower, 3 where a geometric mean may be, else 0.

    Always 0 where the records are the base itself and nothing is across.
    """
    if any(p.verdict == "slower" for p in done.pairs):
        return 1
    if any(o.verdict == "slower" for o in done.summary):
        return 1
    limit = 1 + done.threshold
    spans = any(o.geometric_mean.low < limit < o.geometric_mean.high for o in done.summary)
    return AMBIGUOUS if spans else 0


_ACROSS = "runtime,device"


def _check(options: Options) -> None:
    for name in options.across:
        if name not in case_pairs.DIMENSIONS[1:]:
            raise UnknownName("part of a case's id", name, case_pairs.DIMENSIONS[1:])
    if not 0 <= options.threshold < math.inf:
        raise BadInput(f"--threshold {options.threshold:g}: a share of the time: 0.03 is 3 %")
    if not 0 < options.level < 1:
        raise BadInput(f"--level {options.level:g}: lies between 0 and 1, 0.95 is 95 %")
    for usd in options.usd_per_h:
        if not 0 < usd < math.inf:
            raise BadInput(f"--usd-per-h {usd:g}: a price is above 0")


def _paths(given: Sequence[str]) -> list[Path]:
    """Return the files, of globs by name; raise BadInput for one that no file matches."""
    found: list[Path] = []
    for text in given:
        if Path(text).exists() or not glob.has_magic(text):
            found.append(Path(text))
            continue
        matches = sorted(glob.glob(text, recursive=True))
        if not matches:
            raise BadInput(f"{text}: no file matches it")
        found += [Path(m) for m in matches]
    return found


def _sides(records: Sequence[Record], paths: Sequence[Path], options: Options) -> list[Side]:
    given = options.usd_per_h
    if given and len(given) != len(records):
        raise BadInput(
            f"{len(given)} times --usd-per-h for {len(records)} records: give one for each, in"
            " their order"
        )
    prices: Iterable[float | None] = given or [None] * len(records)
    return [
        _side(r, p, usd, options.catalog) for r, p, usd in zip(records, paths, prices, strict=True)
    ]


def _side(record: Record, path: Path, usd: float | None, catalog: Path | None) -> Side:
    name, why = record.environment.cloud_instance, None
    if usd is None:
        known = spending.rented_as(name, catalog)
        usd = known.usd_per_h if known else None
        why = None if known else "its price is not known: --usd-per-h for each record gives it"
    models = [d.model for d in record.devices if d.model]
    return Side(
        record=record.id,
        path=path.name,
        created_utc=record.created_utc,
        hwbench_version=record.hwbench_version,
        device=models[-1] if models else record.environment.cpu.model or "a machine",
        instance=name,
        usd_per_h=usd,
        no_price=why,
    )


def _tried(
    m: Matched, base: Record, other: Record, sides: tuple[Side, Side], level: float
) -> _Tried:
    if m.base is m.other or (base.id == other.id and m.base.id == m.other.id):
        ln = ratio_tests.of_itself()
    else:
        ln = ratio_tests.of_pair(m.base, m.other, paired=base.id == other.id)
    a, b = m.base.work.items_per_iteration, m.other.work.items_per_iteration
    if a and b and a != b:  # of batches that differ the time is an item's
        ln = replace(ln, point=ln.point + math.log(a / b))
    reasons: dict[str, str] = {}
    energy, why = _energy(m, level)
    if why is not None:
        reasons["energy_ratio"] = why
    cost, why = _cost(ratio_tests.interval(ln, level), sides)
    if why is not None:
        reasons["cost_ratio"] = why
    return _Tried(matched=m, record=other.id, ln=ln, energy=energy, cost=cost, reasons=reasons)


def _energy(m: Matched, level: float) -> tuple[RatioOf | None, str | None]:
    """Return the ratio of joules an item, its ends by both intervals in quadrature."""
    a, b = m.base.energy_j, m.other.energy_j
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
    items = (m.base.work.items_per_iteration or 1, m.other.work.items_per_iteration or 1)
    point = math.log(b.point / a.point * items[0] / items[1])
    half = math.hypot(*(h for h in halves if h is not None))
    ends = {"low": math.exp(point - half), "high": math.exp(point + half)}
    return RatioOf(point=math.exp(point), level=level, **ends), None


def _half(e: Energy, level: float) -> float | None:
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


def _judged(tried: Sequence[_Tried], options: Options) -> list[Pair]:
    adjusted = ratio_tests.holm([ratio_tests.p_value(t.ln) for t in tried])
    return [_pair(t, p, options) for t, p in zip(tried, adjusted, strict=True)]


def _pair(t: _Tried, p: float, options: Options) -> Pair:
    a, b = t.matched.base, t.matched.other
    assert a.wall_s is not None and b.wall_s is not None
    ratio = ratio_tests.interval(t.ln, options.level)
    return Pair(
        id=a.id,
        base=a.id,
        other=b.id,
        record=t.record,
        base_s=a.wall_s.point,
        other_s=b.wall_s.point,
        ratio=ratio,
        p_value=p,
        verdict=ratio_tests.verdict(ratio, p, options.threshold),
        basis=t.ln.basis,
        energy_ratio=t.energy,
        cost_ratio=t.cost,
        reasons=t.reasons,
        warnings=tuple(
            f"{side}: {m.verdict}"
            for m, side in ((a, "base"), (b, "other"))
            if m.verdict not in (None, "valid")
        ),
    )


def _overall(
    record: str, tried: Sequence[_Tried], pairs: Sequence[Pair], options: Options
) -> Overall:
    whole = ratio_tests.together([t.ln for t in tried])
    mean = ratio_tests.interval(whole, options.level)
    counts = dict.fromkeys(("faster", "slower", "same", "ambiguous"), 0)
    for p in pairs:
        counts[p.verdict] += p.record == record
    return Overall(
        record=record,
        geometric_mean=mean,
        verdict=ratio_tests.verdict(mean, ratio_tests.p_value(whole), options.threshold),
        counts=counts,
    )


def _nothing(paths: Sequence[Path], refused: Sequence[NotComparable], options: Options) -> str:
    """Return why there is nothing to compare, with the first reason."""
    names = ", ".join(p.name for p in paths[:3])
    first = f": {refused[0].id}: {refused[0].reason}" if refused else ""
    asked = f" by --only {' '.join(options.only)}" if options.only else ""
    across = "" if options.across else "; --across runtime,device matches on the rest of an id"
    return f"{names}: no case{asked} can be compared{first}{across}"
