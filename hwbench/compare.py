"""The verb `compare`: which cases are faster or slower in other records than in the base."""

import datetime
import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hwbench
from hwbench import (
    case_pairs,
    comparable,
    ratio_tests,
    record_facts,
    record_files,
    record_table,
    spending,
    stats,
    store,
)
from hwbench.case import SIDE
from hwbench.case_facts import CaseFacts, Joules, RecordFacts
from hwbench.case_pairs import Matched
from hwbench.compared import (
    SCHEMA,
    Comparison,
    LeftOut,
    NotComparable,
    Overall,
    Pair,
    RatioOf,
    Side,
)
from hwbench.errors import BadInput, BadRecord, UnknownName
from hwbench.ratio_tests import Ln
from hwbench.record_files import Named

AMBIGUOUS = 3  # exit status
FEW = 50  # records that are read whole; more go through a table, which is read by columns


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked of a comparison; the first record is the base."""

    records: tuple[str, ...]  # paths or globs
    threshold: float = 0.03
    level: float = 0.95
    only: tuple[str, ...] = ()
    across: tuple[str, ...] = ()
    where: str | None = None  # of SQL over the table of cases: `hwbench export --help`
    usd_per_h: tuple[float, ...] = ()  # of the records in their order; none: the catalogue's
    catalog: Path | None = None
    argv: tuple[str, ...] = ()
    note: Callable[[str], None] = lambda text: None  # is told what takes a while


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """A pair before the verdicts, which depend on how many there are."""

    matched: Matched
    record: str
    ln: Ln
    ratio: RatioOf
    energy: RatioOf | None
    cost: RatioOf | None
    reasons: dict[str, str]


def compare(options: Options) -> Comparison:
    """Return the comparison; raise BadInput for what cannot be compared at all."""
    _check(options)
    records, left_out = _read(options)
    if len(records) == 1:
        if not options.across and records[0].against:
            options = replace(options, across=(SIDE,))
        if not options.across:
            raise BadInput(
                f"{records[0].name}: one record alone: give another, or --across {_ACROSS} to"
                " compare its own cases"
            )
        records = records * 2
    sides = _sides(records, options)
    tried, refused = [], []
    for other, side in zip(records[1:], sides[1:], strict=True):
        found, why = case_pairs.matched(records[0], other, options.only, options.across)
        refused += why
        own = records[0].id == other.id
        tried += [_tried(m, other.id, (sides[0], side), options.level, own=own) for m in found]
    if not tried:
        raise BadInput(_nothing(records, refused, options))
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
        summary=tuple(_summary(tried, pairs, options)),
        left_out=left_out,
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


def _read(options: Options) -> tuple[list[RecordFacts], tuple[LeftOut, ...]]:
    """Return the records: read whole where they are few, else through a table.

    A file that only a glob matched and that is no record is left out, with the reason.
    """
    files = record_files.named(options.records)
    if len(files) > FEW:
        with record_table.opened(files, options.where, note=options.note) as table:
            return record_facts.of(table), table.left_out
    chosen = None if options.where is None else _chosen(files, options)
    found: list[RecordFacts] = []
    left_out: list[LeftOut] = []
    for file in files:
        try:
            record = comparable.of_record(store.load(file.path), file.path.name)
        except BadRecord as e:
            if not file.by_glob:
                raise
            left_out.append(LeftOut(path=str(file.path), reason=str(e)))
            continue
        if chosen is not None:
            wanted = chosen.get(str(file.path.absolute()), ())
            record = replace(record, cases=tuple(c for c in record.cases if c.id in wanted))
        found.append(record)
    if not found:
        raise BadInput(f"{len(files)} files, and none is a record: {left_out[0].reason}")
    return found, tuple(left_out)


def _chosen(files: Sequence[Named], options: Options) -> dict[str, set[str]]:
    """Return the ids of the cases that --where leaves, by the path of their record."""
    with record_table.opened(files, options.where, note=options.note) as table:
        found: dict[str, set[str]] = {}
        for path, case in table.rows(("path", "id")):
            found.setdefault(path, set()).add(case)
        return found


def _sides(records: Sequence[RecordFacts], options: Options) -> list[Side]:
    given = options.usd_per_h
    if given and len(given) != len(records):
        raise BadInput(
            f"{len(given)} times --usd-per-h for {len(records)} records: give one for each, in"
            " their order"
        )
    prices: Iterable[float | None] = given or [None] * len(records)
    known: dict[str | None, float | None] = {}
    return [_side(r, usd, options, known) for r, usd in zip(records, prices, strict=True)]


def _side(
    record: RecordFacts, usd: float | None, options: Options, known: dict[str | None, float | None]
) -> Side:
    """Return one side; `known` keeps what instances cost."""
    why = None
    if usd is None:
        if record.instance not in known:
            rented = spending.rented_as(record.instance, options.catalog)
            known[record.instance] = rented.usd_per_h if rented else None
        usd = known[record.instance]
        if usd is None:
            why = "its price is not known: --usd-per-h for each record gives it"
    return Side(
        record=record.id,
        path=record.name,
        created_utc=record.created_utc,
        hwbench_version=record.hwbench_version,
        device=record.device,
        instance=record.instance,
        usd_per_h=usd,
        no_price=why,
    )


def _tried(m: Matched, record: str, sides: tuple[Side, Side], level: float, *, own: bool) -> _Tried:
    """Return a pair; `own`: both cases are of one record."""
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
    return _Tried(
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


def _judged(tried: Sequence[_Tried], options: Options) -> list[Pair]:
    adjusted = ratio_tests.holm([ratio_tests.p_value(t.ln) for t in tried])
    return [_pair(t, p, options) for t, p in zip(tried, adjusted, strict=True)]


def _pair(t: _Tried, p: float, options: Options) -> Pair:
    a, b = t.matched.base, t.matched.other
    assert a.time_s is not None and b.time_s is not None
    return Pair(
        id=a.id,
        base=a.id,
        other=b.id,
        record=t.record,
        base_s=a.time_s,
        other_s=b.time_s,
        ratio=t.ratio,
        p_value=p,
        verdict=ratio_tests.verdict(t.ratio, p, options.threshold),
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


def _summary(tried: Sequence[_Tried], pairs: Sequence[Pair], options: Options) -> Iterator[Overall]:
    """Yield a row for each record that is compared."""
    by_record: dict[str, list[tuple[_Tried, Pair]]] = {}
    for t, p in zip(tried, pairs, strict=True):
        by_record.setdefault(t.record, []).append((t, p))
    for record, of in by_record.items():
        whole = ratio_tests.together([t.ln for t, _ in of])
        mean = ratio_tests.interval(whole, options.level)
        counts = dict.fromkeys(("faster", "slower", "same", "ambiguous"), 0)
        for _, p in of:
            counts[p.verdict] += 1
        yield Overall(
            record=record,
            geometric_mean=mean,
            verdict=ratio_tests.verdict(mean, ratio_tests.p_value(whole), options.threshold),
            counts=counts,
        )


def _nothing(
    records: Sequence[RecordFacts], refused: Sequence[NotComparable], options: Options
) -> str:
    """Return why there is nothing to compare, with the first reason."""
    names = ", ".join(r.name for r in records[:3])
    first = f": {refused[0].id}: {refused[0].reason}" if refused else ""
    asked = f" by --only {' '.join(options.only)}" if options.only else ""
    asked += f" by --where {options.where}" if options.where else ""
    across = "" if options.across else "; --across runtime,device matches on the rest of an id"
    return f"{names}: no case{asked} can be compared{first}{across}"
