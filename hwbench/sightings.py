"""What a step is scaled from, and to: the data sheets of the record's device and of an instance."""

from collections.abc import Sequence
from datetime import date

from hwbench import data_sheets
from hwbench.data_sheet import DataSheet
from hwbench.instance import Instance
from hwbench.measurement import Record
from hwbench.scaled import Sighting
from hwbench.step_source import Step


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
        target = sheet_of(instance)
        distances = [_distance(s, target) for s in sheets]
        found[distances.index(min(distances))][1].append(instance)
    return [(step, group) for step, group in found if group]


def _distance(source: DataSheet, target: DataSheet | str) -> int:
    if isinstance(target, str):
        return 0  # it has no figure whatever it is scaled from
    if source.name == target.name:
        return 0
    return 1 if (source.kind == "cpu") == (target.kind == "cpu") else 2


def sheet_of(instance: Instance) -> DataSheet | str:
    """Return the data sheet of what computes, or why there is none."""
    if instance.accelerator is not None:
        known = {s.name: s for s in data_sheets.all_sheets()}
        found = known.get(instance.accelerator) or data_sheets.find(instance.accelerator)
        return found or f"no data sheet of {instance.accelerator} in the catalogue"
    if instance.cpu is None:
        return "its processor is not known"
    return data_sheets.find(instance.cpu) or f"no data sheet of {instance.cpu} in the catalogue"
