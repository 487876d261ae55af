"""Real trainings as text: what reaching the target takes by each shortcut, who stands where."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hwbench import render
from hwbench.estimate_units import duration, kwh, usd
from hwbench.learned import LearnedCurve
from hwbench.learning_rows import Learning, Share, Status
from hwbench.render import NOTHING, digits, gib, table
from hwbench.shortcut_rows import ShortcutsFile

COLUMNS = ("shortcut", "accuracy", "±", "trains", "training", "memory")
TARGET = ("shortcut", "samples", "time", "energy", "cost", "odds")
NOISE = ("wrong labels", "shortcut", "accuracy", "±")
POISON = ("shortcut", "clean", "poisoned", "misled", "removed", "found", "after", "misled after")
SHARING = ("tasks", "sharing", "accuracy", "±", "of each", "training", "parameters")
INTERRUPTED = 130


def text(file: ShortcutsFile) -> str:
    """Return the study for a reader; raise ValueError for a file without one."""
    found = file.learning
    if found is None:
        raise ValueError("the file holds no real trainings")
    parts = [*_wrapped(_head(found)), ""]
    if found.standings:
        parts += [_standings(found), *_wrapped(_said_of_standings(found))]
    if found.target_accuracy is not None and file.curves:
        parts += ["", *_target(found, file.curves)]
    parts += _disturbances(found)
    return "\n".join([*parts, "", *_wrapped(_after(file, found))]).rstrip()


def ending(status: Status, path: Path) -> str:
    """Return the line after the tables: where the file is, and how a cut one goes on."""
    kept = f"kept in {path}"
    again = f"hwbench shortcuts --learn --resume {path}.jsonl"
    if status == "interrupted":
        return f"interrupted; {kept}; go on with: {again}"
    if status == "out_of_time":
        return f"out of time; {kept}; more of it: {again}"
    return kept


def exit_status(status: Status) -> int:
    """Return the exit status of the command."""
    return INTERRUPTED if status == "interrupted" else 0


def _head(found: Learning) -> list[str]:
    ok = sum(t.status == "ok" for t in found.trainings)
    lines = [
        f"{found.workload} on {found.data.name}: {found.data.what}",
        f"{ok} trainings of {found.sizes[0]:,} to {found.sizes[-1]:,} samples, {found.seeds} seeds,"
        f" batch {found.batch_size}, {found.dtype} on {found.device}, {duration(found.took_s)} in"
        " all",
    ]
    first = found.pretraining
    if first is not None and first.trained is not None and first.one_off_s is not None:
        lines.append(
            f"pretraining: {first.source}, {duration(first.one_off_s)}, then"
            f" {first.trained.accuracy:.1%} right on it; in the times of what starts from it"
        )
    elif first is not None:
        lines.append(f"pretraining: {first.source}")
    else:
        lines.append(f"pretraining: none ({found.no_pretraining})")
    return lines


def _standings(found: Learning) -> str:
    rows = [
        (
            s.shortcut,
            f"{s.accuracy.point:.1%}",
            half(s.accuracy),
            f"{s.trainable_parameters / s.parameters:.1%}",
            duration(s.train_s),
            gib(s.memory_peak_bytes) if s.memory_peak_bytes else NOTHING,
        )
        for s in found.standings
    ]
    return f"at {found.standings[0].samples:,} samples\n{table(COLUMNS, rows)}"


def half(value: Share) -> str:
    """Return the half-width of a share's interval in percent points; nothing for one seed."""
    if value.low is None or value.high is None:
        return NOTHING
    return f"±{(value.high - value.low) / 2:.1%}"


def _said_of_standings(found: Learning) -> list[str]:
    order = [s.shortcut for s in found.standings]
    lines = []
    for n, s in enumerate(found.standings):
        after = [other for other in order[n + 1 :] if other in s.ties]
        if after:
            lines.append(f"a tie in accuracy: {s.shortcut} with {', '.join(after)}")
    return lines


