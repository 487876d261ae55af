"""The verb `estimate`: time, power, energy, cost and CO2 of a plan, from a record, in seconds."""

import datetime
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import hwbench
from hwbench import (
    answering,
    buying,
    costing,
    data_found,
    data_made,
    estimate_plan,
    grid,
    instance_ways,
    instances,
    loaders,
    outcomes,
    pareto,
    presets,
    record_finding,
    registry,
    validations,
)
from hwbench.carbon import MADE, Embodied
from hwbench.child import Child
from hwbench.errors import BadInput
from hwbench.estimate_plan import Request
from hwbench.estimated import (
    SCHEMA,
    Assumption,
    Best,
    CostParts,
    EstimateFile,
    Figure,
    Plan,
    Row,
    Winner,
)
from hwbench.here_way import Circumstances, way_here
from hwbench.instance import Instance
from hwbench.instance_ways import NoWay
from hwbench.probing import Spawn
from hwbench.progress import Progress, Silent
from hwbench.row_making import Made, Maker, Place
from hwbench.shortcut import Shortcut
from hwbench.ways import Ways

MACHINE = "machine"
PUE_LOG, PRESET_PUE_LOG = 0.03, 0.08
LIFE_YEARS, LIFE_FRAC = 5.0, 0.7


def estimate(
    request: Request, progress: Progress | None = None, spawn: Spawn = Child
) -> EstimateFile:
    """Return the estimate; what this machine's records lack is measured first, and said.

    Raises BadInput for what cannot be asked, and where the step was not measured and cannot be
    measured here.
    """
    progress = progress or Silent()
    estimate_plan.check(request)
    found = record_finding.find(request, progress, spawn)
    aim = answering.aim_of(request)
    samples = aim.samples if aim else estimate_plan.samples_of(request)
    item_bytes = _item_bytes(request, found.loader)
    plan = estimate_plan.plan_of(request, found.step, samples, item_bytes)
    plan = replace(plan, records=tuple(r.id for r in found.records))
    if aim is not None and plan.epochs is None and plan.steps is None:
        plan = replace(plan, epochs=aim.epochs)
    today = datetime.datetime.now(datetime.UTC).date()
    maker = Maker(plan, request.money, request.curve_sizes, aim.draws if aim else None)
    made, notes = _all_rows(request, plan, found, maker, today)
    rows, best = _compared(made, plan)
    now = datetime.datetime.now(datetime.UTC)
    file = EstimateFile(
        schema=SCHEMA,
        id=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
        created_utc=now.isoformat(timespec="seconds"),
        hwbench_version=hwbench.__version__,
        argv=request.argv,
        plan=plan,
        rows=rows,
        best=best,
        answer=(),
        target=aim.target if aim else None,
        notes=(*found.notes, *notes),
    )
    return answering.answered(file, request, made, maker, found.step)


def _item_bytes(request: Request, loader: loaders.Loaded | None) -> float | None:
    """Return the bytes of an item on the disk: as stated, of the user's data, or as generated."""
    if request.item_bytes is not None:
        return request.item_bytes
    network = registry.networks()[request.workload]
    if request.data is not None:
        return data_found.dataset_at(request.data, network).item_bytes
    if loader is not None:
        return loader.item_bytes
    kind, config = data_made.kind_of(network), network.variant.config
    if kind == "tokens":
        return 4.0 * config["seq"]
    return 4.0 * config["features"] if kind == "rows" else None


def _all_rows(
    request: Request,
    plan: Plan,
    found: record_finding.Found,
    maker: Maker,
    today: datetime.date,
) -> tuple[list[Made], list[str]]:
    wanted = request.on or (MACHINE,)
    made: list[Made] = []
    notes: list[str] = []
    around = _around(found, request, plan)
    if MACHINE in wanted:
        made += _machine_rows(request, plan, found, maker, around)
    patterns = [p for p in wanted if p != MACHINE]
    if patterns:
        catalogue = instances.catalogue(request.catalog)
        notes += [f"{p.where}: {p.what}" for p in catalogue.problems]
        chosen = list(
            dict.fromkeys(i for p in patterns for i in instances.matching(p, catalogue.instances))
        )
        made += _instance_rows(request, plan, found, maker, around, chosen, today)
        notes += instances.ageing(chosen, today)
    if "hosted" in request.purchases:
        made.append(_hosted(request, plan))
    return made, notes


def _around(found: record_finding.Found, request: Request, plan: Plan) -> Circumstances:
    known = validations.read(outcomes.folder())
    machine = found.step.record.environment.machine_id
    return Circumstances(
        name=found.name,
        provider=found.name.partition(":")[0] if ":" in found.name else None,
        loader=found.loader,
        no_loader=found.no_loader,
        workers=request.workers,
        floor=validations.floor(machine, known),
        samples=plan.samples,
    )


