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

    `compile` is what the very first step took beyond the others of its epoch, the start of the
    loader's workers included; where there is no other it is not known, and in `steps`. `cold` is
    what the first epoch waited for its batches beyond the later ones; it is known where there was
    a later epoch, and comes out below 0 where those waited longer. compile + steps + loader + cold
    is the epochs' wall time.
    """
    assert done.outcome is not None
    epochs, setup = done.outcome.epochs, done.outcome.setup
    first, later = epochs[0].stretch, [e.stretch for e in epochs[1:]]
    compile_s, first_wait_s = _first_step(first, later)
    waited_s = first.loader_wait_s - first.first_wait_s + first_wait_s  # in the first epoch
    found = {"setup": setup.open_s}
    if first.steps > 1 or later:
        found["compile"] = compile_s
    cold_s = 0.0
    if later and any(t.name == "cold" for t in done.terms):
        usual_s = sum(s.loader_wait_s for s in later) / sum(s.steps for s in later)
        found["cold"] = cold_s = waited_s - usual_s * first.steps
    waited_s += sum(s.loader_wait_s for s in later)
    found["loader"] = waited_s - cold_s
    found["steps"] = first.wall_s + sum(s.wall_s for s in later) - compile_s - waited_s
    found["evaluation"] = sum(e.evaluated.wall_s for e in epochs if e.evaluated)
    if done.outcome.once is not None:
        found["one_off"] = done.outcome.once.wall_s
    found["checkpoint"] = sum(e.saved.wall_s for e in epochs if e.saved)
    return found


def _first_step(first: Stretch, later: Sequence[Stretch]) -> tuple[float, float]:
    """Return what the first step took beyond the next ones, and its own part of waiting.

    The next ones are those of its epoch, where it has more, so that cold data are not in it.
    """
    steps, wall_s = first.steps - 1, first.wall_s - first.first_step_s
    waited_s = first.loader_wait_s - first.first_wait_s
    if not steps:
        steps = sum(s.steps for s in later)
        wall_s = sum(s.wall_s for s in later)
        waited_s = sum(s.loader_wait_s for s in later)
    extra_s = first.first_step_s - wall_s / steps if steps else 0.0
    return (extra_s, waited_s / steps) if extra_s > 0 else (0.0, first.first_wait_s)
