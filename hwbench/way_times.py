"""Draws of the time of a plan on a machine: its parts, over sizes of the dataset.

The first axis of every array counts the draws, the last the sizes (docs/methodology.md).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hwbench.checkpointing import Luck, luck_of
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

    def product(self, factors: Iterable[Factor]) -> Values:
        """Return the product of factors, one number a draw, as a column."""
        import numpy as np

        total = np.ones(self.n)
        for f in factors:
            if f.below_log or f.above_log:
                total = total * f.multiplier(self.normal(f.name))
        return total[:, None]


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


def parts(
    way: Ways, n: Counts, shortcut: Shortcut, item_bytes: float | None, drawn: Drawn
) -> Parts:
    """Return the parts of the time on `way`, for the counts `n`."""
    import numpy as np

    devices = max(1, len(way.devices))
    step = way.step_s * drawn.product(way.step_factors)
    forward = (way.evaluation_item_s or 0.0) * drawn.product(way.step_factors) / devices
    step = step * shortcut.step_ratio.point * drawn.product(shortcut.factors)
    whole = _with_loader(step, way.loader, way.batch_size * devices, drawn)
    io = drawn.product(way.io_factors)
    start = drawn.product(way.start_factors)
    one_checkpoint = way.checkpoint_bytes / way.write_bytes_per_s * io
    steps = step * n.steps
    return Parts(
        setup=way.setup_s * start,
        compile=way.compile_s * start,
        steps=steps,
        loader=(whole - step) * n.steps,
        cold=_cold(way, n, steps, item_bytes, io),
        evaluation=forward * n.evaluated,
        checkpoint=one_checkpoint * n.checkpoints,
        one_off=forward * n.samples * shortcut.forward_passes_once + np.zeros_like(steps),
        checkpoint_s=one_checkpoint,
    )


def _with_loader(step: Values, loader: LoaderTerm | None, items: int, drawn: Drawn) -> Values:
    """Return the time of a step and its batch's loading, as the two overlap."""
    import numpy as np

    if loader is None:
        return step
    spread = drawn.product(loader.factors)
    load = loader.item_s * items * spread
    if loader.overlap == "serial":
        return step + load
    whole = np.maximum(step, load)
    if loader.overlap == "shared":  # both have the same cores: no less than their core-seconds
        core_s = step * loader.step_cores + loader.item_cpu_s * items * spread
        whole = np.maximum(whole, core_s / loader.cores)
    return whole


def _cold(way: Ways, n: Counts, steps: Values, item_bytes: float | None, io: Values) -> Values:
    """Return the time of reading from the disk that no step hides.

    Once where the data fit in 0.7 of the memory, else in every epoch. A loader beside the step
    reads ahead; one in the step's own time does not.
    """
    import numpy as np

    if item_bytes is None or way.read_bytes_per_s is None:
        return np.zeros_like(steps)
    total = n.samples * item_bytes
    fits = way.memory_bytes is None or total < RAM_FRAC * way.memory_bytes
    times = np.where(fits, np.minimum(1.0, n.epochs), n.epochs)
    reading = total / way.read_bytes_per_s * times * io
    if way.loader is not None and way.loader.overlap == "serial":
        return reading
    hidden = steps * np.minimum(1.0, times / n.epochs)
    return np.maximum(0.0, reading - hidden)
