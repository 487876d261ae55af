"""Learning curves of trainings: the ensemble, the back-test, what a target takes, the figure."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwbench import (
    chart_text,
    codec,
    curve_ensemble,
    curve_file,
    curves_study,
    plot,
    shortcuts_file,
)
from hwbench.curve_file import Point
from hwbench.errors import BadInput
from hwbench.learned import LearnedCurve, LearnedPoint
from tests.estimates import loader_known, machine
from tests.test_shortcuts_study import by, compared, of_steps

__all__ = ["machine"]  # a fixture

SIZES = (50, 100, 200, 400, 800)


def power(n: float, a: float = 2.0, b: float = 0.5, c: float = 0.02) -> float:
    return float(c + a * n**-b)


def points(form: Any = power, noise: float = 0.0, seeds: int = 3) -> list[LearnedPoint]:
    rng = np.random.default_rng(0)
    return [
        LearnedPoint(
            samples=n,
            seed=s,
            accuracy=float(np.clip(1 - form(n) * np.exp(noise * rng.standard_normal()), 0, 1)),
            train_accuracy=1.0,
            train_s=0.01 * n,
            epochs=10,
            steps=n,
        )
        for n in SIZES
        for s in range(seeds)
    ]


def learnt(found: list[LearnedPoint], **changes: Any) -> LearnedCurve:
    usual: dict[str, Any] = {"classes": 5, "n_test": 300, "target": 0.9}
    return curves_study.curve("lora", found, **(usual | changes))


def test_the_samples_of_a_target_are_the_inverse_of_the_curve() -> None:
    curve = learnt(points(noise=0.03))
    wanted = (2.0 / (0.1 - 0.02)) ** 2  # (a / (e - c))^(1 / b)
    told = curve.to_target
    assert told is not None and told.samples.low < wanted < told.samples.high
    assert told.samples.point == pytest.approx(wanted, rel=0.25) and told.within_data
    assert told.time_s.point == pytest.approx(0.01 * told.samples.point, rel=0.1)
    assert told.energy_j is None and "no meter" in told.reasons["energy_j"]
    assert told.cost_usd is None and "--usd-per-h" in told.reasons["cost_usd"]


def test_what_is_paid_once_is_in_the_time_and_the_money() -> None:
    plain, more = (learnt(points(noise=0.03), one_off_s=s, usd_per_h=3.6) for s in (0.0, 100.0))
    a, b = plain.to_target, more.to_target
    assert a is not None and b is not None and a.cost_usd and b.cost_usd
    assert b.time_s.point - a.time_s.point == pytest.approx(100, rel=0.05)
    assert b.cost_usd.point == pytest.approx(b.time_s.point * 0.001, rel=1e-6)


def test_a_floor_above_the_target_is_not_reached() -> None:
    curve = learnt(points(lambda n: power(n, c=0.2), noise=0.02), target=0.95)
    assert curve.to_target is None
    assert curve.no_target is not None and "not reached within the data" in curve.no_target


def test_the_family_that_told_the_largest_size_weighs_most() -> None:
    found = [Point(samples=p.samples, accuracy=p.accuracy, seed=p.seed) for p in points(noise=0.01)]
    ensemble = curve_ensemble.fitted(found, 5, 3000)
    assert sum(ensemble.weights) == pytest.approx(1)
    named = dict(zip([f.family for f in ensemble.fits], ensemble.weights, strict=True))
    assert ensemble.best.family != "logarithm" and named["logarithm"] < 0.2
    told = ensemble.backtest
    assert told is not None and told.samples == 800
    assert told.inside == (told.predicted.low <= told.actual <= told.predicted.high)
    assert told.inside and told.actual == pytest.approx(power(800), rel=0.05)


def test_a_largest_size_that_breaks_with_the_rest_is_outside() -> None:
    def broken(n: float) -> float:
        return power(n) if n < 800 else 2.2 * power(800)

    found = [
        Point(samples=p.samples, accuracy=p.accuracy, seed=p.seed)
        for p in points(broken, noise=0.01)
    ]
    told = curve_ensemble.fitted(found, 5, 3000).backtest
    assert told is not None and not told.inside


def test_too_few_sizes_say_so_and_the_points_stay() -> None:
    curve = learnt([p for p in points() if p.samples <= 200])
    assert curve.fit is None and curve.no_fit is not None and "4 sizes" in curve.no_fit
    assert len(curve.points) == 9 and curve.to_target is None


@pytest.mark.parametrize(
    ("target", "said"),
    [(1.0, "no error at all"), (0.2, "guessing among 5 classes gets 0.2"), (0.1, "guessing")],
)
def test_a_target_that_is_none_is_refused(target: float, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        curves_study.check_target(target, 5)


@pytest.mark.usefixtures("machine")
def test_the_file_is_read_by_estimate_and_drawn(tmp_path: Path) -> None:
    loader_known(1e-9)
    from dataclasses import replace

    file = compared(of_steps(by("lora", 0.05)), "lora")
    scratch = curves_study.curve(
        "from_scratch", points(lambda n: power(n, a=4)), classes=5, n_test=300, target=0.9
    )
    file = replace(file, curves=(learnt(points(noise=0.05)), scratch))
    path = tmp_path / "learn.json"
    shortcuts_file.save(file, path)
    assert shortcuts_file.load(path) == codec.decode(
        type(file), json.loads(path.read_text()), where="x"
    )
    read = curve_file.read(path, "lora")
    assert read.classes == 5 and len(read.points) == 15
    written = plot.keep("learning", [path], tmp_path / "f.svg", tmp_path / "f.csv", chart_text.say)
    assert [p.name for p in written] == ["f.csv", "f.svg"]
    lines = (tmp_path / "f.csv").read_text().splitlines()
    assert lines[0].startswith("shortcut,samples,seed,accuracy")
    trained = [line for line in lines if line.endswith(",trained")]
    assert len(trained) == 30
    svg = (tmp_path / "f.svg").read_text()
    assert "from_scratch" in svg and "lora" in svg and "target: 0.9 right" in svg


@pytest.mark.usefixtures("machine")
def test_a_file_without_curves_says_how_they_are_made(tmp_path: Path) -> None:
    loader_known(1e-9)
    path = tmp_path / "x.json"
    shortcuts_file.save(compared(of_steps(by("lora", 0.05)), "lora"), path)
    with pytest.raises(BadInput, match="no learning curve: make it with"):
        plot.charts("learning", [path])
