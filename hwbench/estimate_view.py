"""An estimate as text: the table of ways, the answers, the terms of the best, what was assumed."""

from collections.abc import Iterable

from hwbench.estimated import Assumption, EstimateFile, Figure, Row, Winner
from hwbench.render import NOTHING, digits, half_width, table
from hwbench.units import J_PER_KWH, S_PER_DAY, S_PER_H, S_PER_MIN

SHOWN = 30  # rows; all are in the JSON
ALIKE = 6  # rows named that cannot be told from the best


def text(file: EstimateFile) -> str:
    """Return the estimate for a reader."""
    parts = [_plan(file), "", _table(file)]
    parts += [f"  {n}" for n in _footnotes(file)]
    parts += ["", *_best(file)]
    parts += [*file.answer, *_target(file), *_solved(file), *_confirm(file), *file.break_even]
    parts += ["", *_grown(file), *_terms(file), "", *_assumed(file)]
    parts += [f"note: {n}" for n in (*file.notes, *_warnings(file))]
    return "\n".join(parts).rstrip()


def _plan(file: EstimateFile) -> str:
    p = file.plan
    long = f"{p.steps:,} steps" if p.steps is not None else _epochs(p.epochs)
    return (
        f"{p.workload}, {p.samples:,} samples, {long}, batch {p.batch_size} a device, {p.dtype};"
        f" intervals of {p.level:.0%}"
    )


def _epochs(epochs: float | None) -> str:
    return "the usual epochs of each way" if epochs is None else f"{epochs:g} epochs"


_COLUMNS = ("instance", "", "time", "±", "power", "energy", "cost", "±", "CO2", "basis", "")


def _table(file: EstimateFile) -> str:
    rows = _chosen(file)
    marks = _marks(file)
    several = len({r.shortcut for r in file.rows}) > 1
    shown = table(_COLUMNS, [_row(r, marks, several) for r in rows])
    left = len(file.rows) - len(rows)
    return shown + (f"\n{left} more rows are in the JSON (--json, --out)" if left else "")


def _chosen(file: EstimateFile) -> list[Row]:
    """Return the rows to show: the cheapest first, those of which nothing is known last."""
    ordered = sorted(
        file.rows,
        key=lambda r: (
            r.fits_memory is False,
            r.time_s is None and r.cost_usd is None,
            r.cost_usd is None,
            r.cost_usd.point if r.cost_usd else (r.time_s.point if r.time_s else 0.0),
        ),
    )
    return ordered[:SHOWN]


def _row(r: Row, marks: dict[str, str], several: bool) -> tuple[str, ...]:
    name = f"{r.instance} {r.shortcut}" if several else r.instance
    power = f"{digits(r.power_w.point)} W" if r.power_w else _dash(r, "power_w", marks)
    return (
        name,
        r.purchase,
        duration(r.time_s.point) if r.time_s else _dash(r, "time_s", marks),
        _half(r.time_s),
        power,
        kwh(r.energy_j.point) if r.energy_j else _dash(r, "energy_j", marks),
        usd(r.cost_usd.point) if r.cost_usd else _dash(r, "cost_usd", marks),
        _half(r.cost_usd),
        grams(r.co2_gco2e.point) if r.co2_gco2e else _dash(r, "co2_gco2e", marks),
        r.basis or NOTHING,
        _signs(r),
    )


def _half(figure: Figure | None) -> str:
    if figure is None or not figure.point:
        return ""
    return half_width(figure.low, figure.high, figure.point)


def _dash(r: Row, name: str, marks: dict[str, str]) -> str:
    return NOTHING + marks.get(r.reasons.get(name, ""), "")


def _signs(r: Row) -> str:
    found = "*" if r.pareto else ""
    if r.fits_memory is False:
        found += " too large"
    if r.meets_deadline is False:
        found += " late"
    if r.meets_budget is False:
        found += " dear"
    return found.strip()


def _marks(file: EstimateFile) -> dict[str, str]:
    """Return a letter for each reason why a figure of the rows shown is missing."""
    reasons = [w for r in _chosen(file) for w in r.reasons.values()]
    return {reason: chr(ord("a") + n) for n, reason in enumerate(dict.fromkeys(reasons)) if n < 26}


def _footnotes(file: EstimateFile) -> Iterable[str]:
    found = [f"{NOTHING}{mark}  {reason}" for reason, mark in _marks(file).items()]
    if any(r.pareto for r in _chosen(file)):
        found.append("*   none other is both faster and cheaper")
    covers = dict.fromkeys(r.energy_covers for r in _chosen(file) if r.energy_covers)
    found += [f"energy: {c}" for c in covers]
    return found


def _best(file: EstimateFile) -> list[str]:
    told = (
        ("cheapest", file.best.by_cost),
        ("fastest", file.best.by_time),
        ("least energy", file.best.by_energy),
    )
    if len(file.rows) < 2:
        return []
    return [_winner(word, w, file) for word, w in told if w is not None]


def _winner(word: str, w: Winner, file: EstimateFile) -> str:
    line = f"{word}: {_name(file.rows[w.row])} (chance {w.probability:.0%} to be it)"
    others = [_name(file.rows[n]) for n in w.indistinguishable]
    if not others:
        return line
    named = ", ".join(others[:ALIKE])
    more = f" and {len(others) - ALIKE} more" if len(others) > ALIKE else ""
    return f"{line}; not to be told from it: {named}{more}"


