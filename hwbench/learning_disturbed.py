"""What wrong labels, a backdoor, an untuned learning rate did to accuracy; several tasks' own."""

from collections.abc import Iterable, Sequence

from hwbench.learning_beside import RATES
from hwbench.learning_found import accuracies, by_shortcut, grouped, mean, ok, share
from hwbench.learning_rows import Noise, Poison, Share, Sharing, Training, Untuned
from hwbench.sharing_asked import ROWS


def _clean(trainings: Sequence[Training], like: Training) -> list[Training]:
    """Return the same trainings on the data as they are."""
    return [
        t
        for t in ok(trainings, "curve")
        if (t.ask.shortcut, t.ask.samples) == (like.ask.shortcut, like.ask.samples)
    ]


def label_noise(trainings: Sequence[Training], n_test: int, level: float) -> tuple[Noise, ...]:
    """Return the accuracy by shortcut and share of wrong labels, none of them first."""
    groups = grouped(ok(trainings, "noise"), lambda t: (t.ask.shortcut, t.ask.noise_frac))
    rows = []
    for name in dict.fromkeys(name for name, _ in groups):
        noisy = {frac: ts for (n, frac), ts in sorted(groups.items()) if n == name}
        first = next(iter(noisy.values()))[0]
        clean = _clean(trainings, first)
        for frac, ts in (({0.0: clean} if clean else {}) | noisy).items():
            rows.append(
                Noise(
                    shortcut=name,
                    samples=first.ask.samples,
                    noise_frac=frac,
                    accuracy=share(accuracies(ts), n_test, level),
                )
            )
    return tuple(rows)


def poison(trainings: Sequence[Training], n_test: int, level: float) -> tuple[Poison, ...]:
    """Return what a backdoor did by shortcut, and what screening and a new training brought."""
    rows = []
    for name, ts in by_shortcut(ok(trainings, "poison")).items():
        found = [(t.trained, t.trained.screened) for t in ts if t.trained and t.trained.screened]
        both = [(a, b) for a, b in found if b is not None]
        clean = _clean(trainings, ts[0])
        samples = ts[0].ask.samples

        def of(values: Iterable[float]) -> Share:
            return share(list(values), n_test, level)

        rows.append(
            Poison(
                shortcut=name,
                samples=samples,
                poison_frac=ts[0].ask.poison_frac,
                accuracy=of(a.accuracy for a, _ in both),
                attack=of(a.attack_frac or 0.0 for a, _ in both),
                accuracy_clean=of(accuracies(clean)) if clean else None,
                screen_s=mean(b.screen_s for _, b in both),
                removed_frac=mean(b.removed / samples for _, b in both),
                found_frac=mean(b.found / max(1, b.poisoned) for _, b in both),
                retrain_s=mean(b.retrain_s for _, b in both),
                accuracy_after=of(b.accuracy for _, b in both),
                attack_after=of(b.attack_frac for _, b in both),
            )
        )
    return tuple(rows)


def untuned(trainings: Sequence[Training], n_test: int, level: float) -> tuple[Untuned, ...]:
    """Return how far accuracy lies apart over learning rates and seeds, by shortcut."""
    rows = []
    for name, ts in by_shortcut(ok(trainings, "untuned")).items():
        as_it_is = _clean(trainings, ts[0])
        rates = {f: [t for t in ts if t.ask.rate_factor == f] for f in RATES}
        groups = {RATES[0]: rates[RATES[0]], 1.0: as_it_is, RATES[1]: rates[RATES[1]]}
        told = {f: accuracies(group) for f, group in groups.items() if group}
        every = [a for values in told.values() for a in values]
        own = accuracies(as_it_is)
        rows.append(
            Untuned(
                shortcut=name,
                samples=ts[0].ask.samples,
                accuracies={f"{f:.3g}": share(v, n_test, level) for f, v in told.items()},
                lowest=min(every),
                highest=max(every),
                spread=max(every) - min(every),
                of_seeds=max(own) - min(own) if len(own) > 1 else None,
            )
        )
    return tuple(rows)


def sharing_of(trainings: Sequence[Training], n_test: int, level: float) -> tuple[Sharing, ...]:
    """Return the accuracy of each of several tasks, by the way that they share a network."""
    ways = {row: way for way, row in ROWS.items()}
    rows = []
    for name, ts in by_shortcut(ok(trainings, "sharing")).items():
        found = [t.trained for t in ts if t.trained is not None]
        tasks = len(found[0].task_accuracies)
        each = [[t.task_accuracies[k] for t in found] for k in range(tasks)]
        rows.append(
            Sharing(
                sharing=ways[name],  # type: ignore[arg-type]
                tasks=tasks,
                accuracies=tuple(share(v, n_test // tasks, level) for v in each),
                mean=share([t.accuracy for t in found], n_test, level),
                train_s=mean(t.train_s for t in found),
                parameters=found[0].parameters,
            )
        )
    return tuple(rows)
