"""How long an estimate of the whole catalogue takes, after start-up: 50 sizes, 4 purchases.

The record is made up: a step of ResNet-50 on a processor, which is scaled to every instance. What
is read once a process - catalogue, data sheets, the table of published throughput - is start-up.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure, parser, show
from hwbench import planning, store, summary
from hwbench.case import Case
from hwbench.device import Cpu, Device, Environment
from hwbench.estimate import estimate
from hwbench.estimate_plan import Money, Request
from hwbench.estimated import EstimateFile
from hwbench.measurement import SCHEMA, Protocol, Record, Sample
from hwbench.protocol import VisitResult

SIZES, PURCHASES = 50, ("on-demand", "spot", "reserved", "hosted")
TARGET_S = 1.0
TIMES = 5
STEP_S, BATCH = 0.8, 4


def record() -> Record:
    """Return a record of one training step on a processor."""
    case = Case(
        kind="workload",
        name="resnet50",
        version=1,
        phase="training",
        scenario="train_step",
        runtime="torch",
        device="cpu",
        dtype="float32",
        batch_size=BATCH,
        shape={"image": 224},
    )
    protocol = Protocol(
        rounds=5,
        visit_s=2.5,
        visit_limit_s=60.0,
        min_samples=5,
        fresh_processes=True,
        threads=2,
        max_seconds=None,
        seed=1,
    )
    planned = planning.PlannedCase(case=case, work=planning.work(case), skip=None)
    visits = [_visit(case, n) for n in range(protocol.rounds)]
    cpu = Cpu(model="a processor", cores=2, threads=2, isa=())
    return Record(
        schema=SCHEMA,
        id="made-up",
        created_utc="2026-11-25T00:00:00+00:00",
        hwbench_version="0",
        profile="standard",
        argv=(),
        duration_s=60.0,
        protocol=protocol,
        environment=Environment(
            hostname="",
            machine_id="none",
            os="Linux",
            kernel="",
            python="",
            packages={},
            cpu=cpu,
            memory_bytes=24 << 30,
        ),
        devices=(Device(name="cpu", kind="cpu", index=0),),
        meters=(),
        measurements=(summary.measurement(planned, visits, protocol),),
    )


def _visit(case: Case, number: int) -> VisitResult:
    walls_s = [STEP_S * (1 + 0.01 * (number + i % 2)) for i in range(5)]
    samples = tuple(
        Sample(loops=1, wall_s=w, start_s=float(number), round=number, process=number)
        for w in walls_s
    )
    return VisitResult(
        id=case.id, status="ok", round=number, process=number, samples=samples, took_s=5.0
    )


@contextlib.contextmanager
def _alone() -> Iterator[Path]:
    """Be where no history, no update and no other record is."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("HWBENCH_STATE", "HWBENCH_CACHE", "HOME")
        before = {n: os.environ.get(n) for n in names}
        os.environ.update(dict.fromkeys(names, folder))
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def figures(options: argparse.Namespace) -> list[Figure]:
    """Estimate the catalogue again and again; the first time is start-up."""
    with _alone() as folder:
        path = folder / "record.json"
        store.save(record(), path)
        request = Request(
            records=(path,),
            workload="resnet50",
            samples=1_280_000,
            epochs=90.0,
            on=("aws:g5*",) if options.tiny else ("all",),
            purchases=PURCHASES,
            region="FR",
            deadline_s=3 * 86400.0,
            curve_sizes=SIZES,
            measure=False,
            money=Money(reserved_discount_frac=0.4, hosted_usd_per_h=5.0),
        )
        took = [_timed(request) for _ in range(2 if options.tiny else TIMES)]
    first_s, _ = took[0]
    times = sorted(s for s, _ in took[1:])
    rows = len(took[0][1].rows)
    middle = times[len(times) // 2]
    name = f"estimate of {rows} rows x {SIZES} sizes"
    return [
        Figure(
            name=name,
            measured=f"{middle:.2f} s ({times[0]:.2f}..{times[-1]:.2f})",
            target=f"<= {TARGET_S:g} s",
            met=None if options.tiny else middle <= TARGET_S,
        ),
        Figure(name=f"{name}, start-up included", measured=f"{first_s:.2f} s"),
    ]


def _timed(request: Request) -> tuple[float, EstimateFile]:
    start = time.perf_counter()
    found = estimate(request)
    return time.perf_counter() - start, found


def main() -> None:
    """Measure."""
    chosen = parser(__doc__).parse_args()
    show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
