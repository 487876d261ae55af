"""What a report says of a comparison of shortcuts: the cheapest way, and what its ratio is of."""

from hwbench.chart_kind import Given
from hwbench.estimate_units import duration
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
    answer = "No way is told to be faster than training from scratch."
    if cheaper:
        r = cheaper[0]
        assert r.ratio_to_scratch is not None and r.time_s is not None
        times = 1 / r.ratio_to_scratch.point
        parts = " x ".join(f"{p.times:.3g} ({p.basis})" for p in r.factors)
        answer = (
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
    sections = [
        Section(
            title="Cheaper ways to train",
            tables=(table,),
            drawings=tuple(drawings(given, ("time",))),
        ),
        *warned(file.cautions, (*file.notes, *(f"{r.shortcut}: {r.reason}" for r in file.refused))),
    ]
    return [answer], sections