def _shortcuts(plan: Plan) -> list[tuple[Shortcut, Plan]]:
    """Return each shortcut with the plan in its epochs: the user's, else those usual for it."""
    found = []
    for name in plan.shortcuts:
        shortcut = registry.shortcuts()[name]
        own = plan
        if plan.epochs is None and plan.steps is None:
            if shortcut.epochs is None:
                raise BadInput(f"how long {name} trains is missing: give --epochs E or --steps N")
            own = replace(plan, epochs=shortcut.epochs.usual)
        found.append((shortcut, own))
    return found


def _machine_rows(
    request: Request,
    plan: Plan,
    found: record_finding.Found,
    maker: Maker,
    around: Circumstances,
) -> list[Made]:
    """Return the rows of the machine that the record is of: owned, or rented at a given price."""
    way = way_here(found.step, around)
    pue, spread, note = _own_pue(request, found.name)
    place = Place(
        pue=pue,
        pue_log=spread,
        pue_note=note,
        grid=grid.row(request.region) if request.region else None,
        storage_usd_per_gb_month=None,
        embodied=_embodied(request),
    )
    idle = way.power.idle_w if way.power else None
    options = [p for p in request.purchases if p not in ("hosted",)] or ["owned"]
    bought = []
    for option in dict.fromkeys(options):
        if option == "owned":
            bought.append(buying.owned(request.money, request.electricity_usd_per_kwh, pue, idle))
        else:
            bought.append(_rented_here(request, found.name, option))
    return [
        row
        for shortcut, own in _shortcuts(plan)
        for row in maker.rows(way, bought, shortcut, place, own)
    ]


def _rented_here(request: Request, name: str, option: str) -> buying.Bought:
    """Return this machine rented: at --usd-per-h, or at its catalogue price where it is known."""
    today = datetime.datetime.now(datetime.UTC).date()
    usd = request.money.usd_per_h
    if usd is not None:
        own = Instance(
            provider="machine",
            sku="here",
            usd_per_h=usd,
            source="--usd-per-h",
            date=today,
            confidence="high",
        )
        return buying.rented(own, option, request.money, today)
    if ":" in name:
        known = instances.matching(name, instances.catalogue(request.catalog).instances)
        return buying.rented(known[0], option, request.money, today)
    return buying.Bought(
        option=option,
        purchase=None,
        reason=f"this machine's price {option} is not known: --usd-per-h X gives one",
    )


def _own_pue(request: Request, name: str) -> tuple[float, float, Assumption]:
    if request.pue is not None:
        note = Assumption(name="PUE", value=request.pue, unit="ratio", source="--pue")
        return request.pue, 0.0, note
    preset = presets.pue("hyperscale" if ":" in name else "desk")
    note = Assumption(
        name="PUE",
        value=preset.value,
        unit="ratio",
        source=preset.source,
        date=str(preset.date),
    )
    return preset.value, PRESET_PUE_LOG if ":" in name else 0.0, note


def _embodied(request: Request) -> Embodied | None:
    name = request.money.embodied
    if name is None:
        return None
    if name in MADE:
        kg = MADE[name].kg_co2e
    else:
        try:
            kg = float(name)
        except ValueError:
            raise BadInput(
                f"--embodied {name}: give kg CO2e a device, or one of {', '.join(MADE)}"
            ) from None
    return Embodied(kg_co2e=kg, life_years=LIFE_YEARS, utilisation_frac=LIFE_FRAC)


def _instance_rows(
    request: Request,
    plan: Plan,
    found: record_finding.Found,
    maker: Maker,
    around: Circumstances,
    chosen: Sequence[Instance],
    today: datetime.date,
) -> list[Made]:
    options = [p for p in request.purchases if p not in ("hosted", "owned")] or ["on-demand"]
    measured = record_finding.by_instance(found.records, request)
    to_scale = [i for i in chosen if i.name not in measured]
    dtype = request.dtype or found.step.case.dtype
    ways: dict[str, Ways | NoWay] = {}
    if to_scale:
        scaled = instance_ways.ways(found.step, to_scale, around, dtype)
        ways = {w.name: w for w in scaled}
    made: list[Made] = []
    for instance in chosen:
        place = _instance_place(request, instance)
        bought = [buying.rented(instance, o, request.money, today) for o in dict.fromkeys(options)]
        if instance.name in measured:
            near = replace(around, name=instance.name, provider=instance.provider)
            way: Ways | NoWay = _as_rented(way_here(measured[instance.name], near))
        else:
            way = ways[instance.name]
        for shortcut, own in _shortcuts(plan):
            if isinstance(way, NoWay):
                made += [_nothing(way, b, shortcut, own) for b in bought]
            else:
                made += maker.rows(way, bought, shortcut, place, own)
    return made


def _as_rented(way: Ways) -> Ways:
    """Return a measured instance with the time that it takes to start, which is paid for."""
    return replace(way, setup_s=way.setup_s + instance_ways.BOOT_S)


