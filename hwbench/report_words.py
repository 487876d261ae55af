"""What a report says of each file: the answer first, then what it stands on."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hwbench import compare_view, report
from hwbench.chart_kind import Given
from hwbench.compared import Comparison
from hwbench.comparing import named
from hwbench.estimate_units import duration, grams, kwh, usd
from hwbench.estimated import Assumption, EstimateFile, Figure, Row, Winner
from hwbench.measurement import Record
from hwbench.pages import Cell, Drawing, Live, Page, Section, Table, Way
from hwbench.render import NOTHING, count, digits, gib, half_width, seconds
from hwbench.report import Reported
from hwbench.shortcut_rows import ShortcutsFile

MOST_WARNINGS = 30


def page(found: Reported) -> Page:
    """Return the report of the files, in the order in which they were given."""
    estimates = [g for g in found.given if g.kind == "estimate"]
    sections, answers = [], []
    for g in found.given:
        of = {"estimate": _estimate, "shortcuts": _shortcuts, "record": _record}[g.kind]
        said, parts = of(g)
        answers += said
        sections += parts
    sections += _comparison(found)
    sections.append(_reproduce(found.given))
    return Page(
        title=_question(found),
        answer=tuple(answers),
        sections=_told_apart(sections),
        live=_live(estimates[0].value) if estimates else None,
    )


def _told_apart(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return the sections with no name of a table twice: two estimates have the same tables."""
    seen: dict[str, int] = {}
    made = []
    for section in sections:
        tables = []
        for table in section.tables:
            n = seen[table.name] = seen.get(table.name, 0) + 1
            tables.append(replace(table, name=f"{table.name}-{n}") if n > 1 else table)
        made.append(replace(section, tables=tuple(tables)))
    return tuple(made)


def _question(found: Reported) -> str:
    first = found.given[0]
    if first.kind == "record":
        several = sum(g.kind == "record" for g in found.given) > 1
        return "Which machine is faster, and where?" if several else "What can this machine do?"
    plan = first.value.plan
    what = f"training {plan.workload} on {plan.samples:,} samples"
    if first.kind == "shortcuts":
        return f"Is there a cheaper way than {what} from scratch?"
    return f"How long, how much energy and how much money does {what} take?"


def _between(figure: Figure, told: object) -> str:
    say = told if callable(told) else str
    return f"{say(figure.point)} ({say(figure.low)} to {say(figure.high)})"


def _estimate(given: Given) -> tuple[list[str], list[Section]]:
    file: EstimateFile = given.value
    return _answer(file), [
        Section(
            title="The options",
            paragraphs=(
                f"Intervals of {file.plan.level:.0%}. Basis: measured on that machine, scaled from"
                " a measured one, or modelled.",
                *file.answer,
            ),
            tables=(_options(file),),
            drawings=tuple(_drawings(given, ("pareto",))),
        ),
        Section(title="As the dataset grows", drawings=tuple(_drawings(given, ("cost", "time")))),
        *_energy(given),
        Section(
            title="What was assumed",
            paragraphs=("Every number that was not measured here, with where it is from.",),
            tables=(_assumed(file.rows),),
        ),
        *_warned([w for r in file.rows for w in r.warnings], file.notes),
    ]


def _answer(file: EstimateFile) -> list[str]:
    """Return the answer in two sentences: the cheapest or fastest way, and the others beside it."""
    best = file.best.by_cost or file.best.by_time
    if best is None:
        reasons = dict.fromkeys(why for r in file.rows for why in r.reasons.values())
        return [f"No way has a time that can be told: {'; '.join(list(reasons)[:2])}."]
    row = file.rows[best.row]
    told = [f"{_of_time(row)}{_of_rest(row)}"]
    word = "cheapest" if file.best.by_cost else "fastest"
    line = f"{named(row)} takes {', '.join(told)}"
    if len(file.rows) > 1:
        line += f"; of {len(file.rows)} ways it is the {word} {_chance(best)}"
    lines = [line + "."]
    fast = file.best.by_time
    if fast is not None and fast.row != best.row:
        other = file.rows[fast.row]
        lines.append(f"Fastest is {named(other)}: {_of_time(other)}{_of_rest(other)}.")
    return lines


