"""Which settings help a training step here: one by one, then those that help together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hwbench import paired_steps, registry, stats
from hwbench.advised import Advised, Verdict
from hwbench.case import Case
from hwbench.paired_steps import Side, StepFailed
from hwbench.probing import Spawn
from hwbench.progress import Progress
from hwbench.setting import JOIN, OPTION, Setting

STEPS = 20  # after which losses are compared; fewer where they would take longer than STEPS_S
LEAST_STEPS, STEPS_S = 5, 15.0
SECONDS = 20.0  # of the blocks of a setting, and of the plain step in turn
LOSS_FRAC, LOSS_DROP_FRAC = 0.01, 0.1  # of the loss, and of its fall: as far it may differ
MEMORY_FRAC = 0.95  # of the plain step's: below it memory is saved


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured: the plain step, each setting, and those that help together."""

    plain: Advised
    first_loss: float | None
    steps: int
    rows: tuple[Advised, ...]
    together: tuple[Advised, ...]  # the best with one more, and so on as long as that helps
    use: tuple[str, ...]


def advised(
    case: Case,
    names: Sequence[str],
    threads: int,
    seconds: float,
    progress: Progress,
    spawn: Spawn,
    keep: Callable[[Found], None] = lambda found: None,
) -> Found:
    """Measure each setting against the plain step; `keep` is told after each of them.

    Raises StepFailed where the plain step itself cannot be made.
    """
    shelf = registry.settings()
    progress.note(f"{case.name}: the plain step")
    few = paired_steps.opened(case, 0, threads, LEAST_STEPS, spawn, progress.tick)
    later_s = few.done.wall_s / (LEAST_STEPS - 1)
    few.end()
    steps = max(LEAST_STEPS, min(STEPS, int(STEPS_S / max(later_s, 1e-9))))
    plain = paired_steps.opened(case, 1, threads, steps, spawn, progress.tick)
    times: list[float] = []
    rows: list[Advised] = []
    found = Found(
        plain=_plain(plain, [later_s]), first_loss=plain.done.losses[0], steps=steps, rows=(),
        together=(), use=(),
    )  # fmt: skip
    try:
        for number, name in enumerate(names, 2):
            progress.note(f"{case.name}: {shelf[name].summary}")
            rows.append(_row(plain, (shelf[name],), number, steps, seconds, progress, spawn, times))
            best = _best(rows)
            found = replace(
                found,
                plain=_plain(plain, times or [later_s]),
                rows=tuple(rows),
                use=best.settings if best else (),
            )
            keep(found)
        best, tried = _best(rows), list[Advised]()
        for name in _others(rows):
            assert best is not None
            names_ = (*best.settings, name)
            progress.note(f"{case.name}: {', '.join(names_)} together")
            settings, number = tuple(shelf[n] for n in names_), len(names) + 2 + len(tried)
            both = _row(plain, settings, number, steps, seconds, progress, spawn, times)
            tried.append(both)
            best = both if _better(both, best) else best
            found = replace(
                found, together=tuple(tried), use=best.settings, plain=_plain(plain, times)
            )
            keep(found)
    finally:
        plain.end()
    return found


def _plain(side: Side, times: Sequence[float]) -> Advised:
    return Advised(
        settings=(),
        typed=(),
        saves="time",
        status="ok",
        step_s=stats.median(times),
        memory_bytes=side.memory_bytes,
        loss=side.loss,
        once_s=side.done.setup_s + side.done.first_step_s,
    )


def _row(
    plain: Side,
    settings: tuple[Setting, ...],
    number: int,
    steps: int,
    seconds: float,
    progress: Progress,
    spawn: Spawn,
    times: list[float],
) -> Advised:
    """Measure some settings; what cannot be made is a row with its reason."""
    names = tuple(s.name for s in settings)
    bare = Advised(
        settings=names,
        typed=tuple(s.typed for s in settings),
        saves="memory" if any(s.saves == "memory" for s in settings) else "time",
        status="skipped",
    )
    network = registry.networks()[plain.case.name]
    for s in settings:
        why = s.supports(network.workload, network.variant.config, plain.case.device)
        if why is not None:
            return replace(bare, reason=why)
    case = replace(plain.case, options={**plain.case.options, OPTION: JOIN.join(names)})
    try:
        side = paired_steps.opened(case, number, plain.threads, steps, spawn, progress.tick)
        try:
            ratio, plain_s = paired_steps.ratio(plain, side, seconds)
        finally:
            side.end()
    except StepFailed as e:
        return replace(bare, status="skipped" if e.skipped else "failed", reason=str(e))
    times += plain_s
    memory = side.memory_bytes
    row = replace(
        bare,
        status="ok",
        ratio=ratio,
        step_s=stats.median(plain_s) * ratio.point,
        memory_bytes=memory,
        memory_frac=memory / plain.memory_bytes if memory and plain.memory_bytes else None,
        loss=side.loss,
        once_s=side.done.setup_s + side.done.first_step_s,
    )
    return replace(row, verdict=_verdict(row, plain))


def _verdict(row: Advised, plain: Side) -> Verdict:
    assert row.ratio is not None
    if not same_loss(row.loss, plain.done.losses[0], plain.loss):
        return "another loss"
    if row.saves == "memory":
        return "saves memory" if (row.memory_frac or 1.0) < MEMORY_FRAC else "no gain"
    if row.ratio.high < 1:
        return "use"
    if row.ratio.low > 1:
        return "slower"
    return "no gain" if row.ratio.high < 1.02 and row.ratio.low > 0.98 else "unsure"


def same_loss(loss: float | None, first: float | None, plain: float | None) -> bool:
    """Return whether a loss is as good as the plain one's, beyond what rounding does.

    A lower one is; a higher one within a hundredth of it and a tenth of its fall from the first.
    """
    if loss is None or first is None or plain is None:
        return loss is None and plain is None
    return loss <= plain + LOSS_FRAC * abs(plain) + LOSS_DROP_FRAC * abs(first - plain)


def _helping(rows: Sequence[Advised]) -> list[Advised]:
    """Return the settings that help, those that help most in front."""
    found = [r for r in rows if r.verdict == "use" and r.ratio is not None]
    return sorted(found, key=lambda r: r.ratio.point if r.ratio else 1.0)


def _best(rows: Sequence[Advised]) -> Advised | None:
    return next(iter(_helping(rows)), None)


def _others(rows: Sequence[Advised]) -> list[str]:
    return [r.settings[0] for r in _helping(rows)[1:]]


def _better(both: Advised, alone: Advised) -> bool:
    """Return whether one setting more makes a step faster than without it, as far as is known."""
    if both.verdict != "use" or both.ratio is None or alone.ratio is None:
        return False
    return both.ratio.point < alone.ratio.point
