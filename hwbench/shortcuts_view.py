"""A comparison of shortcuts as text: the table, what each ratio is made of, what else follows."""

import math
import textwrap
from collections.abc import Iterable, Sequence

from hwbench import render, search_view, sharing_view
from hwbench.estimate_figures import Figure
from hwbench.estimate_units import dataset, duration, kwh, usd
from hwbench.render import NOTHING, digits, gib, half_width, table
from hwbench.shortcut_rows import Opened, Part, ShortcutRow, ShortcutsFile

TIMES = ("shortcut", "time", "±", "ratio", "±", "step", "epochs", "memory", "trains")
MONEY = ("shortcut", "energy", "cost", "CO2", "paid once")
_WORDS = {
    "time_s": "time",
    "energy_j": "energy",
    "power_w": "power",
    "cost_usd": "cost",
    "co2_gco2e": "CO2",
}
LEAST_ROUNDS = 3  # that tell how a ratio varies
LEAST_REST = 0.02  # of 1, that the rest of a ratio must differ by to be named


def text(file: ShortcutsFile) -> str:
    """Return the comparison for a reader."""
    p = file.plan
    parts = [
        f"{p.workload}, {dataset(p)}, batch {p.batch_size} a device, {p.dtype};"
        f" intervals of {file.level:.0%}"
    ]
    for place in dict.fromkeys((r.instance, r.purchase) for r in file.rows):
        here = [r for r in file.rows if (r.instance, r.purchase) == place]
        parts.append(f"\n{place[0]}, {place[1]}")
        parts.append(table(TIMES, [_times(r) for r in _ordered(here)]))
        if any(r.energy_j or r.cost_usd or r.co2_gco2e for r in here):
            parts.append(table(MONEY, [_money(r) for r in _ordered(here)]))
        parts += _wrapped(_said(_ordered(here)))
    return "\n".join([*parts, "", *_wrapped(_after(file))]).rstrip()


def _ordered(rows: Sequence[ShortcutRow]) -> list[ShortcutRow]:
    return sorted(rows, key=lambda r: (r.time_s is None, r.time_s.point if r.time_s else 0.0))


def _times(r: ShortcutRow) -> tuple[str, ...]:
    ratio, step = r.ratio_to_scratch, r.step_ratio_to_scratch
    mark = {"measured": "", "carried over": "c", "theory": "t"}[r.step_basis or "theory"]
    return (
        r.shortcut,
        duration(r.time_s.point) if r.time_s else NOTHING,
        _half(r.time_s) if r.time_s else "",
        digits(ratio.point) if ratio else NOTHING,
        half_width(ratio.low, ratio.high, ratio.point) if ratio else "",
        f"{digits(step.point)}{mark}" if step else NOTHING,
        f"{r.epochs:g}" if r.epochs else NOTHING,
        gib(r.memory_peak_bytes) if r.memory_peak_bytes else NOTHING,
        f"{r.trainable_parameters / r.parameters:.1%}"
        if r.parameters and r.trainable_parameters is not None
        else NOTHING,
    )


def _half(figure: Figure) -> str:
    return half_width(figure.low, figure.high, figure.point)


def _money(r: ShortcutRow) -> tuple[str, ...]:
    return (
        r.shortcut,
        kwh(r.energy_j.point) if r.energy_j else NOTHING,
        usd(r.cost_usd.point) if r.cost_usd else NOTHING,
        f"{digits(r.co2_gco2e.point)} g" if r.co2_gco2e else NOTHING,
        duration(r.one_off_s) if r.one_off_s else NOTHING,
    )


def _said(rows: Sequence[ShortcutRow]) -> list[str]:
    """Return what the ratios are made of, the ties, the sizes at which one overtakes another."""
    lines = []
    if any(r.step_basis == "theory" for r in rows):
        lines.append("t: the step is by theory, not measured")
    if any(r.step_basis == "carried over" for r in rows):
        lines.append("c: the step's share was measured on another machine, and carried over")
    fewest = min((r.step_rounds for r in rows if r.step_rounds), default=LEAST_ROUNDS)
    if fewest < LEAST_ROUNDS:
        lines.append(
            f"steps were compared in {fewest} round{'s' * (fewest > 1)} of visits alone: their"
            " ratios may be off by more than they say; give --max-seconds more, or leave it out"
        )
    lines.append("ratio, step: of training from scratch; trains: the share of all parameters")
    products = [line for r in rows if (line := _product(r))]
    if products:
        rest = next(p.basis for r in rows for p in r.factors if p.name == "rest")
        products.append(f"  the rest: {rest}; the epochs' sources: `hwbench list shortcuts --json`")
    lines += products
    lines += _beyond_theory(rows)
    lines += _ties(rows)
    lines += _crossings(rows)
    first = next(iter(rows), None)
    if first is not None:
        for why in dict.fromkeys(first.reasons.values()):
            told = [_WORDS.get(k, k) for k, v in first.reasons.items() if v == why]
            lines.append(f"{', '.join(told)}: {NOTHING} ({why})")
    return lines


