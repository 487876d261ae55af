"""The contract of a hardening: a training that withstands something, and what its step costs.

A plug-in is one file in `hwbench/hardenings/` that exports `HARDENING = Hardening(...)`. Against
manipulated inputs (`--adversarial`) or against telling of its data (`--private`): the price of a
step, not of equal accuracy.
"""

from __future__ import annotations  # the contract's types are only read, so lists start at once

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from hwbench.errors import BadInput
from hwbench.shortcut import Ratio

if TYPE_CHECKING:
    from hwbench.stepping import Ground, Stepper
    from hwbench.workload import Config, Workload

MOST = 1000  # of what is counted: ascents, replays


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """A way to harden a training. `counts` names the number behind its name; "" for none.

    `step_ratio(n)` is its step's time by the plain one's, by theory, `epochs(n)` how many times the
    epochs it takes; `build(ground, n)` makes the step in torch. `supports` is why a network cannot
    be trained so, or None; no framework is imported for it.
    """

    name: str
    kind: Literal["adversarial", "private"]
    summary: str
    counts: str
    least: int
    theory: str
    step_ratio: Callable[[int], Ratio]
    epochs: Callable[[int], float]
    supports: Callable[[Workload, Config], str | None]
    build: Callable[[Ground, int], Stepper]
    caution: str

    @property
    def form(self) -> str:
        """Return how it is asked for: `pgd-K`, `fast`."""
        return f"{self.name}-{self.counts}" if self.counts else self.name

    def count(self, spec: str) -> int:
        """Return the number in a spec such as `pgd-7`; raise BadInput where it does not belong."""
        _, dash, number = spec.partition("-")
        if not self.counts:
            if dash:
                raise BadInput(f"{spec}: {self.name} takes no number: write {self.name}")
            return 1
        if not number.isdecimal() or not self.least <= int(number) <= MOST:
            raise BadInput(
                f"{spec}: write {self.form} with {self.counts} from {self.least} to {MOST}"
            )
        return int(number)


def not_tokens(workload: Workload, config: Config) -> str | None:
    """Return why a network's inputs cannot be moved by a little, or None."""
    if workload.objectives:
        return f"{workload.name} has losses of its own, not the one that an attack raises"
    if "vocab" in config:
        return f"{workload.name} reads token ids, which cannot be moved by a little"
    return None
