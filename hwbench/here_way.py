"""The machine that a record was measured on, as a way to carry out a plan."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hwbench import memory_fit, parameter_bytes, sightings, training_pace
from hwbench.estimate_figures import Assumption
from hwbench.loaders import Loaded
from hwbench.montecarlo import Factor
from hwbench.step_power import StepPower
from hwbench.step_source import Step
from hwbench.validations_floor import Floor
from hwbench.ways import LoaderTerm, PowerTerm, Ways

MEASURED_ONCE_LOG = 0.3  # of starting a process and the like: methodology
# Bytes a second of a disk that was not measured: a wide guess, and said to be one.
DISK_BYTES_PER_S, DISK_LOG = 500e6, 0.7
FORWARD_FRAC = 1 / 3  # of a training step: forward against backward 1 : 2
JUDGED = "hwbench's judgement"


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What the user says, or leaves to be assumed, of how the plan is carried out."""

    name: str
    provider: str | None
    loader: Loaded | None
    no_loader: str | None
    workers: int | None
    floor: Floor


def way_here(step: Step, around: Circumstances) -> Ways:
    """Return the machine of the step's record: its basis is `measured`."""
    record, m = step.record, step.case
    loader, loader_notes = loader_term(step, around, _cores(step), m.device == "cpu")
    power, no_power = power_term(step)
    checkpoint_bytes = checkpoint_bytes_of(m.name)
    floor = Factor.of_sigma("the extrapolation itself", around.floor.sd_log)
    disk = _disk(step, around.loader)
    source = sightings.source_of(step)
    evaluation_item_s, evaluation_notes = _evaluation(step)
    assumptions = [
        *step.assumptions,
        *evaluation_notes,
        *loader_notes,
        *_power_notes(step),
        *disk.notes,
        Assumption(
            name="the extrapolation itself",
            value=around.floor.sd_log,
            unit="standard deviation of ln(time)",
            source=around.floor.basis,
        ),
    ]
    return Ways(
        name=around.name,
        provider=around.provider,
        devices=(m.device,),
        basis=step.basis,
        batch_size=step.batch_size,
        step_s=step.step_s,
        step_factors=step.factors,
        floor=floor,
        loader=loader,
        setup_s=step.setup_s,
        compile_s=step.compile_s,
        start_factors=(Factor.of_sigma("starting", MEASURED_ONCE_LOG),),
        evaluation_item_s=evaluation_item_s,
        checkpoint_bytes=checkpoint_bytes,
        write_bytes_per_s=disk.write_bytes_per_s,
        read_bytes_per_s=disk.read_bytes_per_s,
        io_factors=(Factor.of_sigma("the disk", disk.sigma_log),),
        memory_bytes=record.environment.memory_bytes,
        power=power,
        no_power=no_power,
        room_bytes=room_of(step),
        fits_memory=memory_fit.fits_here(step, room_of(step)),
        assumptions=tuple(assumptions),
        peak=training_pace.peak_of(source.sheet, m.dtype, source.share_frac),
        warnings=step.warnings,
    )


@dataclass(frozen=True, kw_only=True)
class _Disk:
    """A disk's speeds, how far they may be off, and what of them is assumed."""

    read_bytes_per_s: float
    write_bytes_per_s: float
    sigma_log: float
    notes: tuple[Assumption, ...]


def _disk(step: Step, loaded: Loaded | None) -> _Disk:
    """Return the machine's disk as it was timed with its loader, else as it is assumed."""
    mine = loaded is not None and loaded.machine == step.record.environment.machine_id
    read = loaded.read_bytes_per_s if loaded is not None and mine else None
    write = loaded.write_bytes_per_s if loaded is not None and mine else None
    known = read is not None and write is not None
    return _Disk(
        read_bytes_per_s=read or DISK_BYTES_PER_S,
        write_bytes_per_s=write or DISK_BYTES_PER_S,
        sigma_log=MEASURED_ONCE_LOG if known else DISK_LOG,
        notes=() if known else (disk_assumption(),),
    )


def _evaluation(step: Step) -> tuple[float, tuple[Assumption, ...]]:
    """Return the seconds of one item's forward pass, measured or by the step's."""
    if step.evaluation_item_s is not None:
        return step.evaluation_item_s, ()
    return step.step_s / step.batch_size * FORWARD_FRAC, (forward_assumption(),)


def forward_assumption() -> Assumption:
    """Return the share of a training step that its forward pass takes, as it is assumed."""
    return Assumption(
        name="evaluation",
        value=FORWARD_FRAC,
        unit="of a training step's time an item",
        source="forward against backward pass 1 : 2, by operations",
    )


