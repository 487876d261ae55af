"""The verb `compare`: which cases are faster or slower in other records than in the base."""

import datetime
import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import hwbench
from hwbench import case_pairs, compare_reading, pair_ratios, ratio_tests, spending
from hwbench.case import SIDE
from hwbench.case_facts import RecordFacts
from hwbench.compared import (
    SCHEMA,
    Comparison,
    NotComparable,
    Overall,
    Pair,
    Side,
)
from hwbench.errors import BadInput, UnknownName
from hwbench.pair_ratios import Tried

AMBIGUOUS = 3  # exit status


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


def compare(options: Options) -> Comparison:
    """Return the comparison; raise BadInput for what cannot be compared at all."""
    _check(options)
    records, left_out = compare_reading.read(options.records, options.where, options.note)
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
        tried += [
            pair_ratios.tried(m, other.id, (sides[0], side), options.level, own=own) for m in found
        ]
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


def _judged(tried: Sequence[Tried], options: Options) -> list[Pair]:
    adjusted = ratio_tests.holm([ratio_tests.p_value(t.ln) for t in tried])
    return [_pair(t, p, options) for t, p in zip(tried, adjusted, strict=True)]


def _pair(t: Tried, p: float, options: Options) -> Pair:
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


def _summary(tried: Sequence[Tried], pairs: Sequence[Pair], options: Options) -> Iterator[Overall]:
    """Yield a row for each record that is compared."""
    by_record: dict[str, list[tuple[Tried, Pair]]] = {}
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
