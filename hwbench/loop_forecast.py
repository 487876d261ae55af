"""The time of a training run from a short measurement of its loop (docs/methodology.md).

T = setup + compile + E (steps + loader) + cold + E evaluation + checkpoints. Seconds a step are all
visits' seconds over all visits' steps: visits of equal length sample the machine's time evenly, so
this is the mean speed of that time. The spread between visits is the interval; that between steps
says almost nothing of the next minutes.
"""

import math
from collections.abc import Sequence

from hwbench import stats
from hwbench.validation import LoopVisit, Rehearsal, RunPlan, Term, Total
from hwbench.validations_floor import Floor

LEVEL = 0.90
# Half of the interval, in logarithms, of what is measured once or twice: starting a process and
# writing a file differ by so much from time to time (docs/methodology.md).
ONCE_LOG = 0.5
LEAST_CALM = 4  # undisturbed visits from which the disturbed ones are left out


def calm(visits: Sequence[LoopVisit]) -> Sequence[LoopVisit]:
    """Return the visits in which nothing else of this machine ran, where four at least are left.

    What neighbours of a virtual machine take is the machine's own, and stays in.
    """
    found = [v for v in visits if v.stretch.disturbed is None]
    return found if len(found) >= LEAST_CALM else visits


def step_s(visits: Sequence[LoopVisit]) -> float:
    """Return the mean seconds of a step, its waiting for the loader included."""
    visits = calm(visits)
    kept = [v.stretch for v in visits if v.stretch.steps > 1]
    if not kept:  # steps as long as a visit: the first one is all there is
        return sum(v.stretch.wall_s for v in visits) / sum(v.stretch.steps for v in visits)
    return sum(s.wall_s - s.first_step_s for s in kept) / sum(s.steps - 1 for s in kept)


def wait_s(visits: Sequence[LoopVisit]) -> float:
    """Return the mean seconds that a step waits for its batch: at most those of the step."""
    visits = calm(visits)
    kept = [v.stretch for v in visits if v.stretch.steps > 1]
    if kept:
        waited = sum(s.loader_wait_s - s.first_wait_s for s in kept)
        found = waited / sum(s.steps - 1 for s in kept)
    else:
        found = sum(v.stretch.loader_wait_s for v in visits) / sum(v.stretch.steps for v in visits)
    return min(max(0.0, found), step_s(visits))


def restart_s(measured: Rehearsal) -> float:
    """Return the seconds that an epoch's first batch is waited for beyond a later one.

    Workers begin anew in each epoch, as they do in each visit; without any there is no such wait.
    """
    if not measured.case.loading.workers:
        return 0.0
    firsts = [v.stretch.first_wait_s for v in measured.visits]
    return max(0.0, sum(firsts) / len(firsts) - wait_s(measured.visits))


def spread(visits: Sequence[LoopVisit]) -> tuple[float, float]:
    """Return (half of the interval of a later stretch, standard error of one), in logarithms.

    t sd sqrt(1 + 1/k) between the means of the k visits; nothing is known of one visit's.
    """
    visits = calm(visits)
    means = [m for v in visits if (m := v.stretch.later_s or v.stretch.wall_s / v.stretch.steps)]
    found = stats.prediction(means, LEVEL)
    k = len(means)
    error = stats.standard_deviation(stats.logarithms(means)) * math.sqrt(1 + 1 / k)
    return found.half, error