def _target(found: Learning, curves: Sequence[LearnedCurve]) -> list[str]:
    """Return the table of what the target takes, and why some do not reach it."""
    rows, reasons = [], []
    for c in curves:
        name, to = c.shortcut or "", c.to_target
        if to is None:
            reasons.append(f"{name}: {c.no_target or c.no_fit or 'no curve could be fitted'}")
            continue
        rows.append(
            (
                name,
                _within(to.samples, lambda n: f"{n:,.0f}"),
                _within(to.time_s, duration),
                _within(to.energy_j, kwh),
                _within(to.cost_usd, usd),
                NOTHING if to.odds is None else f"{to.odds:.0%}",
            )
        )
    shown = [f"to reach an accuracy of {digits(found.target_accuracy or 0.0)}"]
    shown += [table(TARGET, rows)] if rows else []
    return [*shown, *_wrapped(reasons)]


def _within(figure: Any, say: Callable[[float], str]) -> str:
    """Return "250 (180 .. 400)" of a figure with its interval, a dash for none."""
    if figure is None:
        return NOTHING
    told = say(figure.point)
    if figure.low is None or figure.high is None:
        return told
    return f"{told} ({say(figure.low)} .. {say(figure.high)})"


def _disturbances(found: Learning) -> list[str]:
    """Return the tables of wrong labels and of poison."""
    parts = []
    if found.label_noise:
        rows = [
            (f"{n.noise_frac:.0%}", n.shortcut, f"{n.accuracy.point:.1%}", half(n.accuracy))
            for n in found.label_noise
        ]
        parts += ["", table(NOISE, rows)]
    if found.poison:
        rows_of_poison = [
            (
                p.shortcut,
                f"{p.accuracy_clean.point:.1%}" if p.accuracy_clean else NOTHING,
                f"{p.accuracy.point:.1%}",
                f"{p.attack.point:.0%}",
                f"{p.removed_frac:.0%}",
                f"{p.found_frac:.0%}",
                f"{p.accuracy_after.point:.1%}",
                f"{p.attack_after.point:.0%}",
            )
            for p in found.poison
        ]
        frac = found.poison[0].poison_frac
        parts += ["", f"a backdoor in {frac:.1%} of the data", table(POISON, rows_of_poison)]
        parts += _wrapped(
            f"{p.shortcut}: screening {duration(p.screen_s)}, training again"
            f" {duration(p.retrain_s)}"
            for p in found.poison
        )
    if found.sharing:
        rows_of_sharing = [
            (
                str(s.tasks),
                s.sharing,
                f"{s.mean.point:.1%}",
                half(s.mean),
                " ".join(f"{a.point:.1%}" for a in s.accuracies),
                duration(s.train_s),
                f"{s.parameters:,}",
            )
            for s in found.sharing
        ]
        parts += ["", table(SHARING, rows_of_sharing)]
    return parts


def _after(file: ShortcutsFile, found: Learning) -> list[str]:
    """Return what is said of all: learning rates, the gap, failures, cautions."""
    lines = []
    for u in found.untuned:
        told = ", ".join(f"{k}x {s.point:.1%}" for k, s in u.accuracies.items())
        seeds = f" (seeds alone: {u.of_seeds:.1%})" if u.of_seeds is not None else ""
        lines.append(
            f"untuned learning rate, {u.shortcut}: {told}; {u.lowest:.1%} to {u.highest:.1%}{seeds}"
        )
    lines += _gaps(found)
    failed = [t for t in found.trainings if t.status == "failed"]
    for reason in dict.fromkeys(f"{t.ask.shortcut}: {t.reason}" for t in failed):
        lines.append(f"failed: {reason}")
    if found.left_out:
        lines.append(f"{found.left_out} trainings were left out for want of time")
    if found.no_energy is not None:
        lines.append(f"energy: {NOTHING} ({found.no_energy})")
    lines += [f"not compared: {r.shortcut}: {r.reason}" for r in file.refused]
    return lines + [f"caution: {c}" for c in found.cautions]


def _gaps(found: Learning) -> list[str]:
    """Return the gap between training and test data at the largest size of each shortcut."""
    largest = {g.shortcut: g for g in found.gap}  # sizes rise, so the last one counts
    told = [
        f"{g.shortcut} {g.gap:+.1%} ({digits(g.trainable_per_sample)} parameters a sample)"
        for g in largest.values()
    ]
    return [f"right more often on what was trained on: {', '.join(told)}"] if told else []


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in _fold(line)]


def _fold(line: str) -> list[str]:
    return textwrap.wrap(
        line, render.width(), subsequent_indent="  ", break_long_words=False,
        break_on_hyphens=False,
    ) or [""]  # fmt: skip
