"""When a case has been visited enough: precise, or as settled as its noise allows, or out of time.

A case is visited `rounds` times at least; one that is not precise then is visited on, up to
`max_rounds`, unless the spread between its visits says that this would not help.
"""

from collections.abc import Sequence

from hwbench import ratio_tests, repeats, stats
from hwbench.measurement import Measurement, Protocol, Stopped, StopReason, Wall

LEAST_SAMPLES = 10  # of a case, before its interval is believed to be narrow
# Of `run --against`: rounds at least, and at most while the ratio's interval (95 %) is wider.
PAIR_ROUNDS, MOST_PAIR_ROUNDS, PAIR_HALF_LOG, PAIR_LEVEL = 8, 24, 0.015, 0.95


def wanting(wall: Wall, medians: Sequence[float], protocol: Protocol) -> bool:
    """Return whether another visit is wanted after the planned ones."""
    return _decided(wall, medians, protocol) is None and len(medians) < most(protocol)


def wanting_pair(base: Measurement, other: Measurement, protocol: Protocol) -> bool:
    """Return whether another round is wanted of two sides after the planned ones."""
    if base.status != "ok" or other.status != "ok" or base.visits.done >= most(protocol):
        return False
    ln = ratio_tests.of_pair(base, other)
    return ln is None or stats.student_t(PAIR_LEVEL, ln.freedom) * ln.error > PAIR_HALF_LOG


def most(protocol: Protocol) -> int:
    """Return the most visits to a case."""
    return protocol.max_rounds or protocol.rounds


def stopped(wall: Wall, medians: Sequence[float], protocol: Protocol) -> Stopped:
    """Say why no more samples were taken; `medians` are those of the visits, in seconds."""
    decided = None if protocol.against is not None else _decided(wall, medians, protocol)
    if decided is not None:
        return decided
    if protocol.rounds <= len(medians) < most(protocol) and protocol.against is not None:
        message = (
            f"{len(medians)} of at most {most(protocol)} rounds: the ratio of the two sides is"
            " known well enough, or the run's time was up"
        )
        return _stopped("ratio", wall, protocol, message)
    if len(medians) >= most(protocol):
        return _stopped("rounds", wall, protocol, f"all {len(medians)} visits were made")
    message = f"the run's time was up after {len(medians)} of at most {most(protocol)} visits"
    return _stopped("time", wall, protocol, message)


def half_width_frac(wall: Wall) -> float:
    """Return half of the interval of the median, relative to it."""
    return (wall.high - wall.low) / 2 / wall.point


def _decided(wall: Wall, medians: Sequence[float], protocol: Protocol) -> Stopped | None:
    """Return the reason that the samples themselves give, or None."""
    half = half_width_frac(wall)
    if len(medians) < protocol.rounds:
        return None
    if wall.n >= LEAST_SAMPLES and wall.level >= 0.95 and half <= protocol.precision_frac:
        return _stopped("precision", wall, protocol, f"+-{half:.2%} is what was wanted, or less")
    if most(protocol) > protocol.rounds and len(medians) >= 2:
        further = repeats.visits_needed(medians, protocol.precision_frac)
        if further is not None and len(medians) + further <= most(protocol):
            return None
        needed = f"about {len(medians) + further}" if further is not None else "far too many"
        message = (
            f"the spread between visits has settled: +-{protocol.precision_frac:.2%} would take"
            f" {needed} visits, {most(protocol)} are the most"
        )
        return _stopped("settled", wall, protocol, message)
    return None


def _stopped(reason: StopReason, wall: Wall, protocol: Protocol, message: str) -> Stopped:
    return Stopped(
        reason=reason,
        half_width_frac=half_width_frac(wall),
        precision_frac=protocol.precision_frac,
        message=message,
    )
