"""What a report says of a comparison of shortcuts: the cheapest way, and what its ratio is of."""

from hwbench.chart_kind import Given
from hwbench.estimate_units import duration, usd
from hwbench.learned import LearnedCurve
from hwbench.pages import Cell, Section, Table
from hwbench.render import NOTHING, digits, gib
from hwbench.report_parts import between, cell, drawings, warned
from hwbench.shortcut_rows import ShortcutsFile


def sections(given: Given) -> tuple[list[str], list[Section]]:
    """Return the answer in sentences, and the table that it stands on."""
    file: ShortcutsFile = given.value
    first = (file.rows[0].instance, file.rows[0].purchase) if file.rows else ("", "")
    here = [r for r in file.rows if r.time_s and (r.instance, r.purchase) == first]
    cheaper = sorted(
        (r for r in here if r.ratio_to_scratch and r.ratio_to_scratch.high < 1),
        key=lambda r: r.ratio_to_scratch.point if r.ratio_to_scratch else 1.0,
    )
    answers = [*_learnt_answer(file)]
    if file.rows and not cheaper:
        answers.append("No way is told to be faster than training from scratch.")
    if cheaper:
        r = cheaper[0]
        assert r.ratio_to_scratch is not None and r.time_s is not None
        times = 1 / r.ratio_to_scratch.point
        parts = " x ".join(f"{p.times:.3g} ({p.basis})" for p in r.factors)
        answers.append(
            f"By {r.shortcut} the training takes {between(r.time_s, duration)}, {digits(times)}"
            f" times less than from scratch{': ' + parts if parts else ''}. Equal time is not equal"
            " accuracy: the epochs are assumed unless they were learnt."
        )
    rows = tuple(
        (
            Cell(text=r.shortcut),
            Cell(text=f"{r.instance}, {r.purchase}"),
            cell(r.time_s, duration, r.reasons.get("time_s")),
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
    compared = Section(
        title="Cheaper ways to train",
        tables=(table,),
        drawings=tuple(drawings(given, ("time",))),
    )
    sections = [
        *([compared] if rows else []),
        *_learnt(given),
        *warned(file.cautions, (*file.notes, *(f"{r.shortcut}: {r.reason}" for r in file.refused))),
    ]
    return answers, sections


def _learnt_answer(file: ShortcutsFile) -> list[str]:
    """Return what the target accuracy takes, by the way that takes the fewest samples."""
    reached = [(c.shortcut, c.to_target) for c in file.curves if c.to_target is not None]
    if not reached:
        return ["What each way learns from how many samples is drawn below."] if file.curves else []
    name, best = min(reached, key=lambda r: r[1].samples.point)
    line = (
        f"To be right in {best.accuracy:.4g} of the test, {name} takes the fewest samples:"
        f" {between(best.samples, _count)}, and {between(best.time_s, duration)}"
    )
    quick, least = min(reached, key=lambda r: r[1].time_s.point)
    if quick != name:
        line += f"; {quick} the least time: {between(least.time_s, duration)}"
    return [line + "."]


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _learnt(given: Given) -> list[Section]:
    """Return the learning curves, and what the target takes by each way."""
    file: ShortcutsFile = given.value
    if not file.curves:
        return []
    rows = tuple(_target_row(c) for c in file.curves)
    table = Table(
        name="learnt",
        caption="What the target accuracy takes, with half of its interval; and the chance that it"
        " can be reached at all",
        columns=("way", "samples", "time", "cost", "chance"),
        rows=rows,
    )
    return [
        Section(
            title="What each way learns from",
            tables=(table,),
            drawings=tuple(drawings(given, ("learning",))),
        )
    ]


def _target_row(curve: LearnedCurve) -> tuple[Cell, ...]:
    to = curve.to_target
    if to is None:
        why = curve.no_target or curve.no_fit
        return (Cell(text=curve.shortcut), cell(None, _count, why), *[Cell(text=NOTHING)] * 3)
    return (
        Cell(text=curve.shortcut),
        cell(to.samples, _count, None),
        cell(to.time_s, duration, None),
        cell(to.cost_usd, usd, to.reasons.get("cost_usd")),
        Cell(text=f"{to.odds:.0%}"),
    )
