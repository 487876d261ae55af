"""A report as one page: no network, no script but its own, everything from a file escaped."""

import base64
import json
import math
from html import escape
from pathlib import Path

from hwbench import chart_figure, chart_text
from hwbench.pages import Cell, Drawing, Live, Page, Section, Table
from hwbench.render import printable

_FILES = Path(__file__).parent / "page"
FILTERED = 8  # rows from which a table can be filtered
# No address may be asked for, wherever a string in a record points to.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)
# Told apart by all eyes, and at 3 : 1 at least on the light and on the dark ground.
_COLOURS = ("#7A7A7A", "#D55E00", "#2D7FB8", "#0C8F68", "#B8679B", "#A87900", "#7D6BC9")


def html(page: Page) -> str:
    """Return the page."""
    style = (_FILES / "page.css").read_text(encoding="utf-8")
    script = (_FILES / "page.js").read_text(encoding="utf-8")
    answer = "".join(f"<p>{_text(a)}</p>" for a in page.answer)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_text(page.title)}</title><style>{style}</style></head><body>",
        '<a class="skip" href="#main">To the answer</a>',
        f'<main id="main"><h1>{_text(page.title)}</h1>',
        f'<div class="answer">{answer}</div>',
        _live(page.live) if page.live else "",
        *(_section(s, n) for n, s in enumerate(page.sections)),
        '</main><footer class="quiet"><p>Made by hwbench from the files named above. The page asks'
        " no address for anything.</p></footer>",
        f"<script>{script}</script></body></html>",
    ]
    return "\n".join(p for p in parts if p) + "\n"


def _text(value: str) -> str:
    return escape(printable(value.replace("\n", " ")))


def _section(section: Section, number: int) -> str:
    code = "\n".join(escape(printable(c)) for c in section.code)
    points = "".join(f"<li>{_text(p)}</li>" for p in section.points)
    parts = [
        f'<section aria-labelledby="s{number}"><h2 id="s{number}">{_text(section.title)}</h2>',
        *(f"<p>{_text(p)}</p>" for p in section.paragraphs),
        *(_table(t) for t in section.tables),
        *(_drawing(d) for d in section.drawings),
        f"<ul>{points}</ul>" if points else "",
        f'<pre tabindex="0" role="region" aria-label="commands"><code>{code}</code></pre>'
        if code
        else "",
        "</section>",
    ]
    return "\n".join(p for p in parts if p)


def _table(table: Table) -> str:
    figures = [all(r[i].figure for r in table.rows) for i in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{_class(figure)}>{_text(name)}</th>' if name else "<td></td>"
        for name, figure in zip(table.columns, figures, strict=True)
    )
    body = "\n".join(
        "<tr>" + "".join(_cell(c, figures[i]) for i, c in enumerate(row)) + "</tr>"
        for row in table.rows
    )
    filtered = ""
    if len(table.rows) >= FILTERED:
        filtered = (
            f'<div class="controls"><label>Show rows with <input type="search" class="filters"'
            f' data-table="{_text(table.name)}"></label></div>'
        )
    caption = _text(table.caption)
    return (
        f'{filtered}<div class="wide" role="region" tabindex="0" aria-label="{caption}">'
        f'<table class="sorts" id="{_text(table.name)}"><caption>{caption}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
        + "".join(f'<p class="quiet">{_text(note)}</p>' for note in table.notes)
    )


def _class(figure: bool) -> str:
    return ' class="figure"' if figure else ""


def _cell(cell: Cell, figure: bool) -> str:
    key = "" if cell.key is None else f' data-key="{cell.key:.9g}"'
    return f"<td{key}{_class(figure)}>{_text(cell.text)}</td>"


def _drawing(drawing: Drawing) -> str:
    light, dark = (
        base64.b64encode(
            chart_figure.picture(drawing.charts, "svg", chart_text.say, dark=on)
        ).decode()
        for on in (False, True)
    )
    start = "data:image/svg+xml;base64,"
    return (
        f'<figure><picture><source media="(prefers-color-scheme: dark)" srcset="{start}{dark}">'
        f'<img src="{start}{light}" alt="{_text(drawing.alt)}"></picture>'
        f"<figcaption>{_text(drawing.charts[0].title)}</figcaption></figure>"
    )


def _live(live: Live) -> str:
    """Return the curves that the sliders move over, with their numbers as data."""
    low, high = live.samples[0], live.samples[-1]
    start = _place(live.chosen, low, high)
    data = {
        "samples": live.samples,
        "chosen": live.chosen,
        "colours": _COLOURS,
        "ways": [
            {"name": printable(w.name), "time_s": w.time_s, "cost_usd": w.cost_usd}
            for w in live.ways
        ],
    }
    # What closes a script, or opens a comment in one, may stand in a name.
    held = json.dumps(data, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e")
    priced = any(v is not None for w in live.ways for v in w.cost_usd)
    kinds = ['<option value="cost_usd">cost</option>'] if priced else []
    return "\n".join(
        [
            '<section aria-labelledby="what-if"><h2 id="what-if">At another size, at another'
            " price</h2>",
            "<p>The lines of the estimate, read at another size of the dataset; intervals are in"
            " the figures below.</p>",
            '<div class="controls">',
            f'<div><label for="size">Dataset: <output id="size-said" for="size"></output></label>'
            f'<input id="size" type="range" min="0" max="1000" value="{start}"></div>',
            '<div><label for="price">All prices: <output id="price-said" for="price"></output>'
            '</label><input id="price" type="range" min="-100" max="100" value="0"></div>',
            f'<div><label for="what">Draw</label><select id="what">{"".join(kinds)}'
            '<option value="time_s">time</option></select></div>',
            '<div><label for="every">All ways in the table</label><input id="every"'
            ' type="checkbox"></div></div>',
            '<svg id="live" class="live" viewBox="0 0 700 385" role="img"'
            ' aria-label="the figure of each way against the samples; the table below has the'
            ' values at the chosen size"></svg>',
            '<div class="wide" role="region" tabindex="0" aria-label="the ways at the chosen size">'
            '<table aria-live="polite"><caption>At the chosen size and price</caption>'
            '<thead><tr><th scope="col">way</th><th scope="col" class="figure">time</th>'
            '<th scope="col" class="figure">cost</th></tr></thead><tbody id="live-rows"></tbody>'
            "</table></div></section>",
            f'<script type="application/json" id="curves">{held}</script>',
        ]
    )


def _place(value: int, low: int, high: int) -> int:
    return round(1000 * math.log(value / low) / math.log(high / low)) if high > low else 0
