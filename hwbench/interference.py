"""What else happened on the machine while samples were taken: each stretch is asked.

`Watch` looks before and after a stretch of some 0.1 s, never inside it. A stretch that was
disturbed is told in words, whose first ones name the kind; what cannot be read is not told.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from hwbench import gpu_watch, signs
from hwbench.counters import Counters, Own, Reading, Slow, own_usage
from hwbench.measurement import Conditions, Sample
from hwbench.sysfs import ROOT

LONG_S = 0.095  # the counters of /proc tick in 10 ms: a shorter stretch tells nothing by them
FRESH_S = 0.002  # a reading no older than this stands for the start of the next stretch
SLOW_S = 0.5  # clocks and throttle counts are asked so often
THROTTLED_FRAC = 0.10  # of the samples: more make the measurement throttled

# What this machine's own other programs do, and will not be there again.
PASSING = frozenset({"others", "descheduled", "swap", "stood still"})
HELD_BACK = frozenset({"throttled", "clock", "quota"})

_WHY_NULL = {
    "steal_cores": "no /proc/stat, or one that counts less",
    "other_cores": "no /proc/stat, or no getrusage",
    "involuntary_switches_per_s": "no getrusage",
    "own_cpu_frac": "no getrusage",
    "clock_hz_min": "no cpufreq in sysfs",
    "throttle_events": "no thermal_throttle in sysfs",
    "swap_bytes": "no counts of swapping in /proc/vmstat",
}
_T = TypeVar("_T", int, float)


class Throttled(NamedTuple):
    """Why a measurement counts as throttled, and what would help."""

    reason: str
    remedy: str


class Watch:
    """Looks at the machine while the samples of one visit are taken."""

    def __init__(
        self,
        clock: Callable[[], float],
        threads: int,
        device: str,
        root: Path = ROOT,
        *,
        own: Callable[[], Own | None] = own_usage,
        card: gpu_watch.Card | None = None,
    ) -> None:
        """Take the clock and what is looked at; the GPU of `device` is opened unless given."""
        self._clock, self._threads, self._on_cpu = clock, max(1, threads), device == "cpu"
        self._counters = Counters(root, own)
        self._base_hz = self._counters.base_hz()
        self._card = card or gpu_watch.opened(device)
        self._deprived = signs.Deprived(self._threads)
        self._foreign = signs.Foreign(self._threads, len(self._counters.cpus))
        self._first: Reading | None = None
        self._before: Reading | None = None
        self._last: Reading | None = None
        self._slow_first: Slow | None = None
        self._slow: Slow | None = None
        self._slow_at = float("-inf")
        self._clock_hz_min: float | None = None
        self._held_back: tuple[str, ...] = ()

    def begin(self) -> None:
        """Mark the start of a stretch."""
        if self._first is None:
            self._slow_first = self._slow = self._counters.slow(self._threads)
            self._card.look()
        last = self._last
        fresh = last is not None and 0 <= self._clock() - last.clock_s < FRESH_S
        self._before = last if fresh else self._counters.read(self._clock())
        self._first = self._first or self._before

    def end(self) -> str | None:
        """Say what disturbed the stretch, None if nothing did."""
        before, after = self._before, self._counters.read(self._clock())
        if before is None or after.clock_s <= before.clock_s:
            return None
        self._last = after
        if after.clock_s - self._slow_at >= SLOW_S:
            self._look_slowly(after.clock_s)
        said = [*self._held_back, *self._deprived.told(before, after)]
        if after.clock_s - before.clock_s >= LONG_S:
            said += [*signs.taken(before, after), *self._foreign.told(before, after)]
        return "; ".join(sorted(said, key=lambda t: signs.KINDS.index(kind_of(t)))) or None

    def conditions(self) -> Conditions | None:
        """Return what the visit was taken in, None if nothing was watched."""
        first, last = self._first, self._last
        if first is None or last is None:
            return None
        slow = self._counters.slow(self._threads)  # its clocks are not of a sample
        own_cores = signs.rate(first, last, signs.own_s)
        found = Conditions(
            steal_cores=_not_below_0(signs.rate(first, last, signs.stolen_s)),
            other_cores=_not_below_0(signs.rate(first, last, signs.foreign_s)),
            involuntary_switches_per_s=signs.rate(first, last, signs.switches),
            own_cpu_frac=None if own_cores is None else own_cores / self._threads,
            clock_hz_min=self._clock_hz_min,
            throttle_events=signs.throttle_events(self._slow_first, slow),
            swap_bytes=signs.swapped_bytes(first, last),
        )
        self._card.look()
        card = self._card.told()
        why = [f"{name}: {w}" for name, w in _WHY_NULL.items() if getattr(found, name) is None]
        return replace(found, **card.facts, why_null="; ".join([*why, *card.why_null]) or None)

    def _look_slowly(self, now_s: float) -> None:
        """Ask clocks and throttle counts; what they say holds until they are asked again.

        Not of a processor that waits for a GPU: its clock may well be low.
        """
        before, self._slow, self._slow_at = self._slow, self._counters.slow(self._threads), now_s
        if self._on_cpu:
            self._held_back = tuple(signs.held_back(before, self._slow, self._base_hz))
        if self._slow.clock_hz is not None:
            self._clock_hz_min = min(_known([self._clock_hz_min, self._slow.clock_hz]))


def kind_of(text: str) -> str:
    """Return the kind that a text of `Watch.end` begins with, the gravest of those it tells."""
    return signs.kind(text)


def throttled(samples: Sequence[Sample], conditions: Conditions | None) -> Throttled | None:
    """Return why the measurement is of a device that was held back, None if it was not."""
    named = gpu_watch.holding_back(conditions.throttle_reasons if conditions else ())
    if named:
        return Throttled(
            f"the GPU was held back: {', '.join(named)}",
            "cool it, or check its power supply and limit (nvidia-smi -q -d PERFORMANCE)",
        )
    texts = [s.disturbed for s in samples if s.disturbed and kind_of(s.disturbed) in HELD_BACK]
    if len(texts) <= THROTTLED_FRAC * len(samples):
        return None
    most = max(dict.fromkeys(texts), key=texts.count)
    remedy = "let it cool, plug it in, and see hwbench doctor --tune-advice"
    if kind_of(most) == "quota":
        remedy = "use fewer --threads, or raise the control group's CPU limit (docker: --cpus)"
    return Throttled(f"{len(texts)} of {len(samples)} samples were held back; most: {most}", remedy)


def merged(visits: Sequence[Conditions]) -> Conditions | None:
    """Return the conditions of several visits as one: means of loads, extremes, sums of events."""
    if not visits:
        return None
    return Conditions(
        steal_cores=_mean(v.steal_cores for v in visits),
        other_cores=_mean(v.other_cores for v in visits),
        involuntary_switches_per_s=_mean(v.involuntary_switches_per_s for v in visits),
        own_cpu_frac=_mean(v.own_cpu_frac for v in visits),
        clock_hz_min=min(_known(v.clock_hz_min for v in visits), default=None),
        throttle_events=_sum(v.throttle_events for v in visits),
        swap_bytes=_sum(v.swap_bytes for v in visits),
        sm_clock_frac_min=min(_known(v.sm_clock_frac_min for v in visits), default=None),
        temperature_c_max=max(_known(v.temperature_c_max for v in visits), default=None),
        power_w_max=max(_known(v.power_w_max for v in visits), default=None),
        throttle_reasons=tuple(dict.fromkeys(r for v in visits for r in v.throttle_reasons)),
        other_processes=max(_known(v.other_processes for v in visits), default=None),
        why_null="; ".join(dict.fromkeys(v.why_null for v in visits if v.why_null)) or None,
    )


def _known(values: Iterable[_T | None]) -> list[_T]:
    return [v for v in values if v is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return sum(known) / len(known) if known else None


def _sum(values: Iterable[int | None]) -> int | None:
    known = _known(values)
    return sum(known) if known else None


def _not_below_0(cores: float | None) -> float | None:
    """Return the cores: the rounding of the counters may take few of them below none."""
    return None if cores is None else max(0.0, cores)
