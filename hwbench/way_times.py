"""Draws of the time of a plan on a machine: its parts, over sizes of the dataset.

The first axis of every array counts the draws, the last the sizes (docs/methodology.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hwbench.checkpointing import Luck, luck_of
from hwbench.estimated import Plan
from hwbench.montecarlo import Factor, draws
from hwbench.plan_counts import Counts
from hwbench.shortcut import Shortcut
from hwbench.values import Values
from hwbench.ways import LoaderTerm, Ways

RAM_FRAC = 0.7  # of the memory that a dataset may fill and still be read from the disk only once


class Drawn:
    """The draws of all factors, by name: rows that share a factor err together."""

    def __init__(self, n: int, seed: int) -> None:
        """Take the number of draws and the seed."""
        self.n, self.seed = n, seed
        self._known: dict[str, Values] = {}
        self._orders: dict[str, Values] = {}
        self._multipliers: dict[Factor, Values] = {}
        self._luck: Luck | None = None

    def normal(self, name: str) -> Values:
        """Return the standard normal draws of a factor."""
        if name not in self._known:
            self._known |= draws(self.n, [name], self.seed)
        return self._known[name]

    def luck(self) -> Luck:
        """Return the luck of interruptions, which all rows share."""
        import numpy as np

        if self._luck is None:
            self._luck = luck_of(self.n, np.random.default_rng(self.seed))
        return self._luck

    def order(self, name: str) -> Values:
        """Return the order of a factor's draws."""
        import numpy as np

        if name not in self._orders:
            self._orders[name] = np.argsort(self.normal(name), kind="stable")
        return self._orders[name]

    def orders(self, names: Iterable[str]) -> Values:
        """Return the orders of several factors' draws, a row each."""
        import numpy as np

        return np.stack([self.order(name) for name in names])

    def product(self, factors: Iterable[Factor]) -> Values:
        """Return the product of factors, one number a draw, as a column."""
        import numpy as np

        total = None
        for f in factors:
            if f.below_log or f.above_log:
                one = self._multiplier(f)
                total = one if total is None else total * one
        return np.ones((self.n, 1)) if total is None else total

    def _multiplier(self, factor: Factor) -> Values:
        """Return a factor's draws as a column; most are of many rows."""
        if factor not in self._multipliers:
            self._multipliers[factor] = factor.multiplier(self.normal(factor.name))[:, None]
        return self._multipliers[factor]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The time of a run without interruptions, in parts that add up."""

    setup: Values
    compile: Values
    steps: Values
    loader: Values
    cold: Values
    evaluation: Values
    checkpoint: Values
    one_off: Values
    checkpoint_s: Values  # of one

    @property
    def total(self) -> Values:
        """Return the sum."""
        busy = self.steps + self.loader + self.evaluation + self.one_off
        return self.setup + self.compile + self.cold + self.checkpoint + busy

    @property
    def busy(self) -> Values:
        """Return the time in which the device computes."""
        return self.steps + self.evaluation + self.one_off


def parts(way: Ways, n: Counts, shortcut: Shortcut, plan: Plan, drawn: Drawn) -> Parts:
    """Return the parts of the time on `way`, for the counts `n`.

    What is run over without learning takes the loader as well, and is in the evaluation whole.
    """
    import numpy as np

    batch = way.batch_size * max(1, len(way.devices))
    spread = drawn.product((*way.step_factors, way.floor))
    load = _load(way.loader, batch, drawn)
    step = way.step_s * spread * shortcut.step_ratio.point * drawn.product(shortcut.factors)
    forward = _overlapped(way.evaluation_item_s * way.batch_size * spread, load, way.loader)
    learnt, seen = step, n.evaluated / batch * (forward if shortcut.loads_data else step)
    if shortcut.loads_data:
        learnt = _overlapped(step, load, way.loader)
    once = n.samples * shortcut.forward_passes_once / batch
    if not shortcut.loads_data:  # nor do the items held out go through the network again
        once = once + n.evaluated / n.checkpoints / batch
    io = drawn.product(way.io_factors)
    start = drawn.product(way.start_factors)
    one_checkpoint = way.checkpoint_bytes / way.write_bytes_per_s * io
    steps, one_off = step * n.steps, forward * once
    timed = shortcut.measured
    if timed is not None and timed.once_item_s is not None and not timed.carried:
        passed = _overlapped(timed.once_item_s * batch * spread, load, way.loader)
        one_off = passed * (once * shortcut.once_epochs / (shortcut.forward_passes_once or 1.0))
    return Parts(
        setup=way.setup_s * start,
        compile=way.compile_s * start,
        steps=steps,
        loader=(learnt - step) * n.steps,
        cold=_cold(way, n, plan, io, steps if shortcut.loads_data else None, one_off),
        evaluation=seen,
        checkpoint=one_checkpoint * n.checkpoints,
        one_off=one_off + np.zeros_like(steps),
        checkpoint_s=one_checkpoint,
    )


def _load(loader: LoaderTerm | None, items: int, drawn: Drawn) -> Values | None:
    """Return the draws of the loader's spread times the items of a batch."""
    return None if loader is None else drawn.product(loader.factors) * items


def _overlapped(compute: Values, load: Values | None, loader: LoaderTerm | None) -> Values:
    """Return the time of a batch's computing and loading, as the two overlap."""
    import numpy as np

    if loader is None or load is None:
        return compute
    if loader.overlap == "serial":
        return compute + loader.item_s * load
    whole = np.maximum(compute, loader.item_s * load)
    if loader.overlap == "shared":  # both have the same cores: no less than their core-seconds
        core_s = compute * loader.step_cores + loader.item_cpu_s * load
        whole = np.maximum(whole, core_s / loader.cores)
    return whole


def _cold(
    way: Ways, n: Counts, plan: Plan, io: Values, steps: Values | None, one_off: Values
) -> Values:
    """Return the time of reading from the disk that nothing hides.

    Once where the data fit in 0.7 of the memory, else in every epoch; data that are kept in memory
    once, before the first step. A loader beside the step reads ahead; one in the step's own time
    does not. `steps` is None where the epochs do not read the data but what `one_off` made of them.
    """
    import numpy as np

    if plan.item_bytes is None or way.read_bytes_per_s is None:
        return np.zeros_like(io * n.samples)
    total = n.samples * plan.item_bytes
    reading = total / way.read_bytes_per_s * io
    if plan.residence == "memory":
        return reading
    if steps is None:
        times, hidden = 1.0 + 0 * n.epochs, one_off
    else:
        fits = way.memory_bytes is None or total < RAM_FRAC * way.memory_bytes
        times = np.where(fits, np.minimum(1.0, n.epochs), n.epochs)
        hidden = steps * np.minimum(1.0, times / n.epochs)
    if way.loader is not None and way.loader.overlap == "serial":
        return reading * times
    return np.maximum(0.0, reading * times - hidden)