def _chance(best: Winner) -> str:
    others = len(best.indistinguishable)
    more = f", {others} cannot be told from it" if others else ""
    return f"with a chance of {best.probability:.0%}{more}"


def _of_time(row: Row) -> str:
    return _between(row.time_s, duration) if row.time_s else "an unknown time"


def _of_rest(row: Row) -> str:
    parts = []
    if row.energy_j:
        parts.append(_between(row.energy_j, kwh))
    if row.cost_usd:
        parts.append(_between(row.cost_usd, usd))
    return "".join(f", {p}" for p in parts)


def _cell(figure: Figure | None, told: object, why: str | None) -> Cell:
    """Return a figure with its interval; one that is not known with the reason."""
    say = told if callable(told) else str
    if figure is None:
        return Cell(text=f"{NOTHING} {why or ''}".strip())
    half = half_width(figure.low, figure.high, figure.point)
    return Cell(text=f"{say(figure.point)} {half}", key=figure.point, figure=True)


def _options(file: EstimateFile) -> Table:
    rows = []
    for r in file.rows:
        marks = [
            m for m, on in (("frontier", r.pareto), ("does not fit", r.fits_memory is False)) if on
        ]
        rows.append(
            (
                Cell(text=r.instance),
                Cell(text=r.purchase),
                Cell(text=r.shortcut),
                _cell(r.time_s, duration, r.reasons.get("time_s")),
                _cell(r.energy_j, kwh, r.reasons.get("energy_j")),
                _cell(r.cost_usd, usd, r.reasons.get("cost_usd")),
                _cell(r.co2_gco2e, grams, r.reasons.get("co2_gco2e")),
                Cell(text=r.basis or NOTHING),
                Cell(text=", ".join(marks)),
            )
        )
    columns = ("machine", "bought", "way", "time", "energy", "cost", "CO2e", "basis", "")
    return Table(
        name="options",
        caption="Every way, with half of its interval; a dash has its reason",
        columns=columns,
        rows=tuple(rows),
    )


def _energy(given: Given) -> list[Section]:
    drawings = tuple(_drawings(given, ("energy",)))
    covers = dict.fromkeys(r.energy_covers for r in given.value.rows if r.energy_covers)
    if not drawings:
        return []
    said = tuple(f"The energy is of {c}." for c in covers)
    return [Section(title="Energy", paragraphs=said, drawings=drawings)]


def _drawings(given: Given, kinds: Iterable[str]) -> list[Drawing]:
    found = []
    for kind in kinds:
        charts = report.charts(kind, given)
        if charts:
            alt = "; ".join(
                f"{c.title}: {len([s for s in c.series if not s.faint])} named of"
                f" {len(c.series)} series, {c.x.label} across, {c.y.label} up"
                for c in charts
            )
            found.append(Drawing(charts=charts, alt=alt))
    return found


def _assumed(rows: Iterable[Row]) -> Table:
    found: dict[tuple[str, ...], None] = {}
    for r in rows:
        found |= dict.fromkeys(_assumption(a) for a in r.assumptions)
    return Table(
        name="assumed",
        caption="Assumptions of all rows",
        columns=("what", "value", "unit", "source", "date"),
        rows=tuple(tuple(Cell(text=t) for t in row) for row in found),
    )


def _assumption(a: Assumption) -> tuple[str, ...]:
    value = (
        f"{a.value:.4g}"
        if isinstance(a.value, float)
        else str(a.value if a.value is not None else NOTHING)
    )
    return a.name, value, a.unit, a.source, a.date or ""


def _warned(warnings: Iterable[str], notes: Sequence[str]) -> list[Section]:
    said = list(dict.fromkeys((*warnings, *notes)))
    if not said:
        return []
    more = len(said) - MOST_WARNINGS
    points = (*said[:MOST_WARNINGS], *([f"and {more} more, in the file"] if more > 0 else []))
    return [Section(title="To know before relying on it", points=tuple(points))]


