"""The curves of a study: each shortcut's trainings, fitted, and what its target takes."""

from hwbench import curves_study, learning_found, registry
from hwbench.learned import LearnedCurve, LearnedPoint
from hwbench.learning_journal import Header
from hwbench.learning_rows import Learning, Training

NO_METER = "no meter measures here"


def curves(header: Header, found: Learning) -> tuple[LearnedCurve, ...]:
    """Return the curves of the shortcuts that were trained, in the order of the study.

    What pretraining took is in the time of those that start from it.
    """
    asked, shelf = header.asked, registry.shortcuts()
    done = learning_found.by_shortcut(learning_found.ok(found.trainings, "curve"))
    first = found.pretraining.one_off_s if found.pretraining else None
    return tuple(
        curves_study.curve(
            name,
            sorted(map(_point, done[name]), key=lambda p: (p.samples, p.seed)),
            classes=found.data.classes,
            n_test=found.data.n_test,
            one_off_s=(first or 0.0) if shelf[name].pretrained else 0.0,
            target=asked.target_accuracy,
            usd_per_h=asked.usd_per_h,
            no_energy=found.no_energy or NO_METER,
        )
        for name in header.shortcuts
        if name in done
    )


def _point(training: Training) -> LearnedPoint:
    trained = training.trained
    assert trained is not None
    return LearnedPoint(
        samples=training.ask.samples,
        seed=training.ask.seed,
        accuracy=trained.accuracy,
        train_accuracy=trained.train_accuracy,
        train_s=trained.train_s,
        epochs=trained.epochs,
        steps=training.ask.steps,
        energy_j=training.energy_j,
    )
