"""A search over hyperparameters as text: its schedule, what it takes on each row, its chance."""

from collections.abc import Callable, Sequence

from hwbench.estimate_figures import Assumption, Figure
from hwbench.estimate_questions import Search, SearchRow, SearchTotals
from hwbench.estimate_table import chosen
from hwbench.estimate_units import duration, kwh, usd
from hwbench.estimated import EstimateFile
from hwbench.render import digits
from hwbench.search_schedule import Bracket

SHOWN = 10  # rows, and brackets; all are in the JSON


def lines(file: EstimateFile) -> list[str]:
    """Return the search's lines, from what it is to what is assumed; nothing where none is."""
    s = file.search
    if s is None:
        return []
    of = {id(row): s.rows[n] for n, row in enumerate(file.rows)}
    return lines_of(s, [of[id(row)] for row in chosen(file)])


def lines_of(s: Search, shown: Sequence[SearchRow]) -> list[str]:
    """Return the lines of a search, with its rows in the order that they are shown in."""
    several = len({r.shortcut for r in s.rows}) > 1
    return [
        "",
        *_schedule(s),
        "the whole search, with a run's interval carried over:",
        *_rows(shown, s, several),
        *_chance(s),
        *s.notes,
        *(_assumed(a) for a in s.assumptions),
    ]


def _schedule(s: Search) -> list[str]:
    """Return the trials, the full runs that they take, the brackets, and how long it all is."""
    took = f"{_runs(s.scratch.total)}{_units(s, s.scratch.total)}"
    if s.resumed is not None:
        took += f" from scratch, {digits(s.resumed.total)}{_units(s, s.resumed.total)} with"
        took += " checkpoints resumed"
    return [f"search by {_named(s)}: {s.trials:,} trials take {took}", *_brackets(s), _long(s)]


def _named(s: Search) -> str:
    if s.grid:
        return f"grid {'x'.join(map(str, s.grid))}"
    if s.eta is None or s.resource is None:
        return s.algorithm
    return f"{s.algorithm}, eta {s.eta:g}, R {s.resource:g}"


def _runs(value: float) -> str:
    return "1 full run" if value == 1 else f"{digits(value)} full runs"


def _units(s: Search, runs: float) -> str:
    """Return full runs in units of which R are one."""
    return "" if s.resource is None else f" ({runs * s.resource:,.0f} units)"


def _brackets(s: Search) -> list[str]:
    if s.eta is None:
        return []
    found = [f"  {_bracket(b)}" for b in s.brackets[:SHOWN]]
    left = len(s.brackets) - SHOWN
    if left > 0:
        found.append(f"  and {left} more brackets, in the JSON")
    if s.passes > 1:
        found.append(f"  {s.passes:,} times over")
    return found


def _bracket(b: Bracket) -> str:
    rungs = [f"{r.trials:,} to {_part(r.run_frac)}" for r in b.rungs]
    return "trials trained: " + ", ".join(rungs)


def _part(run_frac: float) -> str:
    return "the end" if run_frac == 1 else f"1/{1 / run_frac:.4g}"


def _long(s: Search) -> str:
    """Return how long the search is with its workers, in full runs."""
    trained = f"{s.parallel:,} at a time: " if s.parallel > 1 else "one after another: "
    line = trained + f"{_runs(s.scratch.wall)} long"
    if s.resumed is not None:
        line += f", {digits(s.resumed.wall)} with checkpoints resumed"
    first = s.scratch.first_full
    if first is not None and s.resumed is not None and s.resumed.first_full is not None:
        resumed = digits(s.resumed.first_full)
        return f"{line}; a first trial is done after {digits(first)}, or {resumed}; nobody waits"
    return line + ("; each rung waits for the one before" if s.eta is not None else "")


def _rows(shown: Sequence[SearchRow], s: Search, several: bool) -> list[str]:
    """Return what the search takes on the rows that the table shows, in its order."""
    found = [line for r in shown[:SHOWN] for line in _row(r, s, several)]
    left = len(s.rows) - min(SHOWN, len(shown))
    return found + ([f"  and {left} more rows, in the JSON"] if left else [])


def _row(r: SearchRow, s: Search, several: bool) -> list[str]:
    name = " ".join([r.instance, *([r.shortcut] if several else []), r.purchase])
    told = _totals(r.scratch, s)
    if not told:
        reasons = dict.fromkeys(r.reasons.values())
        return [f"  {name}: not known: {'; '.join(reasons)}"]
    resumed = [] if r.resumed is None else [f"    resumed: {', '.join(_totals(r.resumed, s))}"]
    return [f"  {name}: {', '.join(told)}", *resumed]


def _totals(t: SearchTotals, s: Search) -> Sequence[str]:
    """Return the figures that are known."""
    found = []
    if t.time_s is not None and t.wall_s is not None:
        if s.parallel > 1:
            found.append(f"{_spread(t.wall_s, duration)} long")
            found.append(f"{duration(t.time_s.point)} of machines")
        else:
            found.append(_spread(t.time_s, duration))
    if t.energy_j is not None:
        found.append(_spread(t.energy_j, kwh))
    if t.cost_usd is not None:
        found.append(_spread(t.cost_usd, usd))
    return found


def _spread(figure: Figure, told: Callable[[float], str]) -> str:
    """Return a figure, and its interval where it has one."""
    if figure.low == figure.high:
        return told(figure.point)
    return f"{told(figure.point)} ({told(figure.low)} .. {told(figure.high)})"


def _chance(s: Search) -> list[str]:
    if s.top_frac is None or s.top_chance is None or s.top_trials is None:
        return []
    odds = f"{s.top_chance:.1%}" if s.top_chance < 0.999 else "more than 99.9%"
    top = f"top {100 * s.top_frac:.3g}% of all"
    return [
        f"chance that the best of {s.trials:,} random trials is in the {top}: {odds};"
        f" 95% takes {s.top_trials:,}"
    ]


def _assumed(a: Assumption) -> str:
    value = digits(a.value) if isinstance(a.value, float) else a.value
    return f"assumed: {a.name}: {value} {a.unit}".rstrip() + f" ({a.source})"
