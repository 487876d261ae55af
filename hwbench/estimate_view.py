"""An estimate as text: the table of ways, the answers, the terms of the best, what was assumed."""

import textwrap
from collections.abc import Iterable, Sequence

from hwbench import estimate_table, render, search_view, sharing_view
from hwbench.comparing import named
from hwbench.estimate_figures import Assumption, Figure
from hwbench.estimate_table import SHOWN, chosen
from hwbench.estimate_units import dataset, duration, usd
from hwbench.estimated import EstimateFile, Row, Winner
from hwbench.render import NOTHING, digits

ALIKE = 6  # rows named that cannot be told from the best
ASSUMED = 24  # assumptions shown; all are in the JSON
COMMAND = "  hwbench"  # a line to be copied: never wrapped


def text(file: EstimateFile) -> str:
    """Return the estimate for a reader."""
    notes = [f"  {n}" for n in estimate_table.footnotes(file)]
    said = ["", *_best(file), *file.answer, *_target(file), *_solved(file), *_confirm(file)]
    said += [*file.break_even, *search_view.lines(file), *sharing_view.lines(file.sharing)]
    said += ["", *_grown(file), *_terms(file), "", *_assumed(file)]
    said += [f"note: {n}" for n in (*file.notes, *_warnings(file))]
    parts = [*_wrapped([_plan(file)]), "", estimate_table.table(file), *_wrapped([*notes, *said])]
    return "\n".join(parts).rstrip()