def _product(r: ShortcutRow) -> str:
    """Return "linear_probe: 17x = 1.5x measured step x 11x epochs (...)" of a row."""
    if not r.factors or r.ratio_to_scratch is None:
        return ""
    whole = 1 / r.ratio_to_scratch.point
    told = [_part(p) for p in r.factors if p.name != "rest" or abs(p.times - 1) > LEAST_REST]
    return f"{r.shortcut}: {digits(whole)}x = {' x '.join(told)}"


def _part(p: Part) -> str:
    times = f"{digits(p.times)}x"
    if p.name == "step":
        return f"{times} {p.basis}"
    if p.name == "rest":
        return f"{times} the rest"
    return f"{times} epochs ({p.basis.partition(':')[0]})"


def _beyond_theory(rows: Sequence[ShortcutRow]) -> list[str]:
    told = [
        f"{r.shortcut} {digits(r.measured_to_theory)}"
        for r in rows
        if r.measured_to_theory is not None
    ]
    return [f"measured / theory of a step: {', '.join(told)}"] if told else []


def _ties(rows: Sequence[ShortcutRow]) -> list[str]:
    pairs = {
        tuple(sorted((r.shortcut, other), key=[x.shortcut for x in rows].index))
        for r in rows
        for other in r.ties
    }
    told = sorted(pairs, key=lambda pair: [x.shortcut for x in rows].index(pair[0]))
    return [f"a tie in time: {a} and {b}" for a, b in told]


def _crossings(rows: Sequence[ShortcutRow]) -> list[str]:
    lines, seen = [], set()
    for r in rows:
        for other, n in r.crossover_samples.items():
            pair = frozenset((r.shortcut, other))
            if n is not None and pair not in seen:
                seen.add(pair)
                lines.append(f"{r.shortcut} and {other} take as long at {n:,.0f} samples")
    sizes = next((r.curve_samples for r in rows if r.curve_samples), ())
    if not lines and sizes and len(rows) > 1:
        lines.append(f"none overtakes another between {sizes[0]:,} and {sizes[-1]:,} samples")
    return lines


def _after(file: ShortcutsFile) -> list[str]:
    """Return what is said of all rows: devices that open up, several tasks, refusals, cautions."""
    lines = [_opens(o) for o in file.opens]
    if file.no_opens:
        lines.append(f"opens up no device: {file.no_opens}")
    if file.opens and file.plan.device == "cpu":
        lines.append("  by the peak of the whole process on this processor, its libraries included")
    lines += sharing_view.lines(file.sharing)
    if file.search is not None:
        ways = sorted(
            file.search.rows, key=lambda r: r.scratch.time_s.point if r.scratch.time_s else math.inf
        )
        lines += search_view.lines_of(file.search, ways)
    lines += [f"not compared: {r.shortcut}: {r.reason}" for r in file.refused]
    lines += [f"caution: {c}" for c in file.cautions]
    lines += [f"note: {n}" for n in file.notes]
    return lines


def _opens(o: Opened) -> str:
    """Return the line of a device, with where it can be rented."""
    where = ""
    if o.instances and o.usd_per_h is not None:
        more = f" and {len(o.instances) - 1} more" if len(o.instances) > 1 else ""
        where = f"; {o.instances[0]} at {usd(o.usd_per_h)} an hour{more}"
    held = ", ".join(o.shortcuts)
    return f"opens up: {o.device} ({gib(o.memory_bytes)}{where}) holds {held}, not from_scratch"


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in _fold(line)]


def _fold(line: str) -> list[str]:
    return textwrap.wrap(
        line, render.width(), subsequent_indent="  ", break_long_words=False,
        break_on_hyphens=False,
    ) or [""]  # fmt: skip