def _cores(step: Step) -> int:
    return step.record.environment.cpu.cores


def room_of(step: Step) -> float | None:
    """Return the memory of the device that a step was measured on, in bytes."""
    device = next((d for d in step.record.devices if d.name == step.case.device), None)
    return device.memory_bytes if device else None


def disk_assumption() -> Assumption:
    """Return the disk's speed as it is assumed, for checkpoints and the first reading."""
    return Assumption(
        name="speed of the disk",
        value=DISK_BYTES_PER_S,
        unit="bytes/s",
        source=f"{JUDGED}, within a factor of two either way",
    )


def checkpoint_bytes_of(name: str) -> float:
    """Return the bytes of a checkpoint: float32 weights and the optimiser's moments of each."""
    words = 1 + parameter_bytes.moments_of(name)
    return float(parameter_bytes.parameters_of(name) * words * parameter_bytes.WORD_BYTES)


def loader_term(
    step: Step, around: Circumstances, cores: float | None, on_cpu: bool
) -> tuple[LoaderTerm | None, Sequence[Assumption]]:
    """Return the loader on `cores` like those that it was measured on.

    On a processor without workers the step waits; with them both share the cores. Beside an
    accelerator as many workers as cores decode ahead.
    """
    loaded = around.loader
    if loaded is None or cores is None:
        why = around.no_loader or "not measured"
        if loaded is not None:
            why = "how many cores would run it is not known"
        note = Assumption(
            name="loader", value=None, unit="", source=f"taken to keep up with the step: {why}"
        )
        return None, (note,)
    cpu = loaded.cpu_s
    workers = around.workers if around.workers is not None else (0 if on_cpu else math.ceil(cores))
    alone = max(loaded.item_s, loaded.cpu_s)
    item_s = alone if workers == 0 else cpu / min(workers, cores)
    overlap = "serial" if workers == 0 else ("shared" if on_cpu else "beside")
    factors = [Factor.of_sigma("loader", max(loaded.sd_log, 0.02))]
    if cores != loaded.cores:
        factors.append(Factor.of_sigma("loader on other cores", 0.3))
    note = Assumption(
        name="loader",
        value=item_s,
        unit="s an item",
        source=f"{loaded.description}, measured here on {loaded.date};"
        + (" in the loop" if workers == 0 else f" {workers} workers"),
        date=loaded.date,
    )
    term = LoaderTerm(
        item_s=item_s,
        item_cpu_s=cpu,
        overlap=overlap,  # type: ignore[arg-type]
        cores=cores,
        step_cores=min(cores, step.record.protocol.threads) if on_cpu else 0.0,
        factors=tuple(factors),
    )
    return term, (note,)


def power_term(step: Step) -> tuple[PowerTerm | None, str | None]:
    """Return the power of the record's own meters, or why there is none."""
    p = step.power
    if p is None:
        return None, step.no_power
    factor = Factor.of_interval(
        "power", p.active_w, max(1e-9, min(p.low_w, p.active_w)), max(p.high_w, p.active_w), 0.95
    )
    idle = p.idle_w if p.idle_w is not None else p.active_w
    whole = p.wall_factor or 1.0
    return (
        PowerTerm(
            active_w=p.active_w * whole,
            idle_w=min(idle, p.active_w) * whole,
            peak_w=None if p.peak_w is None else p.peak_w * whole,
            factors=(factor,),
            measured=p.measured and p.wall_factor is None,
            covers=_covers(p),
        ),
        None,
    )


def _covers(p: StepPower) -> str:
    covers = " + ".join(_PARTS.get(x, x) for x in p.parts) or "no part"
    if not p.measured:
        covers += ", partly modelled"
    if p.wall_factor is not None:
        return f"{covers}, times {p.wall_factor:g} for the whole machine (--wall-factor)"
    return covers if "wall" in p.parts else f"{covers}, not the wall"


def _power_notes(step: Step) -> tuple[Assumption, ...]:
    p = step.power
    if p is None:
        return ()
    found = []
    if p.wall_factor is not None:
        found.append(
            Assumption(
                name="the whole machine's power",
                value=p.wall_factor,
                unit="of its metered parts",
                source="--wall-factor of the record: assumed",
            )
        )
    if p.idle_w is None:
        found.append(
            Assumption(
                name="idle power",
                value=p.active_w,
                unit="W",
                source="the step's own: the record has none of the idle machine",
            )
        )
    return tuple(found)


_PARTS = {"gpu": "GPU", "cpu": "CPU", "dram": "DRAM", "wall": "the wall"}
