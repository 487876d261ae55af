"""Rented instances beside the machine that was measured: the same mix of requests on each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hwbench import instance_power, instances, registry, sightings, token_costs, token_places
from hwbench.data_sheet import DataSheet
from hwbench.estimate_value import Estimate
from hwbench.instance import Instance
from hwbench.instance_ways import cores_of, devices_of, room_of
from hwbench.token_places import ACCELERATOR_DTYPE, LAUNCH_S, LAUNCHES, SIGMA, Passes
from hwbench.token_sim import Asked
from hwbench.tokens import Place, TokenEnergy, TokenTimes
from hwbench.units import ITEM_BYTES

METHOD = (
    "each pass by what bounds it, computing or reading, with the share of that bound that it"
    f" reached here; to an accelerator {LAUNCHES} kernels a block of {LAUNCH_S * 1e6:g} us each, in"
    " a CUDA graph, where none were launched here (judgement); a model on each device; no accuracy"
    f" measured: judged {SIGMA[True]:.0%} between devices of a kind, {SIGMA[False]:.0%} else (one"
    " standard deviation of the logarithm)"
)


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What is served: the requests, the slots of a device, and in what it was measured."""

    workload: str
    device: str
    dtype: str
    flood: tuple[Asked, ...]
    slots: int
    limit: int  # tokens of the longest request
    tokens: float  # of a request, on average
    output_tokens: float
    hosted_usd_per_m: float | None


def instances_of(patterns: Sequence[str], catalog: Path | None) -> tuple[Instance, ...]:
    """Return the instances that are named; raise UnknownName with the near ones."""
    if not patterns:
        return ()
    known = instances.catalogue(catalog).instances
    found = {i.name: i for p in patterns for i in instances.matching(p, known)}
    return tuple(found.values())


def places(rented: Sequence[Instance], mix: Mix, times: TokenTimes) -> tuple[Place, ...]:
    """Return what the mix comes to on each, in their order."""
    return tuple(_place(i, mix, times) for i in rented)


def _place(instance: Instance, mix: Mix, times: TokenTimes) -> Place:
    sheet = sightings.sheet_of(instance)
    if isinstance(sheet, str):
        return _bare(instance, mix.dtype, sheet)
    on_cpu = sheet.kind == "cpu"
    network = registry.networks()[mix.workload]
    able = ACCELERATOR_DTYPE in network.workload.dtypes and not on_cpu
    dtype = ACCELERATOR_DTYPE if able else mix.dtype
    share = 1.0
    if on_cpu:
        cores, _ = cores_of(instance)
        if cores is None or not sheet.cores:
            return _bare(instance, dtype, "what share of its processor computes is not known")
        share = cores / sheet.cores
    target = token_places.there(sheet, dtype, share)
    if isinstance(target, str):
        return _bare(instance, dtype, target)
    source = token_places.here(times, mix.device)
    passes = Passes.of(network, ITEM_BYTES[mix.dtype])
    moved = token_places.carried(times, passes, source, target, ITEM_BYTES[dtype])
    short = token_places.room(moved, mix.slots, mix.limit, room_of(instance, sheet))
    if short is not None:
        return _bare(instance, dtype, short)
    told = token_places.told(
        moved,
        mix.flood,
        mix.slots,
        max(1, instance.n_accelerators),
        instance.usd_per_h,
        mix.hosted_usd_per_m,
        (mix.tokens, mix.output_tokens),
        source.kind == target.kind,
    )
    energy, no_energy = _energy(instance, sheet, told.requests_per_s, mix.tokens)
    return replace(
        _bare(instance, dtype, ""),
        requests_per_s=told.requests_per_s,
        token_s=told.token_s,
        cost=told.cost,
        energy=energy,
        reason=None,
        energy_reason=no_energy,
        basis="scaled",
        method=METHOD,
    )


def _energy(
    instance: Instance, sheet: DataSheet, rate: Estimate, tokens: float
) -> tuple[TokenEnergy | None, str | None]:
    power, why = instance_power.power(instance, sheet)
    if power is None:
        return None, why
    return token_costs.energy(power.active_w, power.covers, rate, tokens), None


def _bare(instance: Instance, dtype: str, why: str) -> Place:
    return Place(
        instance=instance.name,
        devices=devices_of(instance),
        dtype=dtype,
        usd_per_h=instance.usd_per_h,
        price_date=str(instance.date),
        requests_per_s=None,
        token_s=None,
        cost=None,
        energy=None,
        reason=why,
        energy_reason=why,
        basis=None,
        method=None,
    )
