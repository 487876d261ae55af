"""The pass of a run in which its networks run for minutes without a pause (`--sustained`).

It comes after the rounds, so that no time is taken on a device that it has heated. Each case has a
process of its own and runs in parts, of which each is on disk before the next begins.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hwbench.case import Case
from hwbench.errors import BadInput
from hwbench.ledger import SUSTAINED
from hwbench.planning import Plan
from hwbench.protocol import DrawTerms, VisitResult
from hwbench.sustained import LEAST_WINDOWS, SustainedTerms

if TYPE_CHECKING:  # it makes use of this
    from hwbench.rounds import Rounds

WINDOWS = 180  # of a running at most; a window is a second at least
PART_S = 30.0  # that an interruption may lose
OPEN_S = 5.0  # of a case: its process, its network
ROUNDS_FRAC = 0.5  # of a time that the user named, at least, for the rounds


def planned(plan: Plan, seconds: float | None, max_seconds: float | None) -> Plan:
    """Return the plan with each network running for `seconds` after the rounds.

    Of `max_seconds`, where the user named a time for the whole, it takes a part. Raises BadInput
    where it is too short to tell anything, or there is no network.
    """
    if seconds is None:
        return plan
    if seconds < LEAST_WINDOWS:
        raise BadInput(
            f"--sustained {seconds:g}s: is too short for a device to grow hot:"
            f" {LEAST_WINDOWS} s at least, minutes to tell something"
        )
    if plan.protocol.against is not None:
        raise BadInput("--sustained: --against visits two sides in turn: leave one of them out")
    count = len(wanted(plan.runnable))
    if not count:
        raise BadInput("--sustained: there is no network that runs here: name one by --model")
    took_s = count * (seconds + OPEN_S)
    protocol, left_s = plan.protocol, took_s + count * OPEN_S
    if max_seconds is not None:
        whole_s = protocol.max_seconds or max_seconds
        rounds_s = max(ROUNDS_FRAC * whole_s, whole_s - took_s)
        left_s = max(1.0, whole_s - rounds_s)
        protocol = replace(protocol, max_seconds=rounds_s)
    terms = SustainedTerms(seconds=seconds, max_s=left_s)
    return replace(
        plan,
        protocol=replace(protocol, sustained=terms),
        expected_s=plan.expected_s + took_s,
    )


def wanted(cases: Sequence[Case]) -> list[Case]:
    """Return the cases that run for minutes: those of networks."""
    return [c for c in cases if c.kind == "workload"]


def go(run: "Rounds") -> bool:
    """Run each network that is still to run for minutes; return whether time ran out."""
    terms = run.protocol.sustained
    if terms is None:
        return False
    cases = [
        c
        for c in wanted([p.case for p in run.header.cases if p.skip is None])
        if run.ledger.measured[c.id].status == "ok" and not run.ledger.sustained_enough(c.id)
    ]
    if not cases:
        return False
    run.crew.end_all()
    run.progress.begin(len(cases), len(cases) * (terms.seconds + OPEN_S))
    began = run.clock()
    for n, case in enumerate(cases):
        left_s = terms.max_s - (run.clock() - began)
        if left_s < terms.seconds:
            return True
        told = f"{case.id} without a pause"
        run.progress.visiting(told, n + 1, len(cases), (len(cases) - n) * terms.seconds)
        _case(run, case, terms.seconds)
        run.crew.lose(case)
    return False


def _case(run: "Rounds", case: Case, seconds: float) -> None:
    """Run a case, part by part in one process; a part that fails ends it."""
    window_s = max(1.0, seconds / WINDOWS)
    windows = math.ceil(seconds / window_s)
    a_part = max(1, round(PART_S / window_s))
    for begin in range(0, windows, a_part):
        part = DrawTerms(
            windows=min(a_part, windows - begin), window_s=window_s, rise_s=0.0, pause_s=0.0
        )
        found = run.asking.draw(case, part, keep=True)
        if found.status != "ok":
            run.progress.note(f"{case.id} ended while it ran for minutes: {found.reason}")
            run.keep(_said(case, found.reason))
            return
        run.keep(replace(found, code=SUSTAINED))


def _said(case: Case, reason: str | None) -> VisitResult:
    return VisitResult(id=case.id, status="ok", round=0, process=0, code=SUSTAINED, reason=reason)
