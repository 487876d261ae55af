"""How much training a search over hyperparameters takes, by its algorithm's own schedule.

All is counted in full runs: 1 is the whole training of one trial. A trial is one choice of the
hyperparameters; eta, above 1, is the factor by which each rung has fewer trials and trains them
longer. Rungs are trained from scratch, or resumed: gone on with from the checkpoints of the rung
below.

Sources: Bergstra and Bengio 2012, JMLR 13, 281-305 (random and grid); Jamieson and Talwalkar 2016,
arXiv:1502.07943 (successive halving); Li et al. 2018, JMLR 18(185), 1-52 (Hyperband); Li et al.
2020, arXiv:1810.05934 (ASHA).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import early_promotion
from hwbench.bounds import Fraction, PositiveFloat, PositiveInt
from hwbench.errors import BadInput

MOST_HALVINGS = 64  # of a bracket: an eta next to 1 makes more, and none of use
_HAIR = 1e-12  # a rounding error neither adds a trial nor takes one


@dataclass(frozen=True, kw_only=True)
class Rung:
    """Trials that are trained to the same share of a full run."""

    trials: PositiveInt
    run_frac: Fraction


@dataclass(frozen=True, kw_only=True)
class Bracket:
    """Rungs, the shortest training first: the best trials of each go on to the next."""

    rungs: tuple[Rung, ...]


@dataclass(frozen=True, kw_only=True)
class Amount:
    """Training in full runs, and how many times a trial is begun in the same time."""

    runs: PositiveFloat
    starts: PositiveFloat


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The brackets of an algorithm, gone through `passes` times, one after another.

    `barriers`: a rung waits until all trials of the one below are done. `resource` is R, a full run
    in units of the shortest training that is asked for; it is None as is `eta` without rungs.
    """

    brackets: tuple[Bracket, ...]
    passes: PositiveInt = 1
    eta: PositiveFloat | None = None
    resource: PositiveFloat | None = None
    barriers: bool = True

    @property
    def trials(self) -> int:
        """Return the trials of all passes."""
        return self.passes * sum(b.rungs[0].trials for b in self.brackets)

    @property
    def resumable(self) -> bool:
        """Return whether any rung goes on where another ended."""
        return any(len(b.rungs) > 1 for b in self.brackets)


def full_runs(trials: int) -> Schedule:
    """Return the schedule of a random search or a grid: each trial is a full run."""
    return Schedule(brackets=(Bracket(rungs=(Rung(trials=trials, run_frac=1.0),)),))


def successive_halving(trials: int, eta: float, resource: float | None = None) -> Schedule:
    """Return one bracket: floor(n eta^-i) trials at eta^(i - s) of a run, i = 0 .. s.

    s is floor(log_eta R); without R it is floor(log_eta n), so that one trial or few are trained
    to the end. Raises BadInput where none would be, or where there is but one rung.
    """
    s = halvings(trials if resource is None else resource, eta)
    if s < 1:
        few = f"{trials} trials are" if resource is None else f"R {resource:g} is"
        raise BadInput(f"{few} below eta {eta:g}: there is one rung alone")
    full, least = float(eta**s) if resource is None else resource, _ceil(eta**s)
    if trials < least:
        raise BadInput(
            f"of {trials} trials none is trained to the end with R {full:g} and eta {eta:g}:"
            f" give at least {least} trials, or a smaller R"
        )
    return Schedule(brackets=(_bracket(trials, eta, s),), eta=eta, resource=full)


def asha(trials: int, eta: float, resource: float | None = None) -> Schedule:
    """Return the rungs of ASHA: those of successive halving, entered with no wait for the others.

    So more trials go up than the best 1 / eta, by what `early_promotion` draws. Raises BadInput as
    `successive_halving` does.
    """
    halved = successive_halving(trials, eta, resource)
    counts, rungs = [trials], halved.brackets[0].rungs
    for _ in rungs[1:]:
        counts.append(round(early_promotion.promoted(counts[-1], eta)))
    entered = (Rung(trials=n, run_frac=r.run_frac) for n, r in zip(counts, rungs, strict=True))
    brackets = (Bracket(rungs=tuple(entered)),)
    return Schedule(brackets=brackets, eta=eta, resource=halved.resource, barriers=False)


