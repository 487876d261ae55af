"""Whether a run measures energy, by which meters, how long that takes, and else why it does not."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwbench import cpu_catalog, energy_figures, energy_pass, metering
from hwbench.case import Case
from hwbench.device import Environment
from hwbench.energy import EnergyTerms
from hwbench.measurement import Protocol
from hwbench.meter import Asked
from hwbench.planning import Plan, PlannedCase
from hwbench.probed import MeterFacts
from hwbench.profile import EnergyPlan, Profile

SPARE = 1.5  # times the expected time, after which the pass ends
TIMING_FRAC = 0.5  # of --max-seconds, the least that is left for times


@dataclass(frozen=True, kw_only=True)
class EnergyWish:
    """What the user asked of energy; nothing: all meters that can be used."""

    meters: tuple[str, ...] = ()
    wall: str | None = None
    wall_offset_s: float = 0.0
    cpu_tdp_w: float | None = None
    wall_factor: float | None = None


def asked(wish: EnergyWish, environment: Environment) -> Asked:
    """Return what the meters are told of the wish and of this machine's processor."""
    cpu, why_not = cpu_catalog.lookup(environment, wish.cpu_tdp_w)
    bare = Asked(wall=wish.wall, wall_offset_s=wish.wall_offset_s, cpu=cpu)
    return bare if why_not is None else replace(bare, no_cpu=why_not)


def planned(
    plan: Plan,
    profile: Profile,
    wish: EnergyWish,
    environment: Environment,
    max_seconds: float | None = None,
) -> Plan:
    """Return the plan with its pass for energy, or with the reason why it has none.

    Of `max_seconds`, where the user named a time for the whole, the pass takes a part. Raises what
    `metering.chosen` raises.
    """
    told = asked(wish, environment)
    facts = metering.probe(told)
    names = metering.chosen(facts, wish.meters)
    protocol = replace(
        plan.protocol,
        cpu_power=told.cpu,
        no_cpu_power=None if told.cpu else told.no_cpu,
        wall_factor=wish.wall_factor,
    )
    why_not = _why_not(names, facts, profile.energy, wish)
    if why_not is not None or profile.energy is None:
        return replace(plan, protocol=replace(protocol, no_energy=why_not))
    terms = _terms(names, profile.energy, wish)
    expected_s = energy_pass.expected_s(terms, len(wanted(plan.cases, terms)))
    protocol = replace(protocol, energy=replace(terms, max_s=SPARE * expected_s))
    if max_seconds is not None:
        timing_s = max(TIMING_FRAC * max_seconds, max_seconds - expected_s)
        terms = replace(terms, max_s=max_seconds - timing_s)
        protocol = replace(protocol, energy=terms, max_seconds=timing_s)
    return replace(plan, protocol=protocol, expected_s=plan.expected_s + expected_s)


def _terms(names: tuple[str, ...], plan: EnergyPlan, wish: EnergyWish) -> EnergyTerms:
    return EnergyTerms(
        meters=names,
        windows=plan.windows,
        window_s=plan.window_s,
        idle_s=plan.idle_s,
        kinds=plan.kinds,
        max_s=1.0,
        wall=wish.wall,
        wall_offset_s=wish.wall_offset_s,
    )


def _why_not(
    names: Sequence[str],
    facts: Sequence[MeterFacts],
    plan: EnergyPlan | None,
    wish: EnergyWish,
) -> str | None:
    """Return why no energy is measured, or None."""
    if metering.NONE in wish.meters:
        return "--meter none: no meter was to be read"
    if not metering.measures(facts, names):
        return "no meter can be used here (`meters` says why of each)"
    if plan is None:
        return "this profile is too short to measure energy: --profile quick"
    return None


def measurable(case: Case, terms: EnergyTerms) -> bool:
    """Return whether a case has a pass for energy."""
    return case.kind in terms.kinds and case.scenario not in energy_figures.NEVER


def wanted(cases: Sequence[PlannedCase], terms: EnergyTerms) -> list[Case]:
    """Return the cases of a plan that the pass is made over."""
    return [p.case for p in cases if p.skip is None and measurable(p.case, terms)]


def asked_again(protocol: Protocol) -> Asked:
    """Return what the meters were told, as the record keeps it."""
    terms = protocol.energy
    return Asked(
        wall=terms.wall if terms else None,
        wall_offset_s=terms.wall_offset_s if terms else 0.0,
        cpu=protocol.cpu_power,
    )
