"""From points to the samples that a target needs: what is found, how sure, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwbench import learning_curve as lc
from hwbench.curve_file import Point, read
from hwbench.errors import BadInput

SIZES = (50, 100, 200, 400, 800, 1600)
A, B, C = 3.0, 0.5, 0.02


def truth(n: float) -> float:
    return float(A * n**-B + C)


def points(
    spread: float = 0.0, seeds: int = 3, sizes: tuple[int, ...] = SIZES, seed: int = 0
) -> list[Point]:
    """Return points whose error scatters by `spread` of the binomial's sqrt(p (1 - p))."""
    rng = np.random.default_rng(seed)
    made = []
    for n in sizes:
        for s in range(seeds):
            e = truth(n) + spread * (truth(n) * (1 - truth(n))) ** 0.5 * rng.standard_normal()
            made.append(Point(samples=n, seed=s, accuracy=1 - min(1.0, max(0.0, e))))
    return made


def test_halving_the_excess_error_takes_ever_more_samples() -> None:
    found = lc.times_the_samples(np.array([0.5, 0.3, 0.1]))
    assert [round(f) for f in found] == [4, 10, 1024]


def test_the_curve_and_its_inverse_are_those_that_made_the_points() -> None:
    fit = lc.fit(points(), n_draws=50)
    assert fit.parameters == pytest.approx({"a": A, "b": B, "c": C}, rel=1e-3)
    needed = lc.samples_for(fit, 0.93, 50, np.random.default_rng(0))
    assert needed.point == pytest.approx((A / (0.07 - C)) ** 2, rel=1e-3)  # 3,600
    assert needed.odds == 1.0 and needed.warnings == ()
    assert needed.draws == pytest.approx(needed.point, rel=1e-2)  # no scatter, no spread


