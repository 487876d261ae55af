"""A validation as text: the prediction, what happened, term by term."""

from hwbench.loop_forecast import calm
from hwbench.render import NOTHING, seconds, table
from hwbench.validate import Validated
from hwbench.validation import ByRecord, Term, Validation

INTERRUPTED = 130


def text(value: Validation) -> str:
    """Return the plan, the table of terms, and whether the prediction held."""
    case, plan = value.rehearsal.case, value.plan
    where = "in memory" if case.loading.residence == "memory" else "on disk"
    by = f" by {case.shortcut}" if case.shortcut else ""
    lines = [
        f"{case.workload}{by}, batch {case.batch_size}, {case.runtime} on {case.device},"
        f" {case.dtype}; data {where}: {case.loading.dataset.description}",
        f"{plan.epochs} epochs of {plan.samples:,} items; measured before it:"
        f" {value.rehearsal.measured_s:.0f} s in {len(value.rehearsal.visits)} visits over"
        f" {value.rehearsal.spread_s:.0f} s" + _disturbed(value),
        "",
        table(
            ("", "predicted", "90 % interval", "actual", "actual / predicted"),
            [*(_row(t) for t in value.terms), _total(value)],
        ),
        "",
        f"interval: {value.total_s.basis}",
    ]
    if value.by_record is not None:
        lines.append(_of_record(value.by_record))
    return "\n".join(lines)


def _of_record(said: ByRecord) -> str:
    """Return the line of what the record alone said of the steps."""
    s = said.steps_s
    held = "" if said.ratio is None else f"; actual / predicted {said.ratio:.2f}"
    return (
        f"the steps by record {said.record} alone: {seconds(s.point)}"
        f" ({seconds(s.low)} .. {seconds(s.high)}){held}"
    )


def _disturbed(value: Validation) -> str:
    visits = value.rehearsal.visits
    found = sum(v.stretch.disturbed is not None for v in visits)
    if not found:
        return ""
    out = len(visits) - len(calm(visits))
    return f"; {found} of them disturbed by other programs, " + ("left out" if out else "left in")


def _row(term: Term) -> tuple[str, ...]:
    return (
        term.name,
        seconds(term.point_s),
        f"{seconds(term.low_s)} .. {seconds(term.high_s)}",
        _signed(term.actual_s),
        _ratio(term.actual_s, term.point_s),
    )


def _signed(value: float | None) -> str:
    """Return a time that may be below 0, as a difference of two is."""
    if value is None:
        return NOTHING
    return f"-{seconds(-value)}" if value < 0 else seconds(value)


def _ratio(actual: float | None, predicted: float) -> str:
    """Return a ratio; of a term shorter than a tenth of a second it says nothing."""
    if actual is None or predicted < 0.1:
        return NOTHING
    return f"{actual / predicted:.2f}"


def _total(value: Validation) -> tuple[str, ...]:
    total, outcome = value.total_s, value.outcome
    done = outcome is not None and value.status == "done"
    return (
        "total",
        seconds(total.point_s),
        f"{seconds(total.low_s)} .. {seconds(total.high_s)}",
        seconds(outcome.wall_s) if done and outcome else NOTHING,
        f"{value.ratio:.3f}" if value.ratio else NOTHING,
    )


def ending(done: Validated) -> str:
    """Return the verdict and where the file is."""
    value = done.validation
    if value.status == "done":
        verdict = "inside" if value.inside else "OUTSIDE"
        return f"the time was {verdict} its interval; kept in {done.path}"
    epochs = len(value.outcome.epochs) if value.outcome else 0
    return (
        f"{value.status}: {value.reason}; the prediction and {epochs} finished epochs are in"
        f" {done.path}; a run is validated whole: start it anew"
    )


def status(done: Validated) -> int:
    """Return the contract's exit status: 0 inside, 1 outside or failed, 130 interrupted."""
    if done.interrupted:
        return INTERRUPTED
    return 0 if done.validation.inside else 1
