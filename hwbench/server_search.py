"""The search for the highest Poisson rate whose percentile of latency stays within a bound.

A simulated queue over the measured service times gives the first guess. Real trials go up or down
from it in growing steps until one passed and one failed, then halve the bracket on the logarithm
of the rate. Whether a trial passes is LoadGen's early stopping; one that cannot pass any more ends
at once. Rates at or above 1 / mean service time are never tried: their queue grows without end, and
a short trial would not see it.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hwbench import early_stopping
from hwbench.arrivals import SPIN_S, Clock, Served, Sleep, gaps, serve_open, simulated_over
from hwbench.early_stopping import most_over, official_queries
from hwbench.served import Ended, Search, Trial

FOUND_FRAC = 0.02  # a bracket this narrow is an answer ...
CLOSE_FRAC = 0.01  # ... and while there is time it is narrowed to this
STEP_FRAC = 0.02  # the first step from the guess; each further one is twice as long, up to half
TRIALS = 6  # full ones that the budget is to hold; those that fail end sooner
SIMULATED = 20_000  # queries of the queue that gives the guess
GUESS_FRAC = 0.10  # between mean service times, from which on a guess is made anew ...
GUESSES = 3  # ... up to so many in all ...
LEAST_SERVICES = 100  # ... from so many service times
FLOOR_FRAC = 1 / 64  # of the guess: if nothing passes down to it, nothing is expected to
LATE_FRAC = 0.2  # of the bound: what the machine itself may add before that is said
OVERTIME = 1.5  # times the budget: where a trial is broken off if the server grew slow in it
CONTRADICTIONS = 2  # rates that failed and then passed, after which the search gives up


@dataclass(kw_only=True)
class ServerSearch:
    """One search. `serve` answers one query; `services_s` were measured before it began."""

    serve: Callable[[], None]
    services_s: Sequence[float]
    bound_s: float
    budget_s: float
    clock: Clock
    sleep: Sleep
    percentile: float = 0.99
    seed: tuple[int, ...] = (1,)
    round: int = 0
    spin_s: float = SPIN_S
    trials: list[Trial] = field(default_factory=list)
    failed: set[float] = field(default_factory=set)
    retried: set[float] = field(default_factory=set)
    contradicted: list[float] = field(default_factory=list)
    low: float | None = None  # the highest rate that passed
    step: float = STEP_FRAC
    guesses: int = 0

    def __post_init__(self) -> None:
        """Start the time."""
        self.began = self.clock()

    def run(self) -> Search:
        """Search until the bracket is narrow or the time is up; say which, with the bracket."""
        over = sum(s > self.bound_s for s in self.services_s)
        if early_stopping.fails(len(self.services_s), over, self.percentile):
            return self._too_slow(over, len(self.services_s))
        rate: float | None = self._guessed()
        while rate is not None:
            if self._left_s() < self.planned / rate:
                return self._out_of_time(rate)
            done = self._tried(rate)
            over = sum(s > self.bound_s for s in done.services_s)
            if 2 * over > len(done.services_s):
                return self._too_slow(over, len(done.services_s))
            rate = self._next(done)
        return self._concluded()

    def _too_slow(self, over: int, served: int) -> Search:
        return self._ended(
            "bound",
            f"{over} of {served} service times alone were above the bound: no rate can meet it",
        )

    def _guessed(self) -> float:
        """Return the rate at which a trial of a simulated queue just passes, and plan trials."""
        rng = random.Random("guess," + ",".join(map(str, self.seed)))
        within = self._within(self.services_s)
        services_s = rng.choices(within, k=SIMULATED)
        units = [rng.expovariate(1.0) for _ in range(SIMULATED)]
        self.service_s = sum(within) / len(within)
        high = 1 / self.service_s
        low = high * FLOOR_FRAC
        planned = self._queries(high)
        allowed_frac = (most_over(planned, self.percentile) or 0) / planned
        while high / low > 1 + CLOSE_FRAC:
            middle = math.sqrt(low * high)
            late = simulated_over(middle, services_s, units, self.bound_s)
            low, high = (middle, high) if late <= allowed_frac else (low, middle)
        self.guess, self.planned, self.step = low, self._queries(low), STEP_FRAC
        self.guesses += 1
        return low

    def _within(self, services_s: Sequence[float]) -> Sequence[float]:
        """Return service times without those that no rate could answer in time: stalls."""
        return [s for s in services_s if s <= self.bound_s] or services_s

    def _queries(self, rate: float) -> int:
        """Return the queries of every trial: a share of the time, as many as can be decided."""
        least = early_stopping.queries_needed(self.percentile, over=0)
        share = int(rate * self._left_s() / TRIALS)
        return min(official_queries(self.percentile), max(least, share))

    def _left_s(self) -> float:
        return self.budget_s - (self.clock() - self.began)

    def _tried(self, rate: float) -> Served:
        """Make one trial and file its outcome."""
        allowed = most_over(self.planned, self.percentile)
        assert allowed is not None
        done = serve_open(
            self.serve,
            gaps(rate, self.seed),
            self.planned,
            self.bound_s,
            allowed,
            self.clock,
            self.sleep,
            self.spin_s,
            until=self.began + OVERTIME * self.budget_s,
        )
        n = len(done.latencies_s)
        service_s = sum(done.services_s) / n
        whole = n == self.planned
        # At one query or more in the time that one takes the queue grows without end, however
        # few of them were late in this short a time.
        passed = whole and done.over <= allowed and rate * service_s < 1
        tail = early_stopping.estimate(done.latencies_s, self.percentile) if whole else None
        self.trials.append(
            Trial(
                rate_per_s=rate,
                queries=n,
                planned=self.planned,
                over_latency=done.over,
                passed=passed,
                service_s=service_s,
                latency_estimate_s=tail.value_s if tail else None,
                late_s=done.late_s,
                took_s=done.ended - done.began,
            )
        )
        self._file(rate, passed)
        return done

    def _file(self, rate: float, passed: bool) -> None:
        """Move an end of the bracket; a rate that passes refutes the failures at or below it."""
        if not passed:
            self.failed.add(rate)
            return
        refuted = [r for r in self.failed if r <= rate]
        if refuted:
            self.contradicted += refuted
            self.step = STEP_FRAC
        self.failed = {r for r in self.failed if r > rate}
        self.low = max(rate, self.low or rate)

    def _capacity(self) -> float:
        """Return 1 / mean service time, of the fastest trial: more no queue can take."""
        return 1 / min((t.service_s for t in self.trials), default=self.service_s)

    def _high(self) -> float | None:
        return min(self.failed, default=None)

    def _next(self, done: Served) -> float | None:
        """Return the rate to try next, or None when there is nothing left to find out."""
        better = self._better_guess(done.services_s)
        if better is not None:
            return better
        high, capacity = self._high(), self._capacity()
        if self.low is None:
            down = (high or self.guess) * (1 - self._stride())
            return down if down >= FLOOR_FRAC * self.guess else None
        if len(self.contradicted) >= CONTRADICTIONS:
            return None
        if high is None and (up := self.low * (1 + self._stride())) < capacity:
            return up
        top = min(high or capacity, capacity)
        if top / self.low > 1 + CLOSE_FRAC:
            return math.sqrt(self.low * top)
        if high == top and high not in self.retried:
            self.retried.add(top)  # was it the rate that failed, or a stall?
            return top
        return None

    def _better_guess(self, services_s: Sequence[float]) -> float | None:
        """Return a new guess where a trial's service times are not those of the last guess."""
        within = self._within(services_s)
        if len(within) < LEAST_SERVICES or self.guesses >= GUESSES:
            return None
        if abs(sum(within) / len(within) / self.service_s - 1) <= GUESS_FRAC:
            return None
        self.services_s = services_s
        guess = self._guessed()
        inside = (self.low or 0.0) < guess < (self._high() or math.inf)
        return guess if inside else None

    def _stride(self) -> float:
        """Return how far the next step goes, and double the one after it."""
        stride, self.step = self.step, min(0.5, 2 * self.step)
        return stride

    def _out_of_time(self, rate: float) -> Search:
        if not self.trials:
            return self._ended(
                "time",
                f"the {max(0.0, self.budget_s):.3g} s of this visit are too short for a trial:"
                f" {self.planned} queries at about {rate:.4g}/s, as early stopping needs, take"
                f" {self.planned / rate:.3g} s; give more time (--max-seconds, a larger profile)",
            )
        if self._width() <= FOUND_FRAC:
            return self._concluded()
        so_far = "" if self.low else f"; none passed, down to {self.trials[-1].rate_per_s:.4g}/s"
        if self.contradicted:
            so_far = f"; {self._varied()}"
        return self._ended(
            "time",
            f"the {self.budget_s:.3g} s of this visit were up before the bracket was within"
            f" {FOUND_FRAC:.0%}{so_far}{self._disturbed()}",
        )

    def _varied(self) -> str:
        rates = ", ".join(f"{r:.4g}/s" for r in sorted(set(self.contradicted)))
        return (
            f"{rates} failed and then passed, the arrivals being the same: the machine's speed"
            " varied between trials"
        )

    def _disturbed(self) -> str:
        """Say that something else had the processor, where waits with nothing to do show it."""
        late_s = max(t.late_s for t in self.trials)
        if late_s < LATE_FRAC * self.bound_s:
            return ""
        return (
            f"; queries were begun up to {late_s:.2g} s late with none before them: something"
            " else had the processor"
        )

    def _width(self) -> float:
        """Return how wide the bracket is, relative to its low end."""
        if self.low is None:
            return float("inf")
        return min(self._high() or self._capacity(), self._capacity()) / self.low - 1

    def _concluded(self) -> Search:
        if self.low is None:
            rates = [t.rate_per_s for t in self.trials]
            tried = f"from {max(rates):.4g}/s down to {min(rates):.4g}/s"
            return self._ended("none", f"no rate passed, {tried}{self._disturbed()}")
        if self.contradicted:
            return self._ended("not_monotone", self._varied() + self._disturbed())
        return self._ended("found", None)

    def _ended(self, ended: Ended, reason: str | None) -> Search:
        high = self._high()
        by_capacity = self.low is not None and (high is None or self._capacity() < high)
        return Search(
            round=self.round,
            ended=ended,
            reason=reason,
            rate_per_s=self.low,
            high_per_s=self._capacity() if by_capacity else high,
            high_basis="capacity" if by_capacity else ("failed" if high else None),
            budget_s=max(0.0, self.budget_s),
            trials=tuple(self.trials),
        )
