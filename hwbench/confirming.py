"""How the best rows that were not measured are measured for ten minutes each, and for how much."""

import shlex
from collections.abc import Sequence

from hwbench import instance_ways
from hwbench.comparing import cost_then_time
from hwbench.estimate_questions import Confirm
from hwbench.estimated import EstimateFile, Row
from hwbench.units import S_PER_H

CONFIRM_S = 600.0
RECORDS = "results"


def confirm(file: EstimateFile, most: int) -> tuple[Confirm, ...]:
    """Return the commands and the price for up to `most` instances, and how to rank again.

    Of those that keep to the limits, where any does, the cheapest first; starting the instance is
    paid for as well.
    """
    rows = [
        r
        for r in sorted(file.rows, key=_order)
        if r.basis == "scaled"
        and r.price is not None
        and r.cost_usd is not None
        and r.fits_memory is not False
    ]
    best: dict[str, Row] = {}
    for r in rows:
        best.setdefault(r.instance, r)
    found = [_measuring(r, file) for r in list(best.values())[:most]]
    if not found:
        return ()
    commands = (
        f"copy the records into {RECORDS}/ here, then rank again with what they say:",
        shlex.join([*_without_confirm(file.argv), "--records", RECORDS]),
    )
    usd = sum(c.usd or 0.0 for c in found)
    return (*found, Confirm(instance="all of them", commands=commands, usd=usd))


def _order(row: Row) -> tuple[bool, tuple[float, float]]:
    kept = row.meets_deadline is not False and row.meets_budget is not False
    return not kept, cost_then_time(row)


def _without_confirm(argv: Sequence[str]) -> list[str]:
    """Return the command line without --confirm and its number, or --records and its folder."""
    left, skip = [], False
    for argument in argv or ("hwbench", "estimate"):
        if skip:
            skip = False
        elif argument in ("--confirm", "--records"):
            skip = True
        elif not argument.startswith(("--confirm=", "--records=")):
            left.append(argument)
    return left


def _measuring(row: Row, file: EstimateFile) -> Confirm:
    assert row.price is not None
    plan = file.plan
    name = row.instance.replace(":", "-").replace("/", "-")
    command = shlex.join(
        [
            *("hwbench", "run", "--profile", "standard", "--model", plan.workload),
            *("--only", "workload/*", "--batch-size", str(plan.batch_size)),
            *("--dtype", plan.dtype, "--max-seconds", f"{CONFIRM_S:g}"),
            *("--out", f"{RECORDS}/confirm-{name}.json"),
        ]
    )
    paid_s = CONFIRM_S + instance_ways.BOOT_S
    return Confirm(
        instance=row.instance,
        commands=(command,),
        usd=row.price.usd_per_h * paid_s / S_PER_H,
    )
