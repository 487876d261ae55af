"""Rented machines as ways to carry out a plan: the measured step, scaled to what they have."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache

from hwbench import (
    data_sheets,
    here_way,
    instance_power,
    presets,
    published,
    scaling,
    scaling_efficiency,
)
from hwbench import scaled as scaled_facts
from hwbench.data_sheet import DataSheet
from hwbench.estimated import Assumption
from hwbench.here_way import Circumstances, disk_assumption
from hwbench.instance import Instance
from hwbench.measurement import Record
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


def source_of(step: Step) -> Sighting:
    """Return the measured step as what is scaled from.

    A device that has no data sheet here gets one of what the record's own kernels reached.
    """
    record, m = step.record, step.case
    device = next((d for d in record.devices if d.name == m.device), None)
    model = device.model if device else None
    if m.device == "cpu":
        model = record.environment.cpu.model
    found = data_sheets.find(model) if model else None
    share = 1.0
    if found is not None and found.kind == "cpu" and found.cores:
        share = min(1.0, record.environment.cpu.cores / found.cores)
    return Sighting(
        workload=m.name,
        dtype=m.dtype,
        sheet=found or reached(record, m.device, model),
        items_per_s=step.items_per_s,
        sigma_log=step.sigma_log,
        share_frac=share,
    )


# Of a data sheet's peaks what kernels reach; the judgement of methods, section 8.
REACHED_FLOPS_FRAC, REACHED_BYTES_FRAC = 0.8, 0.8


def reached(record: Record, device: str, model: str | None) -> DataSheet:
    """Return a data sheet made of the best that the record's kernels did on a device."""
    kernels = [
        m
        for m in record.measurements
        if m.kind == "kernel" and m.device == device and m.status == "ok"
    ]
    flops = [m.flops_per_s.point for m in kernels if m.flops_per_s and m.dtype == "float32"]
    moved = [m.bytes_per_s.point for m in kernels if m.bytes_per_s and m.name == "triad"]
    return DataSheet(
        name=model or device,
        vendor="unknown",
        kind="cpu" if device == "cpu" else "gpu",
        year=int(record.created_utc[:4]),
        bandwidth_bytes_per_s=max(moved) / REACHED_BYTES_FRAC if moved else None,
        peak_flops_per_s={"float32": max(flops) / REACHED_FLOPS_FRAC} if flops else {},
        cores=record.environment.cpu.cores,
        source="what the record's own kernels reached, over 0.8",
        date=_date(record),
        confidence="low",
    )


def _date(record: Record) -> date:
    return date.fromisoformat(record.created_utc[:10])


def ways(
    step: Step, instances: Sequence[Instance], around: Circumstances, dtype: str
) -> list[Ways | NoWay]:
    """Return each instance as a way, scaled from the step, in their order."""
    source = source_of(step)
    sheets = [_sheet(i) for i in instances]
    known = [s for s in sheets if isinstance(s, DataSheet)]
    unique = list({s.name: s for s in known}.values())
    gpus = [s for s in unique if s.kind != "cpu"]
    told = dict(zip((s.name for s in gpus), _predicted(step, source, gpus, dtype), strict=True))
    found: list[Ways | NoWay] = []
    for instance, sheet in zip(instances, sheets, strict=True):
        if isinstance(sheet, str):
            found.append(NoWay(name=instance.name, devices=_devices(instance), reason=sheet))
        elif sheet.kind == "cpu":
            share = _share(instance, sheet)
            scaled = _predicted(step, source, [sheet], dtype, share)[0]
            found.append(_way(step, instance, sheet, scaled, around))
        else:
            found.append(_way(step, instance, sheet, told[sheet.name], around))
    return found


def by_nearest(
    steps: Sequence[Step], instances: Sequence[Instance]
) -> list[tuple[Step, list[Instance]]]:
    """Return the instances with the step that each is scaled from: the nearest device's.

    The same device comes before one of its kind (accelerator or processor), that before any other;
    of equals the first. A GPU's step thus tells of GPUs although this machine has none.
    """
    found: list[tuple[Step, list[Instance]]] = [(s, []) for s in steps]
    sheets = [source_of(s).sheet for s in steps]
    for instance in instances:
        target = _sheet(instance)
        distances = [_distance(s, target) for s in sheets]
        found[distances.index(min(distances))][1].append(instance)
    return [(step, group) for step, group in found if group]


def _distance(source: DataSheet, target: DataSheet | str) -> int:
    if isinstance(target, str):
        return 0  # it has no figure whatever it is scaled from
    if source.name == target.name:
        return 0
    return 1 if (source.kind == "cpu") == (target.kind == "cpu") else 2


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
        share_frac=share,
    )


def _sheet(instance: Instance) -> DataSheet | str:
    """Return the data sheet of what computes, or why there is none."""
    if instance.accelerator is not None:
        known = {s.name: s for s in data_sheets.all_sheets()}
        found = known.get(instance.accelerator) or data_sheets.find(instance.accelerator)
        return found or f"no data sheet of {instance.accelerator} in the catalogue"
    if instance.cpu is None:
        return "its processor is not known"
    return data_sheets.find(instance.cpu) or f"no data sheet of {instance.cpu} in the catalogue"


def _devices(instance: Instance) -> tuple[str, ...]:
    if instance.accelerator is None:
        return (instance.cpu or "cpu",)
    return (instance.accelerator,) * instance.n_accelerators


def cores_of(instance: Instance) -> float | None:
    """Return the whole cores: a virtual CPU is half a one where that is not said otherwise."""
    if instance.vcpus is None:
        return None
    return instance.vcpus / (instance.vcpus_per_core or 2)


def _share(instance: Instance, sheet: DataSheet) -> float:
    cores = cores_of(instance)
    return 1.0 if cores is None or not sheet.cores else cores / sheet.cores


def _way(
    step: Step, instance: Instance, sheet: DataSheet, scaled: Scaled, around: Circumstances
) -> Ways | NoWay:
    devices = _devices(instance)
    if scaled.items_per_s is None or scaled.sigma_log is None:
        return NoWay(name=instance.name, devices=devices, reason=scaled.reason or scaled.basis)
    efficiency = scaling_efficiency.efficiency(
        sheet, len(devices), step.case.name, published.figures()
    )
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
    cores = cores_of(instance) or 1.0
    loader, loader_notes = here_way.loader_term(step, around, cores, 1.0, sheet.kind == "cpu")
    room = instance.accelerator_memory_bytes or sheet.memory_bytes
    if sheet.kind == "cpu":
        room = instance.memory_bytes
    power, no_power = instance_power.power(instance, sheet)
    floor = Factor.of_sigma("the extrapolation itself", around.floor.sd_log)
    return Ways(
        name=instance.name,
        provider=instance.provider,
        devices=devices,
        basis="scaled",
        batch_size=step.batch_size,
        step_s=step_s,
        step_factors=(*factors, floor),
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
        fits_memory=here_way.fits(step, room),
        assumptions=(
            *notes,
            *loader_notes,
            _boot(),
            _disk(),
            here_way.forward_assumption(),
            *instance_power.notes(power, sheet),
        ),
        warnings=_unmeasured(scaled),
    )


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
