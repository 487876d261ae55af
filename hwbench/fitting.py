"""A batch that does not fit: which is the largest that does?

Memory grows about linearly with the batch, M(B) = M0 + m1 B (docs/methodology.md), so two small
trials say where to look, and the answer is tried before it is told.
"""

from collections.abc import Callable
from dataclasses import dataclass

MARGIN_FRAC = 0.9  # of the batch that the line through the small trials allows
SMALL = (1, 16)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One iteration at some batch size: whether it worked, and the memory at its peak."""

    fits: bool
    peak_bytes: int | None = None
    reason: str | None = None


def explained(
    asked: int, reason: str, attempt: Callable[[int], Trial], limit_bytes: int | None
) -> str:
    """Return the reason why `asked` does not fit with the largest batch size that did.

    `attempt(batch_size)` runs one iteration in a fresh process that has `limit_bytes`.
    """
    trials: dict[int, Trial] = {}

    def works(size: int) -> bool:
        trials[size] = attempt(size)
        return trials[size].fits

    for size in SMALL:
        if size < asked and not works(size):
            break
    if sum(t.fits for t in trials.values()) == len(SMALL):
        size = _guess(asked, trials, limit_bytes)
        while size > max(SMALL) and not works(size):
            size //= 2
    return f"batch {asked} does not fit: {reason}" + _told(trials)


def _told(trials: dict[int, Trial]) -> str:
    """Return the outcome of the trials, with why the smallest that failed did."""
    fits = [size for size, t in trials.items() if t.fits]
    fails = {size: t.reason for size, t in trials.items() if not t.fits}
    told = ""
    if fits:
        told = f"; the largest that did: {max(fits)} (tried {', '.join(map(str, trials))})"
    elif trials:
        told = "; no smaller one did either"
    return told + (f"; {min(fails)} did not: {fails[min(fails)]}" if fails else "")


def _guess(asked: int, fitted: dict[int, Trial], limit_bytes: int | None) -> int:
    """Return the batch size at which the line through the small trials reaches the limit."""
    (b1, first), (b2, second) = sorted(fitted.items())
    half = asked // 2
    if limit_bytes is None or first.peak_bytes is None or second.peak_bytes is None:
        return half
    slope = (second.peak_bytes - first.peak_bytes) / (b2 - b1)
    if slope <= 0:
        return half
    return min(asked - 1, max(b2 + 1, int(MARGIN_FRAC * (limit_bytes - first.peak_bytes) / slope)))