def test_the_same_points_give_the_same_curves() -> None:
    first, again = (lc.fit(points(0.02), n_draws=30, seed=4) for _ in range(2))
    assert (first.draws["b"] == again.draws["b"]).all()
    assert (lc.fit(points(0.02), n_draws=30, seed=5).draws["b"] != first.draws["b"]).any()


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Eighty curves, 3 seeds at 6 sizes: 90 % intervals at 4 times the largest, and of N*."""
    held, needed = 0, 0
    for seed in range(80):
        fit = lc.fit(points(0.02, seed=seed), n_draws=200, seed=seed)
        low, high = np.quantile(fit.error_draws(6400), (0.05, 0.95))
        held += low <= truth(6400) <= high
        wanted = lc.samples_for(fit, 1 - truth(6400), 200, np.random.default_rng(0))
        few, many = np.sort(wanted.draws)[[10, 189]]
        needed += few <= 6400 <= many
    assert held >= 64 and needed >= 64


def test_scatter_comes_from_seeds_from_the_test_set_or_from_the_misfit() -> None:
    def width(fit: lc.Fit) -> float:
        low, high = np.quantile(fit.error_draws(1600), (0.05, 0.95))
        return float(high - low)

    quiet, loud = (width(lc.fit(points(s), n_draws=300)) for s in (0.005, 0.02))
    assert 2.5 < loud / quiet < 6
    exact = points(seeds=1)
    assert width(lc.fit(exact, n_draws=300)) < 1e-3
    small = lc.fit(exact, n_draws=300, n_test=500)
    assert 0.5 < width(small) / (2 * 1.645 * (0.095 * 0.905 / 500) ** 0.5) < 1.1
    assert lc.fit(points(0.02, seeds=1), n_draws=300).sizes[0].sd > 0


def test_a_target_under_the_floor_is_out_of_reach_and_a_near_one_doubtful() -> None:
    fit = lc.fit(points(0.01), n_draws=300)
    out = lc.samples_for(fit, 0.999, 300, np.random.default_rng(0))
    assert out.point is None and out.odds < 0.2 and "levels off" in (out.reason or "")
    assert np.isinf(out.draws).any()
    near = lc.samples_for(fit, 1 - fit.parameters["c"] - 0.002, 300, np.random.default_rng(0))
    assert near.point is not None and 0.1 < near.odds < 0.95
    assert any("may be unreachable" in w for w in near.warnings)
    assert any("order of magnitude" in w for w in near.warnings)
    assert len(near.draws) == 300 and np.isfinite(near.draws).mean() == pytest.approx(near.odds)


@pytest.mark.parametrize(
    ("samples", "word"),
    [
        (1600, None),
        (6400, None),
        (6500, "too narrow"),
        (26_000, "order of magnitude"),
        (9, "below"),
    ],
)
def test_how_far_a_curve_is_trusted(samples: int, word: str | None) -> None:
    told = lc.trust(lc.fit(points(), n_draws=5), samples)
    assert told is None if word is None else word in (told or "")


def test_points_near_chance_are_left_out() -> None:
    guessing = [Point(samples=n, accuracy=0.11, seed=0) for n in (5, 10)]
    fit = lc.fit([*guessing, *points()], classes=10, n_draws=20)
    assert [s.samples for s in fit.sizes] == list(SIZES)
    assert any("near chance: 5, 10 samples" in w for w in fit.warnings)
    assert fit.parameters["b"] == pytest.approx(B, rel=1e-3)


def test_what_cannot_be_fitted_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadInput, match="needs 4 sizes of the data set, found 3"):
        lc.fit(points(sizes=(50, 100, 200)))
    late = [p if p.samples > 400 else Point(samples=p.samples, accuracy=0.1) for p in points()]
    with pytest.raises(BadInput, match=r"found 2 \(4 more are near chance\)"):
        lc.fit(late, classes=10)
    rising = [Point(samples=n, accuracy=0.5 - n / 1e4) for n in SIZES]
    with pytest.raises(BadInput, match="does not fall"):
        lc.fit(rising)
    for target in (0.0, 1.0, 95.0):
        with pytest.raises(BadInput, match="between 0 and 1"):
            lc.samples_for(lc.fit(points(), n_draws=5), target, 5, np.random.default_rng(0))


def test_a_curve_of_another_form_is_said_to_miss_the_points() -> None:
    steps = {50: 0.5, 100: 0.49, 200: 0.2, 400: 0.19, 800: 0.05, 1600: 0.048}
    jagged = [
        Point(samples=n, accuracy=1 - e - 0.001 * s, seed=s)
        for n, e in steps.items()
        for s in range(3)
    ]
    assert any("misses the points" in w for w in lc.fit(jagged, n_draws=20).warnings)
    assert not any("misses" in w for w in lc.fit(points(0.02), n_draws=20).warnings)


def test_a_perfect_score_is_no_certainty() -> None:
    """No error at all on the test set: the standard error is not 0."""
    perfect = [
        *points(sizes=SIZES[:4]),
        Point(samples=800, accuracy=1.0),
        Point(samples=1600, accuracy=1.0),
    ]
    assert all(s.sd > 0 for s in lc.fit(perfect, n_draws=20, n_test=400).sizes)


def test_other_families_fit_and_answer() -> None:
    for family in ("logarithm", "arctan"):
        fit = lc.fit(points(), family=family, n_draws=20)  # type: ignore[arg-type]
        at = lc.samples_for(fit, 0.8, 20, np.random.default_rng(0)).point
        assert at is not None and fit.error_at(at) == pytest.approx(0.2)


def written(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "learn.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def shortcuts(*names: str) -> dict[str, object]:
    point = {"samples": 100, "seed": 1, "accuracy": 0.8, "train_s": 2.5, "energy_j": None}
    curves = [{"shortcut": n, "points": [point], "fit": {"family": "power"}} for n in names]
    return {"schema": "hwbench.shortcuts/1", "plan": {}, "rows": [], "curves": curves}


def test_both_kinds_of_file_are_read(tmp_path: Path) -> None:
    plain = {"points": [{"samples": 10, "accuracy": 0.5}], "classes": 10}
    curve = read(written(tmp_path, plain))
    assert (curve.points, curve.classes) == ((Point(samples=10, accuracy=0.5),), 10)
    path = written(tmp_path, shortcuts("scratch", "probe"))
    assert read(path, "probe").shortcut == "probe"
    assert read(path, "probe").points[0].train_s == 2.5
    assert read(written(tmp_path, shortcuts("scratch"))).shortcut == "scratch"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"points": [{"samples": 10, "accuracy": 95}]},
            r"points\[0\]\.accuracy must be at least 0",
        ),
        ({"points": [{"samples": 0, "accuracy": 0.9}]}, r"points\[0\]\.samples must be at least 1"),
        ({"points": [{"accuracy": 0.9}]}, r"points\[0\]\.samples is missing"),
        ({"rows": []}, "holds no learning curve"),
        ([], "holds no learning curve"),
        (shortcuts(), "curves is empty"),
        (shortcuts("scratch", "probe"), "scratch, probe: say which with --shortcut"),
        ({"schema": "hwbench.record/1", "curves": []}, "schema must be hwbench.shortcuts/1"),
        ({"schema": "hwbench.shortcuts/2", "curves": []}, "newer"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, value: object, message: str) -> None:
    path = written(tmp_path, value)
    with pytest.raises(BadInput, match=message) as e:
        read(path)
    assert str(path) in str(e.value)


def test_a_curve_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean probe"):
        read(written(tmp_path, shortcuts("scratch", "probe")), "prob")
    with pytest.raises(BadInput, match="no such file"):
        read(tmp_path / "none.json")