def _name(r: Row) -> str:
    told = f"{r.instance} {r.purchase}"
    return told if r.shortcut == "from_scratch" else f"{told} {r.shortcut}"


def _target(file: EstimateFile) -> list[str]:
    t = file.target
    if t is None or t.samples is None:
        return []
    lines = [
        f"accuracy {t.accuracy:g} takes {t.samples.point:,.0f} samples"
        f" ({t.samples.low:,.0f} .. {t.samples.high:,.0f}) by {t.curve}; odds that it is reached"
        f" at all: {t.odds:.0%}"
    ]
    return lines + [f"  {w}" for w in t.warnings]


def _solved(file: EstimateFile) -> list[str]:
    if not file.solved:
        return []
    word = {"samples": "most samples", "epochs": "most epochs", "batch-size": "smallest batch"}
    lines = [f"{word[file.solved[0].what]} with the limits kept ({file.plan.level:.0%}):"]
    ordered = sorted(file.solved, key=lambda s: -(s.value or 0.0))
    for s in ordered[:SHOWN]:
        told = f"{s.value:,.0f}" if s.value is not None else f"{NOTHING}  {s.reason}"
        lines.append(f"  {s.instance} {s.purchase}: {told}")
    return lines


def _confirm(file: EstimateFile) -> list[str]:
    lines = []
    for c in file.confirm:
        lines.append(
            f"to confirm {c.instance}" + (f", {usd(c.usd)}:" if c.usd is not None else ":")
        )
        lines += [f"  {command}" for command in c.commands]
    return lines


def _grown(file: EstimateFile) -> list[str]:
    """Return what ten times the data take of the first row, with epochs and with steps held."""
    row = next((r for r in _chosen(file) if r.curve is not None), None)
    if row is None or row.curve is None:
        return []
    c = row.curve
    last, held, n = c.time_s[-1], c.steps_held_time_s[-1], c.samples[-1]
    if last is None or held is None:
        return []
    return [
        f"{n:,} samples on {row.instance}: {duration(last)} with the epochs held,"
        f" {duration(held)} with the steps held"
    ]


def _terms(file: EstimateFile) -> list[str]:
    """Return what the time of the first row is made of, and what makes it uncertain."""
    row = next((r for r in _chosen(file) if r.terms_total_s is not None), None)
    if row is None or row.terms_total_s is None or row.terms is None:
        return []
    named = vars(row.terms_total_s)
    parts = [f"{name} {duration(s)}" for name, s in named.items() if s > 0]
    lines = [f"{row.instance}: " + ", ".join(parts)]
    loader = row.terms.loader_s
    of_step = f"a step {digits(row.terms.step_s)} s"
    of_step += f", its batch's loading {digits(loader)} s" if loader else ""
    lines.append(of_step)
    if row.uncertain_by:
        told = ", ".join(f"{s.name} {s.share_frac:.0%}" for s in row.uncertain_by)
        lines.append(f"uncertain by: {told}")
    return lines


def _assumed(file: EstimateFile) -> list[str]:
    """Return what was not measured, once for all rows shown, with its source."""
    found: dict[str, None] = {}
    for r in _chosen(file):
        found |= dict.fromkeys(_assumption(a) for a in r.assumptions if _worth(a))
    lines = list(found)
    if not lines:
        return []
    most = 24
    more = [f"  ... {len(lines) - most} more are in the JSON"] if len(lines) > most else []
    return ["not measured here, and taken from:", *(f"  {x}" for x in lines[:most]), *more]


def _worth(a: Assumption) -> bool:
    return a.name not in ("step", "power")  # a row of its own each: in the JSON


def _assumption(a: Assumption) -> str:
    value = "not known" if a.value is None else a.value
    value = digits(value) if isinstance(value, float) else value
    dated = f", {a.date}" if a.date and a.date not in a.source else ""
    return f"{a.name}: {value} {a.unit}".rstrip() + f" ({a.source}{dated})"


def _warnings(file: EstimateFile) -> list[str]:
    return list(dict.fromkeys(w for r in _chosen(file) for w in r.warnings))


def duration(value: float) -> str:
    """Return a time as people plan in it: `40 s`, `25 min`, `7.2 h`, `3.1 d`."""
    if value < 120:
        return f"{digits(value)} s" if value else "0 s"
    if value < 2 * S_PER_H:
        return f"{value / S_PER_MIN:.0f} min"
    if value < 2 * S_PER_DAY:
        return f"{digits(value / S_PER_H)} h"
    return f"{digits(value / S_PER_DAY)} d"


def usd(value: float) -> str:
    """Return an amount of money."""
    if value and value < 0.01:
        return f"${value:.1g}"
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


def kwh(value: float) -> str:
    """Return joules as kWh, of little as Wh."""
    energy = value / J_PER_KWH
    return f"{digits(energy)} kWh" if energy >= 0.1 else f"{digits(energy * 1e3)} Wh"


def grams(value: float) -> str:
    """Return CO2 equivalents in g, kg or t."""
    if value < 1e3:
        return f"{digits(value)} g"
    return f"{digits(value / 1e3)} kg" if value < 1e6 else f"{digits(value / 1e6)} t"