def forecast(measured: Rehearsal, plan: RunPlan, floor: Floor) -> tuple[tuple[Term, ...], Total]:
    """Return the terms of a run and its total, with intervals at 90 %."""
    half, error = spread(measured.visits)
    steps = plan.steps_per_epoch * plan.epochs
    per_step, waiting = step_s(measured.visits), wait_s(measured.visits)
    loader = steps * waiting + (plan.epochs - 1) * restart_s(measured)
    k, all_of_them = len(calm(measured.visits)), len(measured.visits)
    how = f"mean of {k} visits in {_processes(measured)} processes over {measured.spread_s:.0f} s"
    if k < all_of_them:
        how += f"; {all_of_them - k} more were disturbed by other programs and are left out"
    terms = [
        *_starting(measured, per_step),
        _term("steps", steps * (per_step - waiting), half, how),
        _term("loader", loader, half, f"{how}; what a step waits for its batch"),
    ]
    if measured.once:
        terms.append(_one_off(measured, plan))
    elif measured.cold_s is not None:
        share = min(1.0, plan.samples / measured.case.loading.dataset.items)  # that an epoch reads
        basis = "a part read again from the disk"
        terms.append(_term("cold", measured.cold_s * share, ONCE_LOG, basis))
    if measured.evaluations and plan.evaluation_batches:
        batches = sum(e.batches for e in measured.evaluations)
        one = sum(e.wall_s for e in measured.evaluations) / batches
        total = one * plan.evaluation_batches * plan.epochs
        terms.append(_term("evaluation", total, half, f"{batches} batches"))
    if measured.saves and plan.checkpoints:
        one = sum(s.wall_s for s in measured.saves) / len(measured.saves)
        basis = f"{len(measured.saves)} checkpoints"
        terms.append(_term("checkpoint", one * plan.checkpoints, ONCE_LOG, basis))
    return tuple(terms), _total(terms, half, error, floor)


def _one_off(measured: Rehearsal, plan: RunPlan) -> Term:
    """Return the pass over the data before the first epoch, their first reading included."""
    item_s = once_item_s(measured)
    items = sum(o.items for o in measured.once)
    share = min(1.0, plan.samples / measured.case.loading.dataset.items)
    point = plan.samples * item_s + _once_extra_s(measured, item_s)
    point += (measured.cold_s or 0.0) * share
    return _term(
        "one_off", point, ONCE_LOG, f"{items} items of it, in {len(measured.once)} processes"
    )


def once_item_s(measured: Rehearsal) -> float:
    """Return the seconds an item of the pass before the first epoch; 0 where there is none.

    After its first batch, where a process had time for more.
    """
    items = sum(o.items - o.first_items for o in measured.once)
    if items:
        return sum(o.wall_s - o.first_s for o in measured.once) / items
    items = sum(o.items for o in measured.once)
    return sum(o.wall_s for o in measured.once) / items if items else 0.0


def _once_extra_s(measured: Rehearsal, item_s: float) -> float:
    """Return the seconds of the pass's first batch beyond those of a later one."""
    extra = sum(o.first_s - o.first_items * item_s for o in measured.once)
    return max(0.0, extra / len(measured.once))


def _processes(measured: Rehearsal) -> int:
    return len({v.process for v in measured.visits})


def starting_s(measured: Rehearsal) -> float:
    """Return the seconds of getting ready: opening the loop, and the first step beyond a later."""
    return sum(t.point_s for t in _starting(measured, step_s(measured.visits)))


def _starting(measured: Rehearsal, per_step: float) -> list[Term]:
    n = len(measured.setups)
    opening = sum(s.open_s for s in measured.setups) / n
    extra = max(0.0, sum(s.first_step_s for s in measured.setups) / n - per_step)
    return [
        _term("setup", opening, ONCE_LOG, f"{n} processes started"),
        _term("compile", extra, ONCE_LOG, f"the first step of {n} processes, beyond a later one"),
    ]


def _term(name: str, point: float, half: float, basis: str) -> Term:
    return Term(
        name=name,  # type: ignore[arg-type]
        point_s=point,
        low_s=point * math.exp(-half),
        high_s=point * math.exp(half),
        basis=basis,
    )


_WITH_SPEED = ("steps", "loader", "evaluation")  # they share the machine's speed of the hour


def _total(terms: Sequence[Term], half: float, error: float, floor: Floor) -> Total:
    """Join the terms: those of the machine's speed move together, the others on their own."""
    point = sum(t.point_s for t in terms)
    speed = sum(t.point_s for t in terms if t.name in _WITH_SPEED) / point
    own = [t.point_s / point * ONCE_LOG for t in terms if t.name not in _WITH_SPEED]
    drawn = math.sqrt((speed * half) ** 2 + sum(o * o for o in own))
    whole = math.hypot(drawn, stats.normal_quantile(LEVEL) * floor.sd_log)
    return Total(
        point_s=point,
        low_s=point * math.exp(-whole),
        high_s=point * math.exp(whole),
        level=LEVEL,
        basis=f"t sd sqrt(1 + 1/k) between the visits, and {floor.basis}",
        half_log=whole,
        sampling_log=speed * error,
    )