def _live(file: EstimateFile) -> Live | None:
    curves = [(r, r.curve) for r in file.rows if r.curve is not None]
    if not curves or any(c.samples != curves[0][1].samples for _, c in curves):
        return None
    return Live(
        samples=curves[0][1].samples,
        chosen=file.plan.samples,
        ways=tuple(Way(name=named(r), time_s=c.time_s, cost_usd=c.cost_usd) for r, c in curves),
    )


def _shortcuts(given: Given) -> tuple[list[str], list[Section]]:
    file: ShortcutsFile = given.value
    first = (file.rows[0].instance, file.rows[0].purchase) if file.rows else ("", "")
    here = [r for r in file.rows if r.time_s and (r.instance, r.purchase) == first]
    cheaper = sorted(
        (r for r in here if r.ratio_to_scratch and r.ratio_to_scratch.high < 1),
        key=lambda r: r.ratio_to_scratch.point if r.ratio_to_scratch else 1.0,
    )
    answer = "No way is told to be faster than training from scratch."
    if cheaper:
        r = cheaper[0]
        assert r.ratio_to_scratch is not None and r.time_s is not None
        times = 1 / r.ratio_to_scratch.point
        parts = " x ".join(f"{p.times:.3g} ({p.basis})" for p in r.factors)
        answer = (
            f"By {r.shortcut} the training takes {_between(r.time_s, duration)}, {digits(times)}"
            f" times less than from scratch{': ' + parts if parts else ''}. Equal time is not equal"
            " accuracy: the epochs are assumed unless they were learnt."
        )
    rows = tuple(
        (
            Cell(text=r.shortcut),
            Cell(text=f"{r.instance}, {r.purchase}"),
            _cell(r.time_s, duration, r.reasons.get("time_s")),
            Cell(
                text=f"{r.ratio_to_scratch.point:.3g}" if r.ratio_to_scratch else NOTHING,
                key=r.ratio_to_scratch.point if r.ratio_to_scratch else None,
                figure=True,
            ),
            Cell(text=" x ".join(f"{p.times:.3g} {p.name} ({p.basis})" for p in r.factors)),
            Cell(text=gib(r.memory_peak_bytes), key=r.memory_peak_bytes, figure=True),
            Cell(text=", ".join(r.ties)),
        )
        for r in file.rows
    )
    table = Table(
        name="shortcuts",
        caption="Ratio: the time by that from scratch. Factors: how many times less each part"
        " takes",
        columns=("way", "machine", "time", "ratio", "factors", "memory", "cannot be told from"),
        rows=rows,
    )
    sections = [
        Section(
            title="Cheaper ways to train",
            tables=(table,),
            drawings=tuple(_drawings(given, ("time",))),
        ),
        *_warned(
            file.cautions, (*file.notes, *(f"{r.shortcut}: {r.reason}" for r in file.refused))
        ),
    ]
    return [answer], sections


