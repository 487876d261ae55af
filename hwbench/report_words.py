"""A report of files: the question, the answers first, then what each stands on."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hwbench import compare_view, report_estimate, report_record, report_serving, report_shortcuts
from hwbench.chart_kind import Given
from hwbench.compared import Comparison
from hwbench.estimate_units import dataset
from hwbench.pages import Cell, Page, Section, Table
from hwbench.render import seconds
from hwbench.report import Reported
from hwbench.report_parts import footnoted

_SECTIONS = {
    "estimate": report_estimate.sections,
    "shortcuts": report_shortcuts.sections,
    "serving": report_serving.sections,
    "record": report_record.sections,
}


def page(found: Reported) -> Page:
    """Return the report of the files, in the order in which they were given."""
    estimates = [g for g in found.given if g.kind == "estimate"]
    sections, answers = [], []
    for g in found.given:
        of = _SECTIONS[g.kind]
        said, parts = of(g)
        answers += said
        sections += [_of_file(p, g.path) for p in parts] if len(found.given) > 1 else parts
    sections += _comparison(found)
    sections.append(_reproduce(found.given))
    return Page(
        title=_question(found),
        answer=tuple(answers),
        sections=_told_apart(sections),
        live=report_estimate.live(estimates[0].value) if estimates else None,
    )


def _of_file(section: Section, path: str) -> Section:
    """Return the section with its file in the title: a page's parts have names of their own."""
    return replace(section, title=f"{section.title}: {Path(path).name}")


def _told_apart(sections: Sequence[Section]) -> tuple[Section, ...]:
    """Return the sections with no name of a table twice, and the reasons of each below it."""
    seen: dict[str, int] = {}
    made = []
    for section in sections:
        tables = []
        for table in section.tables:
            n = seen[table.name] = seen.get(table.name, 0) + 1
            noted = footnoted(table)
            tables.append(replace(noted, name=f"{table.name}-{n}") if n > 1 else noted)
        made.append(replace(section, tables=tuple(tables)))
    return tuple(made)


def _question(found: Reported) -> str:
    first = found.given[0]
    if first.kind == "record":
        several = sum(g.kind == "record" for g in found.given) > 1
        return "Which machine is faster, and where?" if several else "What can this machine do?"
    if first.kind == "serving":
        return f"What does serving {first.value.workload} come to?"
    plan = first.value.plan
    what = f"training {plan.workload} on {dataset(plan)}"
    if first.kind == "shortcuts":
        return f"Is there a cheaper way than {what} from scratch?"
    return f"How long, how much energy and how much money does {what} take?"


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
