"""The pass of a run in which energy is measured: after all times are taken, so it disturbs none.

Nothing runs for a while, then each case in windows of its own, then nothing again. The meters are
read all along by a process of their own. What a meter cannot tell of one case is that case's
reason; a meter that vanishes ends no case.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import metering, sampler
from hwbench.asking import Asking
from hwbench.case import Case
from hwbench.energy import EnergyPass, EnergyTerms, PowerTrace, Window
from hwbench.meter import Asked, Clock
from hwbench.progress import Progress
from hwbench.protocol import DrawTerms, VisitResult
from hwbench.sampler import Sampler
from hwbench.sensor import ChannelFacts, Trace

IDLE = "idle"  # what an idle stretch is called in the journal
RISE_S = 1.0  # the most that sensors take to follow (Yang et al. 2024: 0.9 s)
UPDATES = 100  # renewals of a sensor that a window should hold
LONGEST_S = 60.0  # of a window, however slow a sensor is
CHUNK_S = 0.5  # of waiting between two ticks
MARGIN_S = 10.0  # of a case, for getting it ready

StartSampler = Callable[[Sequence[str], Asked], Sampler]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What it takes to measure the energy of cases. `keep` puts a result on disk."""

    terms: EnergyTerms
    asked: Asked
    asking: Asking
    progress: Progress
    keep: Callable[[VisitResult], None]
    left_s: Callable[[], float]
    start: StartSampler
    clock: Clock
    sleep: Callable[[float], None]

    def go(self, cases: Sequence[Case]) -> bool:
        """Measure the energy of the cases; return whether time ran out before the last."""
        if self.left_s() < expected_s(self.terms, 1):
            return True
        cut = False
        with self.start(self.terms.meters, self.asked) as meters:
            for name, why in meters.lost.items():
                self.progress.note(f"{name} is not read: {why}")
            if not meters.channels:
                return False
            self._idle(meters)
            for n, case in enumerate(cases):
                if self.left_s() < self.case_s + _idle_s(self.terms):
                    cut = True
                    break
                left_s = (len(cases) - n) * self.case_s + _idle_s(self.terms)
                self.progress.visiting(f"energy of {case.id}", n + 1, len(cases), left_s)
                self._case(meters, case)
                self.asking.crew.done_with(case, cases[n + 1 : n + 2])
            self._idle(meters)
        return cut

    @property
    def case_s(self) -> float:
        """Return about how long one case takes."""
        return case_s(self.terms)

    def _idle(self, meters: Sampler) -> None:
        """Measure what the machine takes when this run does nothing."""
        self._wait(RISE_S)
        begin = self.clock()
        self._wait(self.terms.idle_s)
        window = self._window(begin, self.clock(), 0)
        meters.settle(self.clock())
        found = self._read(meters, (window,))
        self.keep(VisitResult(id=IDLE, status="ok", round=0, process=0, energy=found))

    def _wait(self, seconds: float) -> None:
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            self.sleep(min(CHUNK_S, left))
            self.progress.tick()

    def _case(self, meters: Sampler, case: Case) -> None:
        result = self.asking.draw(case, terms_of(self.terms, meters.channels))
        if result.status != "ok" or result.energy is None:
            why = f"the case failed while its energy was measured: {result.reason}"
            self.progress.note(f"{case.id}: {why}")
            self.keep(replace(result, status="ok", reason=why, energy=EnergyPass(windows=())))
            return
        meters.settle(self.clock())
        self.keep(replace(result, energy=self._read(meters, result.energy.windows)))

    def _window(self, begin: float, end: float, iterations: int) -> Window:
        origin = self.asking.run_start
        return Window(
            begin_s=max(0.0, begin - origin), end_s=max(0.0, end - origin), iterations=iterations
        )

    def _read(self, meters: Sampler, windows: Sequence[Window]) -> EnergyPass:
        """Return the windows with what each channel told of them, and the power over the pass."""
        origin, traces = self.asking.run_start, meters.traces()
        told = tuple(
            replace(
                w,
                readings=metering.told(
                    meters.channels, traces, meters.lost, origin + w.begin_s, origin + w.end_s
                ),
            )
            for w in windows
        )
        return EnergyPass(
            windows=told,
            channels=meters.channels,
            traces=self._traces(meters.channels, traces, windows),
        )

    def _traces(
        self,
        channels: Sequence[ChannelFacts],
        traces: Mapping[str, Trace],
        windows: Sequence[Window],
    ) -> tuple[PowerTrace, ...]:
        origin = self.asking.run_start
        begin, end = origin + windows[0].begin_s, origin + windows[-1].end_s
        found = (
            metering.power_trace(f, traces.get(f.key, ()), begin - RISE_S, end + RISE_S, origin)
            for f in channels
        )
        return tuple(t for t in found if t is not None)


def terms_of(terms: EnergyTerms, channels: Sequence[ChannelFacts]) -> DrawTerms:
    """Return a case's windows: 100 renewals of the slowest sensor at least, if that is known.

    Where a sensor does not see all, the pauses add up to one of its renewals, so that the work is
    seen at each of its phases.
    """
    slowest_s = max((f.update_s for f in channels if f.update_s), default=0.0)
    blind_s = max((f.update_s or 0.0 for f in channels if f.seen_frac < 1), default=0.0)
    return DrawTerms(
        windows=terms.windows,
        window_s=min(max(terms.window_s, UPDATES * slowest_s), LONGEST_S),
        rise_s=max([RISE_S, *(sampler.reach_s(f) for f in channels)]),
        pause_s=blind_s,
    )


def case_s(terms: EnergyTerms) -> float:
    """Return about how long the pass takes for one case."""
    return terms.windows * terms.window_s + 2 * RISE_S + MARGIN_S


def _idle_s(terms: EnergyTerms) -> float:
    return terms.idle_s + RISE_S


def expected_s(terms: EnergyTerms, cases: int) -> float:
    """Return about how long the whole pass takes."""
    return 2 * _idle_s(terms) + cases * case_s(terms)
