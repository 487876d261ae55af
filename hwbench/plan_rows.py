"""All rows of an estimate: the record's machine and the instances asked for, in every purchase."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hwbench import (
    bare_rows,
    buying,
    hardened,
    instance_ways,
    instances,
    outcomes,
    places,
    record_finding,
    sightings,
    spending,
    step_ratio,
    validations,
)
from hwbench.bare_rows import shortcuts
from hwbench.buying import Bought
from hwbench.estimate_plan import Request
from hwbench.estimated import Plan
from hwbench.here_way import Circumstances, way_here
from hwbench.instance import Catalogue, Instance
from hwbench.instance_ways import NoWay
from hwbench.record_finding import Found
from hwbench.row_making import Made, Maker
from hwbench.shortcut import Shortcut
from hwbench.ways import Ways

MACHINE = "machine"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What rows are wanted of: the record's machine or not, the instances, and what they are of."""

    machine: bool
    instances: tuple[Instance, ...]
    catalogue: Catalogue | None  # None: nobody asked for one
    today: datetime.date


def wanted(request: Request) -> Wanted:
    """Return the machines that are asked for; raise UnknownName with near ones, BadInput."""
    today = datetime.datetime.now(datetime.UTC).date()
    patterns = [p for p in request.on if p != MACHINE]
    machine = MACHINE in request.on or not request.on
    if not patterns and request.catalog is None:
        return Wanted(machine=machine, instances=(), catalogue=None, today=today)
    catalogue = instances.catalogue(request.catalog)
    found = dict.fromkeys(i for p in patterns for i in instances.matching(p, catalogue.instances))
    return Wanted(machine=machine, instances=tuple(found), catalogue=catalogue, today=today)


def all_rows(
    request: Request, plan: Plan, found: Found, maker: Maker, asked: Wanted
) -> tuple[list[Made], list[str]]:
    """Return the rows, and what is to be said of the catalogue."""
    around = _around(found, request)
    made = _machine_rows(request, plan, found, maker, around) if asked.machine else []
    made += _instance_rows(request, plan, found, maker, around, asked)
    if "hosted" in request.purchases and request.money.hosted_usd_per_h is None:
        made += bare_rows.hosted(request, plan)
    problems = asked.catalogue.problems if asked.catalogue else ()
    notes = [f"{p.where}: {p.what}" for p in problems]
    return made, [*notes, *instances.ageing(asked.instances, asked.today)]


def _around(found: Found, request: Request) -> Circumstances:
    known = validations.read(outcomes.folder())
    machine = found.step.record.environment.machine_id
    return Circumstances(
        name=found.name,
        provider=found.name.partition(":")[0] if ":" in found.name else None,
        loader=found.loader,
        no_loader=found.no_loader,
        workers=request.workers,
        floor=validations.floor(machine, found.step.case.device, known),
    )


def _machine_rows(
    request: Request, plan: Plan, found: Found, maker: Maker, around: Circumstances
) -> list[Made]:
    """Return the rows of the machine that the record is of: owned, or rented at a given price."""
    way = way_here(found.step, around)
    place = places.own_place(request, found.name)
    bought = [
        _bought_here(request, found.name, way, place.pue, o)
        for o in _options_here(request, found.name)
    ]
    return [
        row
        for shortcut, own in _shortcuts(plan, found)
        for row in maker.rows(way, bought, shortcut, place, own)
    ]


def _shortcuts(plan: Plan, found: Found, *, elsewhere: bool = False) -> list[tuple[Shortcut, Plan]]:
    """Return the shortcuts with their plans, and with what a record measured of their steps."""
    here, records, made = found.step.record.id, found.records, []
    for shortcut, own in shortcuts(plan):
        told = step_ratio.measured(shortcut, own, records, here=here)
        made.append(hardened.hardened(told, own, records, here))
    if not elsewhere:
        return made
    return [(step_ratio.elsewhere(s), own) for s, own in made]


def _options_here(request: Request, name: str) -> list[str]:
    """Return how this machine is had: as asked, else rented where that is known, else owned."""
    by_token = request.money.hosted_usd_per_h is None
    asked = [p for p in request.purchases if p != "hosted" or not by_token]
    rented = ":" in name or request.money.usd_per_h is not None
    return list(dict.fromkeys(asked)) or ["on-demand" if rented else "owned"]


def _bought_here(request: Request, name: str, way: Ways, pue: float, option: str) -> Bought:
    if option == "hosted":
        return buying.hosted(request.money)
    if option == "owned":
        idle = way.power.idle_w if way.power else None
        return buying.owned(request.money, request.electricity_usd_per_kwh, pue, idle)
    return _rented_here(request, name, option)


def _rented_here(request: Request, name: str, option: str) -> Bought:
    """Return this machine rented: at --usd-per-h, or at its catalogue price where it is known."""
    today = datetime.datetime.now(datetime.UTC).date()
    usd = request.money.usd_per_h
    if usd is not None:
        own = Instance(
            provider="machine",
            sku="here",
            usd_per_h=usd,
            source=buying.STATED,
            date=today,
            confidence="high",
        )
        return buying.rented(own, option, request.money, today)
    known = spending.rented_as(name, request.catalog)
    if known is not None:
        return buying.rented(known, option, request.money, today)
    return Bought(
        option=option,
        purchase=None,
        reason=f"this machine's price {option} is not known: --usd-per-h X gives one",
    )


def _instance_rows(
    request: Request,
    plan: Plan,
    found: Found,
    maker: Maker,
    around: Circumstances,
    asked: Wanted,
) -> list[Made]:
    ways = _ways(request, found, around, asked.instances)
    made: list[Made] = []
    for instance, way in zip(asked.instances, ways, strict=True):
        place = places.instance_place(request, instance)
        bought = [_bought(request, instance, o, asked.today) for o in _options(request)]
        for shortcut, own in _shortcuts(plan, found, elsewhere=True):
            if isinstance(way, NoWay):
                made += [bare_rows.nothing(way, b, shortcut, own) for b in bought]
            else:
                made += maker.rows(way, bought, shortcut, place, own)
    return made


def _options(request: Request) -> list[str]:
    """Return how instances are had: as asked, but not owned, nor hosted at a price for tokens."""
    by_token = request.money.hosted_usd_per_h is None
    left = ("owned", "hosted") if by_token else ("owned",)
    return list(dict.fromkeys(p for p in request.purchases if p not in left)) or ["on-demand"]


def _bought(request: Request, instance: Instance, option: str, today: datetime.date) -> Bought:
    if option == "hosted":
        return buying.hosted(request.money)
    return buying.rented(instance, option, request.money, today)


def _ways(
    request: Request, found: Found, around: Circumstances, chosen: Sequence[Instance]
) -> list[Ways | NoWay]:
    """Return each instance as a way: by its own record, else scaled from the nearest device's."""
    measured = record_finding.by_instance(found.records, request)
    ways: dict[str, Ways | NoWay] = {}
    to_scale = [i for i in chosen if i.name not in measured]
    steps = record_finding.all_steps(found, request)
    for step, near in sightings.by_nearest(steps, to_scale):
        dtype = request.dtype or step.case.dtype
        ways |= {w.name: w for w in instance_ways.ways(step, near, around, dtype)}
    for instance in chosen:
        if instance.name in measured:
            own = replace(around, name=instance.name, provider=instance.provider)
            ways[instance.name] = instance_ways.rented(way_here(measured[instance.name], own))
    return [ways[i.name] for i in chosen]
