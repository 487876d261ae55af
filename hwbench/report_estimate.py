"""What a report says of an estimate: the answer, the options, the curves, what was assumed."""

from collections.abc import Iterable

from hwbench.chart_kind import Given
from hwbench.comparing import named
from hwbench.estimate_figures import Assumption
from hwbench.estimate_units import duration, grams, kwh, usd
from hwbench.estimated import EstimateFile, Row, Winner
from hwbench.pages import Cell, Live, Section, Table, Way
from hwbench.render import NOTHING
from hwbench.report_parts import between, cell, drawings, warned


def sections(given: Given) -> tuple[list[str], list[Section]]:
    """Return the answer in sentences, and what it stands on."""
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
            drawings=tuple(drawings(given, ("pareto",))),
        ),
        Section(title="As the dataset grows", drawings=tuple(drawings(given, ("cost", "time")))),
        *_energy(given),
        *_owned(given),
        Section(
            title="What was assumed",
            paragraphs=("Every number that was not measured here, with where it is from.",),
            tables=(_assumed(file.rows),),
        ),
        *warned([w for r in file.rows for w in r.warnings], file.notes),
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
    return between(row.time_s, duration) if row.time_s else "an unknown time"


def _of_rest(row: Row) -> str:
    parts = []
    if row.energy_j:
        parts.append(between(row.energy_j, kwh))
    if row.cost_usd:
        parts.append(between(row.cost_usd, usd))
    return "".join(f", {p}" for p in parts)


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
                cell(r.time_s, duration, r.reasons.get("time_s")),
                cell(r.energy_j, kwh, r.reasons.get("energy_j")),
                cell(r.cost_usd, usd, r.reasons.get("cost_usd")),
                cell(r.co2_gco2e, grams, r.reasons.get("co2_gco2e")),
                Cell(text=r.basis or NOTHING),
                Cell(text=", ".join(marks)),
            )
        )
    columns = ("machine", "bought", "way", "time", "energy", "cost", "CO2e", "basis", "")
    return Table(
        name="options",
        caption="Every way, with half of its interval; a dash has its reason below",
        columns=columns,
        rows=tuple(rows),
    )


def _energy(given: Given) -> list[Section]:
    found = tuple(drawings(given, ("energy",)))
    covers = dict.fromkeys(r.energy_covers for r in given.value.rows if r.energy_covers)
    if not found:
        return []
    said = tuple(f"The energy is of {c}." for c in covers)
    return [Section(title="Energy", paragraphs=said, drawings=found)]


def _owned(given: Given) -> list[Section]:
    found = tuple(drawings(given, ("break-even",)))
    lines: tuple[str, ...] = given.value.break_even
    return [Section(title="Owned or rented", points=lines, drawings=found)] if lines else []


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


def live(file: EstimateFile) -> Live | None:
    """Return what the page's sliders move over; None where the rows have no curves alike."""
    curves = [(r, r.curve) for r in file.rows if r.curve is not None]
    if not curves or any(c.samples != curves[0][1].samples for _, c in curves):
        return None
    return Live(
        samples=curves[0][1].samples,
        chosen=file.plan.samples,
        ways=tuple(Way(name=named(r), time_s=c.time_s, cost_usd=c.cost_usd) for r, c in curves),
    )
