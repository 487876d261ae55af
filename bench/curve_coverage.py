"""Does a learning curve's interval hold the largest size? Simulated curves, and a study's own.

`python -m bench.curve_coverage` draws curves of known forms with the noise of a test set and of
seeds, predicts the largest size from the smaller ones, and counts how often its 90 % interval held
what was drawn there. `--study FILE` counts it over the curves of `hwbench shortcuts --learn`.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.figure import Figure, parser, show
from hwbench import curve_ensemble, shortcuts_file
from hwbench.curve_file import Point
from hwbench.errors import BadInput

SIZES, SEEDS, N_TEST, CLASSES = (50, 100, 200, 400, 800), 3, 300, 5
WANTED = 0.80
FORMS: dict[str, Callable[[float, float, float, float], float]] = {
    "power": lambda n, a, b, c: c + a * n**-b,
    "exponential": lambda n, a, b, c: c + a * 0.35 * 2.718 ** (-n * b / 120),
    "logarithm": lambda n, a, b, c: c + 0.35 - 0.045 * b / 0.4 * (n**0.12 - 1) / 0.12,
    "hill": lambda n, a, b, c: c + 0.6 / (1 + (n / 90) ** (b * 2)),
}


def simulated(count: int) -> Iterator[tuple[str, list[Point]]]:
    """Yield (form, points) of curves with parameters as real ones have them."""
    import numpy as np

    rng = np.random.default_rng(1)
    for k in range(count):
        name = list(FORMS)[k % len(FORMS)]
        a, b, c = rng.uniform(1.0, 5.0), rng.uniform(0.25, 0.7), rng.uniform(0.0, 0.06)
        spread = rng.uniform(0.05, 0.2)  # of a seed's error, of itself
        points = []
        for n in SIZES:
            for seed in range(SEEDS):
                p = FORMS[name](float(n), a, b, c) * float(np.exp(spread * rng.standard_normal()))
                wrong = rng.binomial(N_TEST, min(0.95, max(1e-4, p)))
                points.append(Point(samples=n, accuracy=1 - wrong / N_TEST, seed=seed))
        yield name, points


def held(points: list[Point], classes: int, n_test: int) -> bool | None:
    """Return whether the largest size was inside, None where nothing could be held out."""
    try:
        found = curve_ensemble.fitted(points, classes, n_test)
    except BadInput:
        return None
    return found.backtest.inside if found.backtest else None


def of_simulated(count: int) -> list[Figure]:
    by_form: dict[str, list[bool]] = {}
    for name, points in simulated(count):
        told = held(points, CLASSES, N_TEST)
        if told is not None:
            by_form.setdefault(name, []).append(told)
    figures = [_figure(f"largest size inside, {name}", told) for name, told in by_form.items()]
    return [
        *figures,
        _figure("largest size inside, all", [t for told in by_form.values() for t in told]),
    ]


def of_study(path: Path) -> list[Figure]:
    """Return the share over shortcuts, and over shortcuts x seeds."""
    file, together, apart = shortcuts_file.load(path), [], []
    for c in file.curves:
        if c.backtest is not None:
            together.append(c.backtest.inside)
        for seed in sorted({p.seed for p in c.points}):
            points = [
                Point(samples=p.samples, accuracy=p.accuracy, seed=p.seed)
                for p in c.points
                if p.seed == seed
            ]
            told = held(points, c.classes, c.n_test)
            if told is not None:
                apart.append(told)
    return [
        _figure(f"{path.name}: largest size inside, shortcuts", together),
        _figure(f"{path.name}: largest size inside, shortcuts x seeds", apart),
    ]


def _figure(name: str, told: list[bool]) -> Figure:
    share = sum(told) / len(told) if told else 0.0
    return Figure(
        name=name,
        measured=f"{share:.0%} of {len(told)}" if told else "no curve could be held out",
        target=f">= {WANTED:.0%}",
        met=share >= WANTED if told else None,
    )


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--study", type=Path, help="a file of `hwbench shortcuts --learn --out`")
    options.add_argument("--count", type=int, default=200)
    chosen = options.parse_args()
    found = (
        of_study(chosen.study) if chosen.study else of_simulated(8 if chosen.tiny else chosen.count)
    )
    show(found, chosen.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
