"""Rented machines as ways to carry out a plan: the measured step, scaled to what they have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from hwbench import (
    data_sheets,
    here_way,
    instance_power,
    memory_fit,
    own_models,
    presets,
    published,
    scaling,
    scaling_efficiency,
    sightings,
    training_pace,
)
from hwbench import scaled as scaled_facts
from hwbench.data_sheet import DataSheet
from hwbench.estimate_figures import Assumption
from hwbench.here_way import Circumstances, disk_assumption
from hwbench.instance import Instance
from hwbench.montecarlo import Factor
from hwbench.scaled import Scaled, Sighting
from hwbench.scaling_table import Table
from hwbench.step_source import Step
from hwbench.ways import Ways

BOOT_S, BOOT_LOG = 180.0, 0.5  # from the order to the first command, and it is paid for
NETWORK_DISK_BYTES_PER_S = 250e6
JUDGED = here_way.JUDGED


@dataclass(frozen=True, kw_only=True)
class NoWay:
    """An instance on which the plan's time cannot be told, and why."""

    name: str
    devices: tuple[str, ...]
    reason: str


@cache
def table() -> Table:
    """Return the model of published throughput, fitted once a process."""
    return Table(published.figures(), {s.name: s for s in data_sheets.all_sheets()})


def ways(
    step: Step, instances: Sequence[Instance], around: Circumstances, dtype: str
) -> list[Ways | NoWay]:
    """Return each instance as a way, scaled from the step, in their order."""
    source = sightings.source_of(step)
    sheets = [sightings.sheet_of(i) for i in instances]
    known = [s for s in sheets if isinstance(s, DataSheet)]
    unique = list({s.name: s for s in known}.values())
    gpus = [s for s in unique if s.kind != "cpu"]
    told = dict(zip((s.name for s in gpus), _predicted(step, source, gpus, dtype), strict=True))
    found: list[Ways | NoWay] = []
    for instance, sheet in zip(instances, sheets, strict=True):
        if isinstance(sheet, str):
            found.append(NoWay(name=instance.name, devices=devices_of(instance), reason=sheet))
        elif not sheet.trains:
            why = f"the {sheet.name} is made for inference alone"
            found.append(NoWay(name=instance.name, devices=devices_of(instance), reason=why))
        elif sheet.kind == "cpu":
            found.append(_of_processor(step, source, instance, sheet, dtype, around))
        else:
            found.append(_way(step, instance, sheet, told[sheet.name], around, dtype))
    return found


def _of_processor(
    step: Step,
    source: Sighting,
    instance: Instance,
    sheet: DataSheet,
    dtype: str,
    around: Circumstances,
) -> Ways | NoWay:
    """Return an instance that computes on its processor, by its share of the whole one's cores."""
    cores, _ = cores_of(instance)
    if cores is None or not sheet.cores:
        whose = "the instance" if cores is None else f"a whole {sheet.name}"
        reason = f"how many cores {whose} has is not known, nor what share of them computes"
        return NoWay(name=instance.name, devices=devices_of(instance), reason=reason)
    scaled = _predicted(step, source, [sheet], dtype, cores / sheet.cores)[0]
    return _way(step, instance, sheet, scaled, around, dtype, cores / sheet.cores)


def _predicted(
    step: Step, source: Sighting, sheets: list[DataSheet], dtype: str, share: float = 1.0
) -> list[Scaled]:
    return scaling.predict_all(
        source,
        sheets,
        workload=step.case.name,
        dtype=dtype,
        flops_per_item=step.flops_per_item,
        table=table(),
        kind=own_models.kind_of(step.case.name),
        share_frac=share,
    )


def devices_of(instance: Instance) -> tuple[str, ...]:
    """Return what of an instance computes, by name."""
    if instance.accelerator is None:
        return (instance.cpu or "cpu",)
    return (instance.accelerator,) * instance.n_accelerators


HALF = Assumption(
    name="cores of a virtual CPU",
    value=0.5,
    unit="cores",
    source=f"{JUDGED}: hyper-threads; the catalogue does not say",
)


def cores_of(instance: Instance) -> tuple[float | None, tuple[Assumption, ...]]:
    """Return the whole cores, and what was assumed; None where the virtual CPUs are not known."""
    if instance.vcpus is None:
        return None, ()
    if instance.vcpus_per_core is not None:
        return instance.vcpus / instance.vcpus_per_core, ()
    return instance.vcpus / 2, (HALF,)