def _wrapped(lines: Iterable[str]) -> list[str]:
    """Return lines no longer than the terminal is wide, commands apart."""
    found: list[str] = []
    for line in lines:
        if line.startswith(COMMAND) or len(line) <= render.width():
            found.append(line)
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        found += textwrap.wrap(
            line.strip(),
            render.width(),
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return found


def _plan(file: EstimateFile) -> str:
    p = file.plan
    long = f"{p.steps:,} steps" if p.steps is not None else _epochs(p.epochs)
    return (
        f"{p.workload}, {dataset(p)}, {long}, batch {p.batch_size} a device, {p.dtype};"
        f" intervals of {p.level:.0%}"
    )


def _epochs(epochs: float | None) -> str:
    if epochs is None:
        return "the usual epochs of each way"
    return "1 epoch" if epochs == 1 else f"{epochs:g} epochs"


def _best(file: EstimateFile) -> list[str]:
    told = (
        ("cheapest", "cost", file.best.by_cost, [r.cost_usd for r in file.rows]),
        ("fastest", "time", file.best.by_time, [r.time_s for r in file.rows]),
        ("least energy", "energy", file.best.by_energy, [r.energy_j for r in file.rows]),
    )
    if len(file.rows) < 2:
        return []
    return [
        _winner(word, _of_known(what, figures), w, file)
        for word, what, w, figures in told
        if w is not None
    ]


def _of_known(what: str, figures: Sequence[Figure | None]) -> str:
    """Return which rows a best one is the best of, where a figure of some is not known."""
    known = len([f for f in figures if f is not None])
    if known == len(figures):
        return ""
    return f", of the {known} of {len(figures)} rows whose {what} is known"


def _winner(word: str, among: str, w: Winner, file: EstimateFile) -> str:
    row = named(file.rows[w.row])
    line = f"{word}: {row} (chance {w.probability:.0%} to be it{among})"
    others = [named(file.rows[n]) for n in w.indistinguishable]
    if not others:
        return line
    first = ", ".join(others[:ALIKE])
    more = f" and {len(others) - ALIKE} more" if len(others) > ALIKE else ""
    return f"{line}; not to be told from it: {first}{more}"


def _target(file: EstimateFile) -> list[str]:
    t = file.target
    if t is None or t.samples is None:
        return []
    lines = [
        f"accuracy {t.accuracy:g} takes {t.samples.point:,.0f} samples"
        f" ({t.samples.low:,.0f} .. {t.samples.high:,.0f}) by {t.curve}; odds that it is reached"
        f" at all: {t.odds:.0%}"
    ]
    return lines + [f"  {w}" for w in t.warnings]


def _solved(file: EstimateFile) -> list[str]:
    if not file.solved:
        return []
    word = {"samples": "most samples", "epochs": "most epochs", "batch-size": "smallest batch"}
    lines = [f"{word[file.solved[0].what]} with the limits kept ({file.plan.level:.0%}):"]
    ordered = sorted(file.solved, key=lambda s: -(s.value or 0.0))
    for s in ordered[:SHOWN]:
        told = f"{s.value:,.0f}" if s.value is not None else f"{NOTHING}  {s.reason}"
        way = s.purchase if s.shortcut == "from_scratch" else f"{s.purchase} by {s.shortcut}"
        lines.append(f"  {s.instance} {way}: {told}")
    return lines


def _confirm(file: EstimateFile) -> list[str]:
    lines = []
    for c in file.confirm:
        lines.append(
            f"to confirm {c.instance}" + (f", {usd(c.usd)}:" if c.usd is not None else ":")
        )
        lines += [f"  {command}" for command in c.commands]
    return lines


def _grown(file: EstimateFile) -> list[str]:
    """Return what ten times the data take of the first row, with epochs and with steps held."""
    row = next((r for r in chosen(file) if r.curve is not None), None)
    if row is None or row.curve is None:
        return []
    c = row.curve
    last, held, n = c.time_s[-1], c.steps_held_time_s[-1], c.samples[-1]
    if last is None or held is None:
        return []
    return [
        f"{n:,} samples on {row.instance}: {duration(last)} with the epochs held,"
        f" {duration(held)} with the steps held"
    ]


def _terms(file: EstimateFile) -> list[str]:
    """Return what the time of the first row is made of, and what makes it uncertain."""
    row = next((r for r in chosen(file) if r.terms_total_s is not None), None)
    if row is None or row.terms_total_s is None or row.terms is None:
        return []
    terms = vars(row.terms_total_s)
    parts = [f"{name.replace('_', ' ')} {duration(s)}" for name, s in terms.items() if s]
    lines = [f"{row.instance}: " + ", ".join(parts)]
    loader = row.terms.loader_s
    of_step = f"a step {digits(row.terms.step_s)} s"
    of_step += f", its batch's loading {digits(loader)} s" if loader else ""
    lines += [of_step, *_pace(row)]
    for word, shares in (("time", row.uncertain_by), ("cost", row.cost_uncertain_by)):
        if shares:
            told = ", ".join(f"{s.name} {s.share_frac:.0%}" for s in shares)
            lines.append(f"its {word} is uncertain by: {told}")
    return lines


def _pace(row: Row) -> list[str]:
    """Return how fast it steps, by its devices' peak; nothing for rows of another step's ratio."""
    p = row.pace
    if p is None:
        return []
    tokens = "" if p.tokens_per_s is None else f"{render.count(p.tokens_per_s)} tokens/s, "
    said = f"while it steps: {tokens}{digits(p.items_per_s)} items/s"
    if p.mfu_frac is None:
        return [f"{said}; MFU not known: {p.reason}"]
    return [
        f"{said}; MFU and HFU {p.mfu_frac:.1%} of {render.count(p.peak_flops_per_s or 0.0)}FLOP/s"
        f" a device: {p.peak}"
    ]


def _assumed(file: EstimateFile) -> list[str]:
    """Return what was not measured, once for all rows shown, with its source."""
    found: dict[str, None] = {}
    for r in chosen(file):
        found |= dict.fromkeys(_assumption(a) for a in r.assumptions if _worth(a))
    lines = list(found)
    if not lines:
        return []
    most = ASSUMED
    more = [f"  ... {len(lines) - most} more are in the JSON"] if len(lines) > most else []
    return ["not measured here, and taken from:", *(f"  {x}" for x in lines[:most]), *more]


def _worth(a: Assumption) -> bool:
    return a.name not in ("step", "power")  # a row of its own each: in the JSON


def _assumption(a: Assumption) -> str:
    if a.value is None:
        return f"{a.name}: not known ({a.source})"
    value = a.value
    value = digits(value) if isinstance(value, float) else value
    dated = f", {a.date}" if a.date and a.date not in a.source else ""
    return f"{a.name}: {value} {a.unit}".rstrip() + f" ({a.source}{dated})"


def _warnings(file: EstimateFile) -> list[str]:
    """Return the warnings of the rows shown; of old prices a note of their provider says it."""
    found: dict[str, None] = {}
    for r in chosen(file):
        provider = r.instance.partition(":")[0]
        told = any(n.startswith(f"{provider}: ") and " dated " in n for n in file.notes)
        old = f"the price of {r.instance} is dated"
        found |= dict.fromkeys(w for w in r.warnings if not (told and w.startswith(old)))
    return list(found)
