"""A report as Markdown for a repository: text and tables, figures as text plots."""

from hwbench import chart_text
from hwbench.compare_view import plain
from hwbench.pages import Page, Section, Table
from hwbench.render import printable


def markdown(page: Page) -> str:
    """Return the report; what stands in a file is shown as it is."""
    lines = [f"# {plain(page.title)}", ""]
    lines += [line for a in page.answer for line in (f"**{plain(a)}**", "")]
    for section in page.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def _section(section: Section) -> list[str]:
    lines = [f"## {plain(section.title)}", ""]
    lines += [line for p in section.paragraphs for line in (plain(p), "")]
    for table in section.tables:
        lines += [*_table(table), ""]
    for drawing in section.drawings:
        lines += ["```text", _fenced(chart_text.text(drawing.charts)), "```", ""]
    lines += [f"- {plain(p)}" for p in section.points]
    if section.code:
        lines += ["", "```sh", *(_fenced(c) for c in section.code), "```"]
    return [*lines, ""]


def _table(table: Table) -> list[str]:
    rule = "|".join("---:" if all(r[i].figure for r in table.rows) else "---"
                    for i in range(len(table.columns)))  # fmt: skip
    rows = ["| " + " | ".join(plain(c.text) for c in row) + " |" for row in table.rows]
    head = "| " + " | ".join(plain(c) for c in table.columns) + " |"
    notes = [x for note in table.notes for x in ("", plain(note))]
    return [plain(table.caption), "", head, f"|{rule}|", *rows, *notes]


def _fenced(text: str) -> str:
    """Return text that does not end the block that it stands in."""
    return printable(text).replace("```", "'''")