def _way(
    step: Step,
    instance: Instance,
    sheet: DataSheet,
    scaled: Scaled,
    around: Circumstances,
    dtype: str,
    share: float = 1.0,
) -> Ways | NoWay:
    devices = devices_of(instance)
    if scaled.items_per_s is None or scaled.sigma_log is None:
        return NoWay(name=instance.name, devices=devices, reason=scaled.reason or scaled.basis)
    efficiency = scaling_efficiency.efficiency(
        sheet,
        len(devices),
        step.case.name,
        published.figures(),
        kind=own_models.kind_of(step.case.name),
    )
    room = room_of(instance, sheet)
    fitted, shards = memory_fit.fits(step, room), 1
    if fitted is False and len(devices) > 1 and memory_fit.fits(step, room, len(devices)):
        fitted, shards = True, len(devices)
        efficiency = scaling_efficiency.sharded(efficiency)
    if efficiency.point is None or efficiency.sigma_log is None:
        return NoWay(name=instance.name, devices=devices, reason=efficiency.basis)
    step_s = step.batch_size / scaled.items_per_s.point / efficiency.point
    factors = [Factor.of_sigma(f"scaling to the {sheet.name}", scaled.sigma_log)]
    notes = [
        *(_noted(a) for a in scaled.assumptions),
        Assumption(name="step", value=step_s, unit="s", source=scaled.basis),
    ]
    if len(devices) > 1:
        factors.append(
            Factor.of_sigma(f"efficiency of {len(devices)} devices", efficiency.sigma_log)
        )
        notes.append(
            Assumption(
                name="efficiency of scaling",
                value=efficiency.point,
                unit="fraction",
                source=f"{efficiency.basis} ({efficiency.source})",
            )
        )
    cores, core_notes = cores_of(instance)
    loader, loader_notes = here_way.loader_term(step, around, cores, sheet.kind == "cpu")
    power, no_power = instance_power.power(instance, sheet)
    floor = Factor.of_sigma("the extrapolation itself", around.floor.sd_log)
    return Ways(
        name=instance.name,
        provider=instance.provider,
        devices=devices,
        basis="scaled",
        batch_size=step.batch_size,
        step_s=step_s,
        step_factors=tuple(factors),
        floor=floor,
        loader=loader,
        setup_s=BOOT_S + step.setup_s,
        compile_s=step.compile_s,
        start_factors=(Factor.of_sigma("starting the instance", BOOT_LOG),),
        evaluation_item_s=step_s / step.batch_size * here_way.FORWARD_FRAC,
        checkpoint_bytes=here_way.checkpoint_bytes_of(step.case.name),
        write_bytes_per_s=NETWORK_DISK_BYTES_PER_S,
        read_bytes_per_s=NETWORK_DISK_BYTES_PER_S,
        io_factors=(Factor.of_sigma("the disk", here_way.DISK_LOG),),
        memory_bytes=instance.memory_bytes,
        power=power,
        no_power=no_power,
        room_bytes=room,
        fits_memory=fitted,
        assumptions=(
            *notes,
            *core_notes,
            *loader_notes,
            _boot(),
            _disk(),
            here_way.forward_assumption(),
            *instance_power.notes(power, sheet),
        ),
        peak=training_pace.peak_of(sheet, dtype, share),
        shards=shards,
        warnings=_unmeasured(scaled),
    )


def room_of(instance: Instance, sheet: DataSheet) -> float | None:
    """Return the memory of one device of an instance, in bytes; of a processor the host's."""
    if sheet.kind == "cpu":
        return instance.memory_bytes
    return instance.accelerator_memory_bytes or sheet.memory_bytes


def rented(way: Ways) -> Ways:
    """Return a measured instance with the time that it takes to start, which is paid for."""
    return replace(way, setup_s=way.setup_s + BOOT_S, assumptions=(*way.assumptions, _boot()))


def _unmeasured(scaled: Scaled) -> tuple[str, ...]:
    """Return the warning that nobody has measured how far such a scaling is off."""
    first = scaled.basis.split("; ")[0]
    return (first,) if "no accuracy measured" in first else ()


def _noted(a: scaled_facts.Assumption) -> Assumption:
    return Assumption(
        name=a.name,
        value=a.value,
        unit=a.unit,
        source=a.source,
        date=str(a.date) if a.date else None,
    )


def _boot() -> Assumption:
    return Assumption(
        name="starting the instance",
        value=BOOT_S,
        unit="s",
        source=f"{JUDGED}: from the order to the first command, within a factor of two",
    )


def _disk() -> Assumption:
    told = disk_assumption()
    return Assumption(
        name=told.name, value=NETWORK_DISK_BYTES_PER_S, unit=told.unit, source=told.source
    )


def pue_of(instance: Instance) -> tuple[float, Assumption]:
    """Return the provider's PUE, else that of large data centres, as an assumption."""
    if instance.pue is not None:
        told = f"the provider's figure ({instance.provider})"
        return instance.pue, Assumption(name="PUE", value=instance.pue, unit="ratio", source=told)
    preset = presets.pue("hyperscale")
    return preset.value, Assumption(
        name="PUE",
        value=preset.value,
        unit="ratio",
        source=preset.source,
        date=str(preset.date),
    )