def _record(given: Given) -> tuple[list[str], list[Section]]:
    value: Record = given.value
    done = [m for m in value.measurements if m.status == "ok" and m.wall_s is not None]
    trained = [m for m in done if m.phase == "training" and m.items_per_s and m.kind == "workload"]
    machine = _machine(value)
    answer = f"{machine} ran {len(done)} of {len(value.measurements)} cases."
    if trained:
        best = max(trained, key=lambda m: m.items_per_s.point if m.items_per_s else 0.0)
        rate = best.items_per_s
        assert rate is not None
        answer += (
            f" It trains {best.name} at {count(rate.point)} items a second"
            f" ({count(rate.low)} to {count(rate.high)}, {rate.level:.0%}) on {best.runtime}."
        )
    rows = tuple(
        (
            Cell(text=m.name),
            Cell(text=m.phase),
            Cell(text=m.runtime),
            Cell(text=f"{m.device} {m.dtype}"),
            Cell(text=str(m.batch_size or NOTHING), key=m.batch_size, figure=True),
            Cell(text=seconds(m.wall_s.point), key=m.wall_s.point, figure=True),
            Cell(text=half_width(m.wall_s.low, m.wall_s.high, m.wall_s.point), figure=True),
            Cell(
                text=count(m.items_per_s.point) if m.items_per_s else NOTHING,
                key=m.items_per_s.point if m.items_per_s else None,
                figure=True,
            ),
            Cell(text=m.verdict or NOTHING),
        )
        for m in done
        if m.wall_s is not None
    )
    table = Table(
        name=f"cases-{_safe_name(value.id)}",
        caption=f"Cases of {value.id}: medians with half of their 95 % interval",
        columns=("case", "phase", "runtime", "device", "batch", "time", "±", "items/s", "verdict"),
        rows=rows,
    )
    failed = [f"{m.id}: {m.status}: {m.reason}" for m in value.measurements if m.status != "ok"]
    said = [f"{m.id}: {w.message}" for m in done for w in m.warnings]
    return [answer], [
        Section(
            title=f"The machine: {machine}",
            paragraphs=(_software(value),),
            tables=(table,),
            drawings=tuple(_drawings(given, ("roofline", "batch", "latency"))),
        ),
        *_warned([*failed, *said], ()),
    ]


def _safe_name(text: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in text)


def _machine(value: Record) -> str:
    e = value.environment
    cards = [d.model for d in value.devices if d.kind != "cpu" and d.model]
    where = f"{e.cloud_instance}, " if e.cloud_instance else ""
    return f"{where}{', '.join(cards) or e.cpu.model}"


def _software(value: Record) -> str:
    e = value.environment
    packages = ", ".join(f"{k} {v}" for k, v in e.packages.items())
    return (
        f"{e.cpu.model}, {e.cpu.cores} cores, {gib(e.memory_bytes)}; {e.os}, Python {e.python};"
        f" {packages}. Measured {value.created_utc} by hwbench {value.hwbench_version}, profile"
        f" {value.profile}, {value.protocol.rounds} rounds."
    )


def _comparison(found: Reported) -> list[Section]:
    if found.no_comparison is not None:
        return [Section(title="Compared", paragraphs=(found.no_comparison,))]
    if found.comparison is None:
        return []
    done: Comparison = found.comparison
    rows = tuple(
        (
            Cell(text=p.id),
            Cell(text=p.record),
            Cell(text=seconds(p.base_s), key=p.base_s, figure=True),
            Cell(text=seconds(p.other_s), key=p.other_s, figure=True),
            Cell(
                text=f"{p.ratio.point:.3f} ({p.ratio.low:.3f} to {p.ratio.high:.3f})",
                key=p.ratio.point,
                figure=True,
            ),
            Cell(text=p.verdict),
        )
        for p in done.pairs
    )
    lines = tuple(
        f"{o.record}: geometric mean {o.geometric_mean.point:.3f} ({o.geometric_mean.low:.3f} to"
        f" {o.geometric_mean.high:.3f}), {o.verdict}"
        for o in done.summary
    )
    table = Table(
        name="compared",
        caption=f"Time by that of {done.base.record}, above 1 is slower; {done.level:.0%}"
        " intervals, verdicts after Holm's correction",
        columns=("case", "record", "base", "other", "ratio", "verdict"),
        rows=rows,
    )
    refused = tuple(f"{r.id}: {r.reason}" for r in done.not_comparable[: compare_view.REFUSED])
    return [Section(title="Compared", paragraphs=lines, tables=(table,), points=refused)]


def _reproduce(given: Sequence[Given]) -> Section:
    lines = [shlex.join(g.value.argv) or f"# {g.path}: the command was not kept" for g in given]
    facts = [
        f"{g.path}: {g.value.schema}, {g.value.id}, made {g.value.created_utc} by hwbench"
        f" {g.value.hwbench_version}"
        for g in given
    ]
    return Section(title="How to reproduce it", points=tuple(facts), code=tuple(lines))
