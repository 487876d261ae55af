"""How long a validation trains: whole epochs, evaluation and checkpoints in so many minutes."""

from hwbench import loop_forecast
from hwbench.units import S_PER_MIN
from hwbench.validation import Rehearsal, RunPlan

EVALUATION_FRAC = 0.08  # of a run's time, about what a tenth of the data held back takes
EPOCHS = 3  # at least, so that the first can differ from the later ones
MOST_CACHED = 2000  # epochs over features in memory
CACHED_SAVES = 10  # in all: one an epoch would be a test of the disk, where epochs are milliseconds
MOST_EPOCHS = 100  # a small dataset is gone over several times in an epoch


def plan_of(measured: Rehearsal, minutes: float) -> RunPlan:
    """Return a run that should take so long: whole epochs, with evaluation and checkpoints.

    Epochs are as large as the dataset where three of them fit, smaller where they do not, and
    larger where more than a hundred would. At least one step is made, however slow it is.
    """
    if measured.once:
        return _over_cache(measured, minutes)
    dataset, batch = measured.case.loading.dataset, measured.case.batch_size
    step_s = loop_forecast.step_s(measured.visits)
    saving_s = sum(s.wall_s for s in measured.saves) / max(1, len(measured.saves))
    room_s = max(step_s, minutes * S_PER_MIN - loop_forecast.starting_s(measured))
    judge_s = _evaluation_s(measured)
    share = 1 - (EVALUATION_FRAC if judge_s else 0.0)
    whole = max(1, dataset.items // batch)
    in_all = max(1, int(room_s * share / step_s))
    per_epoch = min(whole, max(1, in_all // EPOCHS))
    per_epoch = max(per_epoch, in_all // MOST_EPOCHS)
    batches = round(EVALUATION_FRAC * per_epoch * step_s / judge_s) if judge_s else 0
    batches = min(max(1, batches), per_epoch) if judge_s else 0
    one_s = per_epoch * step_s + batches * judge_s + saving_s
    epochs = min(max(1, round(room_s / one_s)), MOST_EPOCHS)
    return RunPlan(
        samples=per_epoch * batch,
        epochs=epochs,
        steps_per_epoch=per_epoch,
        evaluation_batches=batches,
        checkpoints=epochs if measured.saves else 0,
    )


def _over_cache(measured: Rehearsal, minutes: float) -> RunPlan:
    """Return a run over what one pass over the whole dataset has made: epochs are all of it.

    Of data whose pass alone would take longer than half of the time, a part.
    """
    dataset, batch = measured.case.loading.dataset, measured.case.batch_size
    room_s = minutes * S_PER_MIN - loop_forecast.starting_s(measured)
    item_s = loop_forecast.once_item_s(measured)
    most = max(1, int(room_s / 2 / (item_s * batch)))
    per_epoch = min(max(1, dataset.items // batch), most)
    step_s, judge_s = loop_forecast.step_s(measured.visits), _evaluation_s(measured)
    saving_s = sum(s.wall_s for s in measured.saves) / max(1, len(measured.saves))
    batches = max(1, round(per_epoch * EVALUATION_FRAC)) if judge_s else 0
    one_s = per_epoch * step_s + batches * judge_s
    left_s = room_s - per_epoch * batch * item_s
    saves = CACHED_SAVES if measured.saves else 0
    epochs = min(max(1, round((left_s - saves * saving_s) / one_s)), MOST_CACHED)
    return RunPlan(
        samples=per_epoch * batch,
        epochs=epochs,
        steps_per_epoch=per_epoch,
        evaluation_batches=batches,
        checkpoints=min(epochs, saves),
    )


def _evaluation_s(measured: Rehearsal) -> float:
    batches = sum(e.batches for e in measured.evaluations)
    return sum(e.wall_s for e in measured.evaluations) / batches if batches else 0.0
