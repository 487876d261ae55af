"""The pace of a training loop that somebody else runs, and what is left of it.

Every step is timed, at the cost of reading a clock. Steps are kept in blocks of equal length, which
double as there come to be many. A step that takes many times as long as others had something
beside it in it - an evaluation, a checkpoint, a new epoch's loader - and is kept apart: such things
come again. What the machine does in the next minutes is told by how the blocks differ.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hwbench import stats
from hwbench.validations_floor import Floor

LEVEL = 0.90
BLOCKS = 64  # at most; then two and two become one
BLOCK_S = 0.5  # the first length of one
LEAST_BLOCKS = 6  # before anything is foretold
ASIDE_TIMES, ASIDE_S = 8.0, 0.2  # a step that is both longer than this had something beside it
ASIDE_LOG = 0.3  # half of the interval of what came once: assumed
EARLY_FRAC, EARLY_S = 0.10, 60.0  # of a run; what is told before is wider
MOST_CORRELATION = 0.8


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some steps in a row, and the seconds that they took."""

    steps: int
    wall_s: float


@dataclass(frozen=True, kw_only=True)
class Left:
    """What is left of a run, foretold after `step` steps and `gone_s` seconds."""

    step: int
    gone_s: float
    point_s: float
    low_s: float
    high_s: float
    level: float
    step_s: float
    asides: float  # that are still to come
    aside_s: float  # each, in the mean; 0 where none was seen
    sampling_log: float  # the standard error that the blocks and asides tell, in logarithms
    basis: str
    early: bool = False  # told before a tenth, a minute or the first evaluation: wider


def half_log(left: Left) -> float:
    """Return half of the interval of what is left, in logarithms."""
    return math.log(left.high_s / left.low_s) / 2 if left.low_s > 0 else 0.0


