"""From the trainings of a study to what is kept of them: curves, standings, cautions."""

from hwbench import learning_disturbed, learning_found
from hwbench.learning import Trainings
from hwbench.learning_journal import Header
from hwbench.learning_rows import Learning, Pretraining, Status

FEW_TEST = 1000  # examples, below which a percent of accuracy is a handful of them
GIVEN = "weights that were given: what making them cost is not known, and not in"
LEAST_SEEDS = 3


def learning(
    header: Header,
    trainings: Trainings,
    status: Status,
    took_s: float,
    no_energy: str | None,
) -> Learning:
    """Return what the trainings gave, those of every purpose, and what they say together."""
    asked, data, done = header.asked, header.data, tuple(trainings.done)
    n_test, level = data.n_test, asked.level
    pretraining = pretraining_of(header, trainings)
    return Learning(
        status=status,
        workload=asked.workload,
        device=asked.device or "cpu",
        dtype=asked.dtype or "float32",
        batch_size=asked.batch_size or 1,
        threads=asked.threads or 1,
        data=data,
        sizes=header.sizes,
        seeds=asked.seeds,
        target_accuracy=asked.target_accuracy,
        max_seconds=asked.max_seconds,
        took_s=took_s,
        pretraining=pretraining,
        no_pretraining=None if pretraining else _no_pretraining(header),
        trainings=done,
        left_out=trainings.left_out,
        standings=learning_found.standings(done, n_test, level),
        label_noise=learning_disturbed.label_noise(done, n_test, level),
        poison=learning_disturbed.poison(done, n_test, level),
        untuned=learning_disturbed.untuned(done, n_test, level),
        gap=learning_found.gaps(done),
        sharing=learning_disturbed.sharing_of(done, n_test, level),
        no_energy=no_energy,
        cautions=_cautions(header),
    )


def pretraining_of(header: Header, trainings: Trainings) -> Pretraining | None:
    """Return what stands before the shortcuts from pretrained weights, None where nothing does."""
    if header.asked.pretrained is not None:
        return Pretraining(source=GIVEN, one_off_s=None)
    return trainings.pretraining


def _no_pretraining(header: Header) -> str:
    if header.pretrain_steps is None:
        return "no shortcut that was compared starts from pretrained weights"
    return "the source task was not trained on"


def _cautions(header: Header) -> tuple[str, ...]:
    """Return what is to be kept in mind with these figures."""
    data, asked = header.data, header.asked
    told = [*data.cautions, *data.quality.lines()]
    if data.n_test < FEW_TEST:
        told.append(
            f"{data.n_test} test examples: one more or less that is right is"
            f" {1 / data.n_test:.1%} of accuracy"
        )
    if asked.seeds < LEAST_SEEDS:
        told.append("fewer than 3 seeds: how far trainings scatter is poorly known")
    if header.pretrain_steps is not None:
        told.append(
            "one pretraining, with one seed: its own luck is in all shortcuts that start from it"
        )
    cut = [name for name, factor in header.cuts.items() if factor < 1]
    if cut:
        told.append(f"for want of time trained for fewer epochs than usual: {', '.join(cut)}")
    told.append(
        "one learning rate a shortcut, not tuned: what tuning would change is what the rates"
        " beside it show"
    )
    return tuple(told)
