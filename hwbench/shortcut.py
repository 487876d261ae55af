"""The contract of a shortcut: a cheaper way to the same goal than training from scratch.

A plug-in is one file in `hwbench/shortcuts/` that exports `SHORTCUT = Shortcut(...)`. What it saves
here is by theory: the floating-point operations of its step against those of a whole one, 1 : 2 for
the forward and the backward pass. What it saves in truth is less, and is for measuring.
"""

from dataclasses import dataclass

from hwbench.montecarlo import Factor


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A step's time by that of training from scratch: a point, and a range that holds it."""

    point: float
    low: float
    high: float

    def __post_init__(self) -> None:
        """Refuse what holds no point."""
        if not 0 < self.low <= self.point <= self.high:
            raise ValueError(
                f"a step's ratio of {self.point:g} is not in {self.low:g}..{self.high:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """The epochs that are usual, and where that is from."""

    usual: float
    low: float
    high: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """A way to train. `forward_passes_once` over the data come before the first epoch."""

    name: str
    summary: str
    step_ratio: Ratio
    theory: str  # where the ratio is from
    epochs: Epochs | None  # None: what the user plans
    forward_passes_once: float = 0.0
    loads_data: bool = True  # False: the epochs read what those passes have made

    @property
    def factors(self) -> tuple[Factor, ...]:
        """Return the spread of the step's ratio; none for what is measured."""
        r = self.step_ratio
        if r.low == r.high:
            return ()
        name = f"what {self.name} saves, by theory"
        return (Factor.of_interval(name, r.point, r.low, r.high, 0.9),)