def _instance_place(request: Request, instance: Instance) -> Place:
    if request.pue is not None:
        pue, spread, note = _own_pue(request, instance.name)
    else:
        pue, note = instance_ways.pue_of(instance)
        spread = PUE_LOG if instance.pue is not None else PRESET_PUE_LOG
    return Place(
        pue=pue,
        pue_log=spread,
        pue_note=note,
        grid=grid.row(request.region) if request.region else None,
        storage_usd_per_gb_month=presets.storage(request.money.storage).value,
        embodied=_embodied(request),
    )


def _nothing(way: NoWay, bought: buying.Bought, shortcut: Shortcut, plan: Plan) -> Made:
    """Return the row of a machine whose time cannot be told: every figure null, and why."""
    names = ("time_s", "power_w", "energy_j", "cost_usd", "co2_gco2e")
    return Made(
        row=_empty(
            way.name, way.devices, bought, shortcut.name, {n: way.reason for n in names}, plan
        )
    )


def _empty(
    name: str,
    devices: tuple[str, ...],
    bought: buying.Bought,
    shortcut: str,
    reasons: dict[str, str],
    plan: Plan,
) -> Row:
    return Row(
        instance=name,
        purchase=bought.option,
        shortcut=shortcut,
        devices=devices,
        basis=None,
        batch_size=None,
        n_steps=None,
        time_s=None,
        power_w=None,
        energy_j=None,
        cost_usd=None,
        co2_gco2e=None,
        reasons=reasons,
        curve=None,
        terms=None,
        terms_total_s=None,
        cost_terms=None,
        assumptions=bought.assumptions,
        price=bought.price,
        fits_memory=None,
        energy_covers=None,
        meets_deadline=None if plan.deadline_s is None else False,
        meets_budget=None if plan.budget_usd is None else False,
    )


def _hosted(request: Request, plan: Plan) -> Made:
    """Return a service's row: what its tokens cost; how long it takes it does not say."""
    shortcut, own = _shortcuts(plan)[0]
    bought = buying.hosted(request.money)
    network = registry.networks()[plan.workload]
    seq = network.variant.config.get("seq")
    why = "a hosted service does not say"
    reasons = dict.fromkeys(("time_s", "power_w", "energy_j", "co2_gco2e"), why)
    row = _empty("hosted", (), bought, shortcut.name, reasons, own)
    purchase = bought.purchase
    if purchase is None:
        return Made(row=replace(row, reasons={**reasons, "cost_usd": bought.reason or why}))
    assert isinstance(purchase, costing.Hosted)
    if purchase.usd_per_mtoken is None or seq is None or own.epochs is None:
        reason = "by the hour its cost needs its time, which the service does not say"
        if purchase.usd_per_mtoken is not None:
            reason = f"{plan.workload} takes no tokens, or its epochs are not known"
        return Made(row=replace(row, reasons={**reasons, "cost_usd": reason}))
    usd = plan.samples * seq * own.epochs / 1e6 * purchase.usd_per_mtoken
    cost = Figure(point=usd, low=usd, high=usd, level=plan.level)
    parts = CostParts(compute_usd=usd, storage_usd=0.0, electricity_usd=0.0, amortisation_usd=0.0)
    meets = None if plan.budget_usd is None else usd <= plan.budget_usd
    row = replace(row, basis="modelled", cost_usd=cost, cost_terms=parts, meets_budget=meets)
    return Made(row=row, cost_usd=usd)


def _compared(made: Sequence[Made], plan: Plan) -> tuple[tuple[Row, ...], Best]:
    """Return the rows with the Pareto-optimal ones marked, and the best of each kind.

    A row that does not fit its device's memory cannot be carried out and is none of them.
    """
    able = [m.row.fits_memory is not False for m in made]
    figures = [
        (
            m.row.time_s.point if ok and m.row.time_s else None,
            m.row.cost_usd.point if ok and m.row.cost_usd else None,
        )
        for m, ok in zip(made, able, strict=True)
    ]
    marks = pareto.pareto(figures)
    rows = tuple(replace(m.row, pareto=mark) for m, mark in zip(made, marks, strict=True))
    ok = [n for n, fine in enumerate(able) if fine]
    return rows, Best(
        by_time=_winner(rows, {n: made[n].time_s for n in ok}, plan.level),
        by_cost=_winner(rows, {n: made[n].cost_usd for n in ok}, plan.level),
        by_energy=_winner(rows, {n: made[n].energy_j for n in ok}, plan.level),
    )


def _winner(rows: Sequence[Row], draws: dict[int, object], level: float) -> Winner | None:
    known = {n: d for n, d in draws.items() if d is not None}
    found = pareto.best(known, level)
    if found is None:
        return None
    row = rows[found.row]
    return Winner(
        row=found.row,
        instance=row.instance,
        purchase=row.purchase,
        shortcut=row.shortcut,
        indistinguishable=found.indistinguishable,
        probability=found.probability,
    )


def default_out(workload: str) -> Path:
    """Return a new place for an estimate in `results/`."""
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    return Path("results") / f"{stamp}-estimate-{workload}.json"
