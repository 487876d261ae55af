"""A comparison as text for a terminal, and as Markdown for a pull request."""

import textwrap
from collections.abc import Iterable, Sequence

from hwbench import compare_many, render
from hwbench.compared import Comparison, NotComparable, Overall, Pair, RatioOf, Side
from hwbench.render import NOTHING, digits, printable, seconds, table

COLUMNS = ("case", "base", "other", "ratio", "interval", "verdict")
MARKED = 3  # cases that a record marks as noisy or drifting, named
REFUSED = 8  # cases that are not comparable, shown; all are in the JSON
_SIGNS = {"faster": "+ faster", "slower": "- slower", "same": "= same", "ambiguous": "? ambiguous"}


def text(done: Comparison) -> str:
    """Return the comparison for a reader."""
    parts = [*_wrapped([f"base: {_side(done.base)}"])]
    if len(done.summary) >= compare_many.MANY:
        common, names = _short([(p.base, p.other) for p in done.pairs])
        parts += ["", *_wrapped([f"all: {common}"] if common else [])]
        parts += [table(compare_many.COLUMNS, compare_many.rows(done.pairs, names))]
        parts += [*_wrapped(compare_many.lines(done)), *_wrapped(_refused(done.not_comparable))]
        return "\n".join(parts)
    for side, overall in _by_record(done):
        mine = [p for p in done.pairs if p.record == overall.record]
        common, names = _short([(p.base, p.other) for p in mine])
        columns, rows = _table(mine, names)
        told = [] if side.record == done.base.record else [f"other: {_side(side)}"]
        told += [f"all: {common}"] if common else []
        parts += ["", *_wrapped(told)]
        parts += ["", table(columns, rows), *_wrapped(_after(done, overall, mine))]
    parts += _wrapped(_refused(done.not_comparable))
    return "\n".join(parts)


def _by_record(done: Comparison) -> Iterable[tuple[Side, Overall]]:
    sides = {s.record: s for s in done.others}
    return [(sides[o.record], o) for o in done.summary]


def _side(s: Side) -> str:
    where = f" on {s.instance}" if s.instance else ""
    price = f", {s.usd_per_h:g} USD/h" if s.usd_per_h else ""
    return f"{s.path}, {s.device}{where}{price}, {s.created_utc[:16].replace('T', ' ')}"


