"""Networks that ran for minutes without a pause, as text."""

from collections.abc import Sequence

from hwbench.measurement import Measurement
from hwbench.render import half_width, seconds, table, wrapped

COLUMNS = ("without a pause", "for", "first third", "±", "last third", "±", "change", "")
LEGEND = (
    "change: last third over the first; slows: by more than 3 %, and chance seldom orders the"
    " minutes so (p < 0.02)"
)


def text(done: Sequence[Measurement], named: dict[str, str]) -> str:
    """Return the table of those that ran for minutes, and what ended one early; '' for none.

    `named` gives their names by id.
    """
    rows = [_row(m, named[m.id]) for m in done if m.sustained is not None]
    lines = [f"{table(COLUMNS, rows)}\n{wrapped(LEGEND)}"] if rows else []
    lines += [
        wrapped(f"{named[m.id]}: ended while it ran for minutes: {m.sustained_reason}")
        for m in done
        if m.sustained_reason
    ]
    return "\n".join(lines)


def _row(m: Measurement, name: str) -> tuple[str, ...]:
    found = m.sustained
    assert found is not None
    cells = []
    for level in (found.first_s, found.last_s):
        cells += [seconds(level.point), half_width(level.low, level.high, level.point)]
    if found.slows is None or found.change_frac is None:
        change, word = "-", "too short to tell"
    else:
        change = f"{found.change_frac:+.1%}"
        word = "slows" if found.slows else "holds"
    return (name, seconds(found.ran_s), *cells, change, word)
