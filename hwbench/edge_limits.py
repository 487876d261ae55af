"""The limits of an edge profile in a run: its own, or what was asked instead."""

from hwbench import cpu, edge_facts
from hwbench.case import Case
from hwbench.edge_facts import EDGE
from hwbench.measurement import Protocol
from hwbench.run_terms import EdgeTerms

# How the reasons of cases that do not fit begin.
TOO_LARGE, NO_PROCESS = "does not fit", "no process of a runtime fits"


def threads(case: Case, protocol: Protocol) -> int:
    """Return the threads of a case: the profile's, no more than this machine has."""
    asked = (protocol.edge or EdgeTerms()).threads
    return min(asked or _profile(case).threads, len(cpu.usable_cpus()))


def memory_bytes(case: Case, protocol: Protocol) -> int:
    """Return what a model may take beside the runtime's library."""
    return (protocol.edge or EdgeTerms()).memory_bytes or _profile(case).memory_bytes


def not_here(case: Case) -> str | None:
    """Return why no process runs under a profile, of a device too small for any, or None."""
    profile = _profile(case)
    if profile.runs_here:
        return None
    return (
        f"{NO_PROCESS} in {profile.memory_bytes // 1024:,} KiB: told are its size"
        " and what is scaled"
    )


def too_large(case: Case, protocol: Protocol) -> str:
    """Return that a model does not run under its limit."""
    limit = memory_bytes(case, protocol)
    return f"{TOO_LARGE}: it takes more than the {limit / 2**20:,.4g} MiB of {case.options[EDGE]}"


def latency_bound_s(case: Case, protocol: Protocol) -> float | None:
    """Return the bound that the 90th percentile is held to; None without one."""
    return (protocol.edge or EdgeTerms()).latency_bound_s or _profile(case).latency_bound_s


def _profile(case: Case) -> edge_facts.EdgeProfile:
    return edge_facts.profile(str(case.options[EDGE]))