def hyperband(resource: float, eta: float, trials: int = 1) -> Schedule:
    """Return Hyperband's brackets of R and eta, passed through until `trials` were looked at.

    For s = s_max .. 0, s_max = floor(log_eta R): n = ceil((s_max + 1) / (s + 1) eta^s) trials, in
    s + 1 rungs from R eta^-s to R. Raises BadInput where R is below eta.
    """
    s_max = halvings(resource, eta)
    if s_max < 1:
        raise BadInput(f"R {resource:g} is below eta {eta:g}: there is one rung alone")
    brackets = tuple(_bracket(_begun(s_max, s, eta), eta, s) for s in range(s_max, -1, -1))
    one = Schedule(brackets=brackets, eta=eta, resource=resource)
    passes = max(1, -(-trials // one.trials))
    return Schedule(brackets=brackets, passes=passes, eta=eta, resource=resource)


def resource_for(trials: int, eta: float) -> float:
    """Return the smallest R = eta^s, s >= 1, of which one pass looks at `trials` or more.

    Raises BadInput where no pass of at most MOST_HALVINGS does.
    """
    for s_max in range(1, MOST_HALVINGS):
        if sum(_begun(s_max, s, eta) for s in range(s_max + 1)) >= trials:
            return float(eta**s_max)
    raise BadInput(f"eta {eta:g} is too near to 1 for {trials} trials: the usual ones are 3 and 4")


def halvings(resource: float, eta: float) -> int:
    """Return floor(log_eta R); raise BadInput above MOST_HALVINGS."""
    found, power = 0, eta
    while power <= resource * (1 + _HAIR):
        found, power = found + 1, power * eta
        if found > MOST_HALVINGS:
            raise BadInput(
                f"R {resource:g} with eta {eta:g} makes more than {MOST_HALVINGS} rungs:"
                " take a larger eta; the usual ones are 3 and 4"
            )
    return found


def total(schedule: Schedule, resumed: bool) -> Amount:
    """Return what all trials take together, one after another."""
    runs = math.fsum(
        rung.trials * length
        for b in schedule.brackets
        for rung, length in zip(b.rungs, _lengths(b.rungs, resumed), strict=True)
    )
    return Amount(runs=schedule.passes * runs, starts=float(schedule.trials))


def wall(schedule: Schedule, workers: int, resumed: bool) -> Amount:
    """Return how long the search is with so many trials at a time.

    With barriers each rung takes ceil(n / workers) trainings after one another, and each bracket
    waits for the one before. Without, it is the total by the workers, and the middle of what their
    ends lie apart: from 0 to (1 - 1 / workers) of the longest training (Graham 1969, SIAM J. Appl.
    Math. 17, 416-429); no less than `first_full`.
    """
    if not schedule.barriers:
        all_of = total(schedule, resumed)
        longest = max(_lengths(schedule.brackets[0].rungs, resumed))
        apart = (1 - 1 / workers) * longest / 2
        runs = max(all_of.runs / workers + apart, first_full(schedule, workers, resumed))
        return Amount(runs=runs, starts=max(1.0, all_of.starts / workers))
    runs = math.fsum(
        -(-rung.trials // workers) * length
        for b in schedule.brackets
        for rung, length in zip(b.rungs, _lengths(b.rungs, resumed), strict=True)
    )
    starts = sum(-(-b.rungs[0].trials // workers) for b in schedule.brackets)
    return Amount(runs=schedule.passes * runs, starts=float(schedule.passes * starts))


def first_full(schedule: Schedule, workers: int, resumed: bool) -> float:
    """Return when ASHA has a first trial trained to the end, in full runs.

    Rung k is entered when eta trials of rung k - 1 are done, so eta^(k-j) of each rung j below;
    early promotions make it sooner with few workers. With eta^s workers it is 1 resumed, and from
    scratch eta / (eta - 1) less what rungs below the lowest would add.
    """
    assert schedule.eta is not None
    done = 0.0
    lengths = _lengths(schedule.brackets[0].rungs, resumed)
    for k, length in enumerate(lengths):
        needed = math.fsum(schedule.eta ** (k - j) * lengths[j] for j in range(k))
        done = max(done, needed / workers) + length
    return done


def chance(trials: int, top_frac: float) -> float:
    """Return 1 - (1 - q)^n: that the best of n trials drawn at random is among the top q of all."""
    return -math.expm1(trials * math.log1p(-top_frac))


def trials_for(odds: float, top_frac: float) -> int:
    """Return the fewest trials with `chance` at least `odds`, ceil(ln(1 - odds) / ln(1 - q))."""
    return max(1, _ceil(math.log1p(-odds) / math.log1p(-top_frac)))


def _begun(s_max: int, s: int, eta: float) -> int:
    """Return the trials that Hyperband's bracket s begins with."""
    return _ceil((s_max + 1) * eta**s / (s + 1))


def _bracket(trials: int, eta: float, s: int) -> Bracket:
    """Return s + 1 rungs, the last of full runs."""
    rungs = (
        Rung(trials=_floor(trials / eta**i), run_frac=1 / eta ** (s - i)) for i in range(s + 1)
    )
    return Bracket(rungs=tuple(rungs))


def _lengths(rungs: Sequence[Rung], resumed: bool) -> list[float]:
    """Return what a trial of each rung is trained there, in full runs."""
    ends = [r.run_frac for r in rungs]
    if not resumed:
        return ends
    return [end - before for end, before in zip(ends, [0.0, *ends[:-1]], strict=True)]


def _floor(value: float) -> int:
    return math.floor(value * (1 + _HAIR))


def _ceil(value: float) -> int:
    return math.ceil(value * (1 - _HAIR))
