"""Measures a loader alone: rounds in a child that trains nothing."""

import datetime
import time
from pathlib import Path

from hwbench import (
    coldness,
    data_found,
    data_made,
    disk_speed,
    host,
    loaders,
    registry,
    stats,
)
from hwbench.dataset import Loading, Residence
from hwbench.loaders import Loaded
from hwbench.loop import LoopCase, LoopPart
from hwbench.loop_asking import LoopChild
from hwbench.probing import Spawn
from hwbench.progress import Progress

ROUNDS, ROUND_S = 4, 1.0


def measure(
    workload: str,
    data: Path | None,
    image_px: tuple[int, int] | None,
    residence: Residence,
    runtime: str,
    batch_size: int,
    progress: Progress,
    spawn: Spawn,
) -> Loaded:
    """Drain the loader of a network's data; raise BadInput, Unavailable, LoopFailed, ChildFailed.

    The disk is timed as well: reading the data cold, and writing where the command was given.
    One process without workers: what it takes is core-seconds too, and more of them decode as
    many times faster, as far as there are cores.
    """
    network = registry.networks()[workload]
    dataset = (
        data_found.dataset_at(data, network)
        if data
        else data_made.dataset_for(network, size=image_px)
    )
    progress.note(f"measuring the loader: {dataset.description}")
    environment = host.environment()
    case = LoopCase(
        workload=workload,
        runtime=runtime,
        device="cpu",
        dtype="float32",
        batch_size=min(batch_size, dataset.items),
        loading=Loading(dataset=dataset, residence=residence),
    )
    child = LoopChild(case, 0, 1, 0, spawn, progress.tick)
    try:
        done = []
        for _ in range(ROUNDS):
            drained = child.part(LoopPart(what="drain", seconds=ROUND_S)).drained
            assert drained is not None
            done.append(drained)
    finally:
        child.end()
    items = sum(d.items for d in done)
    logs = stats.logarithms([d.wall_s / max(1, d.items) for d in done])
    now = datetime.datetime.now(datetime.UTC)
    return Loaded(
        machine=environment.machine_id,
        workload=workload,
        description=dataset.description,
        path=loaders.source_of(data, image_px),
        residence=residence,
        item_s=sum(d.wall_s for d in done) / items,
        cpu_s=sum(d.cpu_s for d in done) / items,
        item_bytes=dataset.item_bytes,
        sd_log=stats.standard_deviation(logs),
        cores=environment.cpu.cores,
        at_s=time.time(),
        date=f"{now:%Y-%m-%d}",
        read_bytes_per_s=coldness.cold_bytes_per_s(dataset),
        write_bytes_per_s=disk_speed.write_bytes_per_s(Path.cwd()),
    )