class Pace:
    """Times the steps of a loop as they end."""

    def __init__(self, total: int, clock: Callable[[], float], every: int | None = None) -> None:
        """Begin now; `total` steps are to come, and something aside after each `every` of them."""
        self.total, self.every = total, every
        self.blocks: list[Block] = []
        self.asides: list[tuple[int, float]] = []  # (after how many steps, seconds beyond a step)
        self.first_s: float | None = None
        self.steps = 0
        self._clock = clock
        self.began = self._last = clock()
        self._length_s = BLOCK_S
        self._open_steps, self._open_s = 0, 0.0
        self._long_s = math.inf

    @property
    def gone_s(self) -> float:
        """Return the seconds from the beginning to the end of the last step."""
        return self._last - self.began

    def step(self) -> bool:
        """Note that a step has ended; return whether a block has, too."""
        now = self._clock()
        took, self._last = now - self._last, now
        self.steps += 1
        if self.first_s is None:  # compilation, buffers, the loader's start
            self.first_s = took
            return False
        if took > self._long_s:
            usual = self.step_s
            self.asides.append((self.steps - 1, took - usual))
            took = usual
        self._open_steps += 1
        self._open_s += took
        if self._open_s < self._length_s:
            return False
        self._close()
        return True

    def _close(self) -> None:
        self.blocks.append(Block(steps=self._open_steps, wall_s=self._open_s))
        self._open_steps, self._open_s = 0, 0.0
        if len(self.blocks) >= BLOCKS:
            two = zip(self.blocks[::2], self.blocks[1::2], strict=True)
            self.blocks = [
                Block(steps=a.steps + b.steps, wall_s=a.wall_s + b.wall_s) for a, b in two
            ]
            self._length_s *= 2
        usual = stats.median([b.wall_s / b.steps for b in self.blocks])
        self._long_s = max(ASIDE_S, ASIDE_TIMES * usual)

    @property
    def step_s(self) -> float:
        """Return the mean seconds of a step after the first, without what came aside."""
        blocks = self.blocks or [Block(steps=self._open_steps, wall_s=self._open_s)]
        steps = sum(b.steps for b in blocks)
        return sum(b.wall_s for b in blocks) / steps if steps else 0.0

    def left(self, floor: Floor, drift_log: float) -> Left | None:
        """Return what is left, None while too little is known.

        `floor` is what such predictions missed by beyond their blocks' spread, `drift_log` the
        machine's own drift from hour to hour, which widens what is told early.
        """
        ahead = self.total - self.steps
        if len(self.blocks) < LEAST_BLOCKS or ahead < 0:
            return None
        per_step = self.step_s
        n, each, stray_s = self._to_come()
        stepping = ahead * (per_step + stray_s)
        point = stepping + n * each
        half = spread(self.blocks, stepping)
        own = math.sqrt((stepping * half) ** 2 + (n * each * self._aside_log()) ** 2)
        parts = [own / point if point else 0.0, stats.normal_quantile(LEVEL) * floor.sd_log]
        early = self.early()
        if early:
            parts.append(stats.normal_quantile(LEVEL) * drift_log)
        whole = math.hypot(*parts)
        basis = f"{len(self.blocks)} blocks of {self._length_s:g} s; {floor.basis}"
        # What came once, of nobody knows what period, may not come again: the low end is without.
        lone = n > 0 and not self.every and len(self.asides) == 1
        least = stepping if lone else point
        if lone:
            basis += f"; one pause of {each:.2g} s was seen: whether it comes again is not known"
        if early:
            basis += f"; {early}: widened by the machine's drift of {drift_log:.1%}"
        return Left(
            step=self.steps,
            gone_s=self.gone_s,
            point_s=point,
            low_s=least * math.exp(-whole),
            high_s=point * math.exp(whole),
            level=LEVEL,
            step_s=per_step,
            asides=n,
            aside_s=each,
            sampling_log=parts[0] / stats.normal_quantile(LEVEL),
            basis=basis,
            early=early is not None,
        )

    def early(self) -> str | None:
        """Return why it is early to tell, None where it is not."""
        if self.steps < EARLY_FRAC * self.total or self.gone_s < EARLY_S:
            return "early"
        if self.every and self.steps <= self.every:
            return "before the first evaluation"
        return None

    def _to_come(self) -> tuple[float, float, float]:
        """Return (asides still to come, their mean seconds, seconds a step of those astray).

        Where it is known after how many steps they come, the others are astray: of no period.
        """
        seen = [s for at, s in self.asides if not self.every or at % self.every == 0]
        astray = sum(s for _, s in self.asides) - sum(seen)
        each = sum(seen) / len(seen) if seen else 0.0
        stray_s = astray / self.steps if self.steps else 0.0
        if self.every:
            past = len(seen) or self.steps // self.every
            return max(0.0, float(self.total // self.every - past)), each, stray_s
        if not seen:
            return 0.0, 0.0, 0.0
        first, last = self.asides[0][0], self.asides[-1][0]
        apart = (last - first) / (len(seen) - 1) if len(seen) > 1 else first
        return (float(int((self.total - last) / apart)) if apart > 0 else 0.0), each, 0.0

    def _aside_log(self) -> float:
        """Return half of the interval of the asides' mean, in logarithms."""
        if len(self.asides) < 3:
            return ASIDE_LOG
        logs = stats.logarithms([s for _, s in self.asides])
        k = len(logs)
        return stats.student_t(LEVEL, k - 1) * stats.standard_deviation(logs) / math.sqrt(k)


def spread(blocks: Sequence[Block], stepping_s: float) -> float:
    """Return half of the interval of a later stretch's mean, in logarithms.

    t sd sqrt(f (1/k + 1/m)) of k blocks behind and m as long ahead; f = (1 + r) / (1 - r) counts
    correlated blocks as fewer (Bartlett 1946), r the correlation of neighbours.
    """
    logs = stats.logarithms([b.wall_s / b.steps for b in blocks])
    k = len(logs)
    centre = sum(logs) / k
    squares = sum((x - centre) ** 2 for x in logs)
    near = sum((a - centre) * (b - centre) for a, b in itertools.pairwise(logs))
    r = near / squares if squares > 0 else 0.0
    r = min(MOST_CORRELATION, max(0.0, r + (1 + 4 * r) / k))  # its bias in so short a series
    inflation = (1 + r) / (1 - r)
    length_s = sum(b.wall_s for b in blocks) / k
    m = max(1.0, stepping_s / length_s)
    freedom = max(1, int(k / inflation) - 1)
    error = stats.standard_deviation(logs) * math.sqrt(inflation * (1 / k + 1 / m))
    return stats.student_t(LEVEL, freedom) * error
