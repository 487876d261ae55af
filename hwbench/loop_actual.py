"""What happened in a training run, in the words of its prediction: each term as it was."""

from collections.abc import Sequence
from dataclasses import replace

from hwbench.loop import Stretch
from hwbench.validation import Validation


def held(done: Validation) -> Validation:
    """Return the validation with what happened beside each term, and whether it was inside.

    Raises ValueError where nothing has happened yet.
    """
    if done.outcome is None:
        raise ValueError("a validation without an outcome cannot be held against it")
    actual = actual_terms(done)
    terms = tuple(replace(t, actual_s=actual.get(t.name)) for t in done.terms)
    wall_s, total = done.outcome.wall_s, done.total_s
    return replace(
        done,
        terms=terms,
        ratio=wall_s / total.point_s,
        inside=total.low_s <= wall_s <= total.high_s,
    )


def actual_terms(done: Validation) -> dict[str, float]:
    """Return the seconds that each term took: the parts as timed, in the prediction's words.

    A later step takes (all - the first) / (steps - 1); `compile` is what the very first step took
    beyond that, the start of the loader's workers included. `cold` is what the first epoch waited
    for its batches beyond the later ones; it is known where there was a later epoch, and comes out
    below 0 where those waited longer. compile + steps + loader + cold is the epochs' wall time.
    """
    assert done.outcome is not None
    epochs, setup = done.outcome.epochs, done.outcome.setup
    stretches = [e.stretch for e in epochs]
    first, later = stretches[0], stretches[1:]
    steps = sum(s.steps for s in stretches)
    trained_s = sum(s.wall_s for s in stretches)
    waited_s = sum(s.loader_wait_s for s in stretches)
    compile_s = 0.0
    if steps > 1:
        per_step_s = (trained_s - first.first_step_s) / (steps - 1)
        compile_s = max(0.0, first.first_step_s - per_step_s)
    if compile_s > 0:  # the first step's own share is then as a later one's
        waited_s = (waited_s - first.first_wait_s) * steps / (steps - 1)
    cold_s = _cold_s(first, later) if any(t.name == "cold" for t in done.terms) else None
    found = {"setup": setup.open_s, "compile": compile_s}
    if cold_s is not None:
        found["cold"] = cold_s
    found["loader"] = waited_s - (cold_s or 0.0)
    found["steps"] = trained_s - compile_s - waited_s
    found["evaluation"] = sum(e.evaluated.wall_s for e in epochs if e.evaluated)
    found["checkpoint"] = sum(e.saved.wall_s for e in epochs if e.saved)
    return found


def _cold_s(first: Stretch, later: Sequence[Stretch]) -> float | None:
    """Return the first epoch's waiting beyond the later ones', its first step left out."""
    if not later or first.steps < 2:
        return None
    usual_s = sum(s.loader_wait_s for s in later) / sum(s.steps for s in later)
    waited_s = (first.loader_wait_s - first.first_wait_s) * first.steps / (first.steps - 1)
    return waited_s - usual_s * first.steps