def _table(
    pairs: Sequence[Pair], names: Sequence[str]
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return columns and rows; money and energy have theirs where a pair knows them."""
    costs = any(p.cost_ratio for p in pairs)
    energies = any(p.energy_ratio for p in pairs)
    columns = (*COLUMNS[:-1], *(["$"] if costs else []), *(["J"] if energies else []), COLUMNS[-1])
    rows = []
    for p, name in sorted(zip(pairs, names, strict=True), key=lambda x: -x[0].ratio.point):
        more = ([_times(p.cost_ratio)] if costs else []) + (
            [_times(p.energy_ratio)] if energies else []
        )
        rows.append(
            (
                name,
                seconds(p.base_s),
                seconds(p.other_s),
                _times(p.ratio),
                f"{digits(p.ratio.low)} .. {digits(p.ratio.high)}",
                *more,
                _SIGNS[p.verdict] + ("*" if p.warnings else ""),
            )
        )
    return columns, rows


def _times(ratio: RatioOf | None) -> str:
    return NOTHING if ratio is None else f"{ratio.point:.3f}"


def _after(done: Comparison, o: Overall, pairs: Sequence[Pair]) -> list[str]:
    g = o.geometric_mean
    counts = ", ".join(f"{n} {name}" for name, n in o.counts.items() if n)
    lines = [
        "ratio: time an item, other / base: above 1 is slower"
        + ("; $, J: dollars and joules an item" if pairs[0].cost_ratio else ""),
        f"geometric mean of {len(pairs)}: {g.point:.3f} ({g.low:.3f} .. {g.high:.3f}):"
        f" {o.verdict}; {counts}",
        f"faster, slower: by more than {done.threshold:.0%}, and p < 5 % after Holm over all"
        f" {len(done.pairs)}; same: the whole {g.level:.0%} interval within it",
    ]
    bases = dict.fromkeys(p.basis for p in pairs)
    lines.append(f"intervals: {next(iter(bases))}" + (", or alike" if len(bases) > 1 else ""))
    marked = [p for p in pairs if p.warnings]
    lines += [f"* {p.id}: {', '.join(p.warnings)}" for p in marked[:MARKED]]
    if len(marked) > MARKED:
        lines.append(f"* and {len(marked) - MARKED} more that a record marks: --json has them all")
    why = {p.reasons["cost_ratio"] for p in pairs if "cost_ratio" in p.reasons}
    lines += [f"no $: {w}" for w in sorted(why)[:1]]
    why = {p.reasons["energy_ratio"] for p in pairs if "energy_ratio" in p.reasons}
    return lines + [f"no J: {w}" for w in sorted(why)[:1]]


def _refused(refused: Sequence[NotComparable]) -> list[str]:
    if not refused:
        return []
    lines = ["", f"not comparable: {len(refused)}"]
    lines += [f"  {r.id}: {r.reason}" for r in refused[:REFUSED]]
    if len(refused) > REFUSED:
        lines.append(f"  and {len(refused) - REFUSED} more: --json has them all")
    return lines


def _short(pairs: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """Return what all ids have in common, and the rest of each."""
    split = [a.split("/") for a, _ in pairs]
    width = min(len(s) for s in split)
    same = [i for i in range(width) if len({s[i] for s in split}) == 1 and _both(pairs, i)]
    if len(pairs) == 1:
        same = []
    common = " ".join(split[0][i] for i in same if split[0][i] != "-")
    return common, [_name(a, b, same) for a, b in pairs]


def _both(pairs: Sequence[tuple[str, str]], place: int) -> bool:
    return all(a.split("/")[place] == b.split("/")[place] for a, b in pairs)


def _name(a: str, b: str, same: Sequence[int]) -> str:
    left, right, words = a.split("/"), b.split("/"), []
    for i, word in enumerate(left):
        theirs = right[i] if i < len(right) else "-"
        if i not in same and (word, theirs) != ("-", "-"):
            words.append(word if word == theirs else f"{word}:{theirs}")
    words += right[len(left) :]
    return " ".join(words)


def _wrapped(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        indent = " " * (len(line) - len(line.lstrip()))
        found += textwrap.wrap(
            line.strip(), render.width(), initial_indent=indent, subsequent_indent=indent + "  ",
            break_on_hyphens=False,
        ) or [""]  # fmt: skip
    return found


def markdown(done: Comparison) -> str:
    """Return the comparison as Markdown; what stands in a record is shown as it is."""
    lines = [f"Base: {plain(_side(done.base))}", ""]
    if len(done.summary) >= compare_many.MANY:
        made = compare_many.rows(done.pairs, [_name(p.base, p.other, ()) for p in done.pairs])
        lines += [_row(compare_many.COLUMNS), "|" + "---|" * len(compare_many.COLUMNS)]
        lines += [*map(_row, made), "", *(plain(x) + "  " for x in compare_many.lines(done))]
        lines += [f"{plain(x.strip())}  " for x in _refused(done.not_comparable) if x]
        return "\n".join(lines).rstrip() + "\n"
    for side, overall in _by_record(done):
        mine = [p for p in done.pairs if p.record == overall.record]
        columns, rows = _table(mine, [_name(p.base, p.other, ()) for p in mine])
        lines += [f"Other: {plain(_side(side))}", "", _row(columns), "|" + "---|" * len(columns)]
        lines += [_row(r) for r in rows]
        lines += ["", *(plain(x) + "  " for x in _after(done, overall, mine)), ""]
    refused = [f"{plain(x.strip())}  " for x in _refused(done.not_comparable) if x]
    return "\n".join([*lines, *refused]).rstrip() + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(plain(c) for c in cells) + " |"


def plain(text: str) -> str:
    """Return a text in which nothing is Markdown or HTML: records come from strangers."""
    plain = printable(text).replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;")
    for sign in "\\`*_[]|#!":
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace(">", "&gt;").replace("://", ":&#47;&#47;")
