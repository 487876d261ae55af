"""The search of `--batch-size auto`: up while it pays, on to what fits, down where it does not.

Powers of two until two doublings in a row bring no more throughput; then the largest that the line
of memory allows, M(B) = M0 + m1 B, and down by halves of the gap where that fails. Every try is a
process of its own, since one that ran out of memory leaves nothing to go on with.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hwbench.batch import BatchChoice, BatchTry, Ended

GROWN_BYTES = 32 << 20  # between two tries: less may be the process's own, and makes no line
MOST = 65_536  # more is a mistake of the network's memory, not a batch
EQUAL_FRAC, NOISE_FRAC = 0.01, 0.05  # equal throughput: within 1 %, or the tries' errors up to 5 %
FLAT = 2  # doublings without a gain that end the way up
GAP_FRAC = 1 / 16  # of the largest that fits: how near the first that does not must be


@dataclass(kw_only=True)
class _Search:
    attempt: Callable[[int], BatchTry]
    clock: Callable[[], float]
    budget_s: float
    cap_bytes: int | None
    tried: dict[int, BatchTry] = field(default_factory=dict)
    took_s: dict[int, float] = field(default_factory=dict)
    began: float = 0.0

    def run(self) -> Ended:
        """Try batch sizes; return what kept it from going higher."""
        self.began = self.clock()
        ended = self._up()
        self._back()
        return ended

    def _up(self) -> Ended:
        """Double while it pays and the line of memory allows it, then go on to the limit."""
        size, flat = 1, 0
        while True:
            if not self._fits(size):
                return self._down(size)
            flat = flat + 1 if self._flat(size) else 0
            if flat >= FLAT or 2 * size > (self.predicted() or MOST):
                return self._onwards()
            if not self._time_for(2 * size):
                return "time"
            size *= 2

    def _back(self) -> None:
        """Where the largest is the fastest, halve it for as long as a smaller one is as fast."""
        while fitting := sorted((t for t in self.tried.values() if t.fits), key=_size):
            best = max(fitting, key=lambda t: t.items_per_s)
            equal = next(t for t in fitting if _equal(t, best)).batch_size
            below = max((t.batch_size for t in fitting if t.batch_size < equal), default=0)
            size = equal // 2
            if size <= below or not self._time_for(size) or not self._fits(size):
                return

    def _fits(self, size: int) -> bool:
        start = self.clock()
        self.tried[size] = self.attempt(size)
        self.took_s[size] = self.clock() - start
        return self.tried[size].fits

    def _flat(self, size: int) -> bool:
        """Return whether this try is no faster an item than the best before it."""
        before = [t for b, t in self.tried.items() if b < size]
        if not before:
            return False
        best = max(before, key=lambda t: t.items_per_s)
        here = self.tried[size]
        return here.items_per_s < best.items_per_s * (1 + tolerance(here, best))

    def _time_for(self, size: int) -> bool:
        """Return whether a try would end in time, by a line through the last two that fitted."""
        fitted = sorted(b for b, t in self.tried.items() if t.fits)
        last = fitted[-1]
        slope = self.took_s[last] / last
        if len(fitted) > 1:
            before = fitted[-2]
            slope = max(0.0, (self.took_s[last] - self.took_s[before]) / (last - before))
        expected_s = self.took_s[last] + slope * max(0, size - last)
        return self.clock() - self.began + expected_s <= self.budget_s

    def _onwards(self) -> Ended:
        """Go to the largest that memory allows, in one step where its line is known."""
        while True:
            last = self._largest()
            size = min(MOST, self.predicted() or 2 * last)
            if size <= last * (1 + GAP_FRAC):
                return "most" if last >= MOST else "memory"
            if not self._time_for(size):
                return "time"
            if not self._fits(size):
                return self._down(size)

    def _down(self, failed: int) -> Ended:
        """Halve the gap between the largest that fits and the smallest that does not."""
        while failed > 1 and (last := self._largest()) > 0:
            if failed - last <= max(1.0, GAP_FRAC * last):
                break
            size = (last + failed) // 2
            if not self._time_for(size):
                return "time"
            if not self._fits(size):
                failed = size
        return "memory"

    def _largest(self) -> int:
        return max((b for b, t in self.tried.items() if t.fits), default=0)

    def predicted(self) -> int | None:
        """Return the largest batch by the line through the peaks of the two largest that fit."""
        known = sorted((b, t.peak_bytes) for b, t in self.tried.items() if t.fits and t.peak_bytes)
        if len(known) < 2 or self.cap_bytes is None:
            return None
        (b1, m1), (b2, m2) = known[-2:]
        if m2 - m1 < GROWN_BYTES:
            return None
        return max(b2, int(b2 + (self.cap_bytes - m2) * (b2 - b1) / (m2 - m1)))


def search(
    attempt: Callable[[int], BatchTry],
    clock: Callable[[], float],
    budget_s: float,
    cap_bytes: int | None,
) -> BatchChoice:
    """Return the batch to use, and the largest that fits.

    `attempt(batch_size)` makes a short visit in a fresh process; `cap_bytes` is the memory that it
    may use, None where that is unknown. An error of `attempt` is the caller's.
    """
    looking = _Search(attempt=attempt, clock=clock, budget_s=budget_s, cap_bytes=cap_bytes)
    return _choice(looking, looking.run())


def tolerance(one: BatchTry, other: BatchTry) -> float:
    """Return by how much two throughputs must differ to be different."""
    errors = math.hypot(one.error_frac or 0.0, other.error_frac or 0.0)
    return min(NOISE_FRAC, max(EQUAL_FRAC, errors))


def _equal(one: BatchTry, best: BatchTry) -> bool:
    return one.items_per_s >= best.items_per_s * (1 - tolerance(one, best))


def _size(one: BatchTry) -> int:
    return one.batch_size


def _choice(looking: _Search, ended: Ended) -> BatchChoice:
    tries = tuple(looking.tried[b] for b in sorted(looking.tried))
    fitting = [t for t in tries if t.fits]
    if not fitting:
        return BatchChoice(
            requested="auto",
            used=1,
            largest=None,
            largest_predicted=None,
            ended=ended,
            tolerance_frac=0.0,
            message=f"not even batch 1 runs: {tries[0].reason}",
            tried=tries,
        )
    timed = [t for t in fitting if t.wall_s is not None]
    best = max(timed, key=lambda t: t.items_per_s)
    used = next(t for t in timed if _equal(t, best))
    largest = fitting[-1].batch_size
    predicted = looking.predicted() if ended == "time" else None
    return BatchChoice(
        requested="auto",
        used=used.batch_size,
        largest=largest,
        largest_predicted=predicted,
        ended=ended,
        tolerance_frac=tolerance(used, best),
        message=_told(tries, used, best, predicted, ended),
        tried=tries,
    )


def _told(
    tries: Sequence[BatchTry], used: BatchTry, best: BatchTry, predicted: int | None, ended: Ended
) -> str:
    """Return the outcome in words."""
    largest = max(t.batch_size for t in tries if t.fits)
    if ended == "time" and used.batch_size == largest:
        allowed = f"; memory would allow about {predicted}" if predicted else ""
        return (
            f"batch {largest}, the largest that there was time to try: more may be faster{allowed}"
        )
    text = f"batch {used.batch_size} has the best throughput"
    if used is not best:
        near = tolerance(used, best)
        text = f"batch {used.batch_size} is the smallest within {near:.0%} of the best throughput"
    if ended == "memory":
        failed = next((t for t in tries if not t.fits), None)
        why = f" ({failed.batch_size}: {failed.reason})" if failed else ""
        return f"{text}; the largest that fits: {largest}{why}"
    if ended == "most":
        return f"{text}; {largest} fits too, more was not tried"
    text += f"; {largest} is the largest that there was time to try"
    return text + (f", memory would allow about {predicted}" if predicted else "")
