"""The points of a learning curve, from the JSON of `hwbench shortcuts --learn` or a plain file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench import codec, store
from hwbench.bounds import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from hwbench.errors import BadInput, UnknownName

SCHEMA = "hwbench.shortcuts/1"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One training: the share of the test set that it got right, and what it took if known."""

    samples: PositiveInt
    accuracy: Fraction
    seed: NonNegativeInt = 0
    train_s: PositiveFloat | None = None
    energy_j: NonNegativeFloat | None = None
    epochs: PositiveFloat | None = None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The points of one way of training; `n_test` examples tested it, of `classes` classes."""

    points: tuple[Point, ...]
    shortcut: str | None = None
    classes: PositiveInt | None = None
    n_test: PositiveInt | None = None


@dataclass(frozen=True, kw_only=True)
class _File:
    curves: tuple[Curve, ...]


def read(path: Path, shortcut: str | None = None) -> Curve:
    """Read one curve of `hwbench shortcuts --learn`'s JSON, or a plain {"points": [...]}.

    Raises BadInput naming the file and the field that is wrong, or the curves to choose from.
    """
    value = store.read_json(path)
    if not isinstance(value, dict) or not ("curves" in value or "points" in value):
        raise BadInput(
            f"{path}: holds no learning curve: it needs curves (of hwbench shortcuts --learn)"
            " or points, each with samples and accuracy"
        )
    if "points" in value:
        return codec.decode(Curve, value, where=str(path))
    store.check_schema(value, SCHEMA, path)
    return _chosen(codec.decode(_File, value, where=str(path)).curves, shortcut, path)


def _chosen(curves: Sequence[Curve], shortcut: str | None, path: Path) -> Curve:
    named = {c.shortcut or "unnamed": c for c in curves}
    if not named:
        raise BadInput(f"{path}: curves is empty: make it with hwbench shortcuts --learn")
    if shortcut is None and len(named) > 1:
        raise BadInput(f"{path}: holds the curves {', '.join(named)}: say which with --shortcut")
    name = shortcut or next(iter(named))
    if name not in named:
        raise UnknownName(f"curve of {path}", name, named)
    return named[name]
