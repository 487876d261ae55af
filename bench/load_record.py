"""How long a record of 1,000 measurements takes to load, every field checked."""

import argparse
import tempfile
import time
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from bench.figure import Figure, parser, show
from hwbench import store
from hwbench.measurement import Measurement, Record
from hwbench.stats import median

MEASUREMENTS = 1000
SAMPLES = 60  # of a measurement that is made up
LIMIT_S = 0.5
RESULTS = Path(__file__).parent.parent / "results"


def grown(record: Record) -> Record:
    """Return the record with its finished measurements repeated under ids of their own."""
    finished = [m for m in record.measurements if m.status == "ok"]
    many = islice(cycle(finished), MEASUREMENTS)
    return replace(
        record, measurements=tuple(replace(m, id=f"{m.id}#{i}") for i, m in enumerate(many))
    )


def newest() -> tuple[Record, str]:
    """Return the newest record in results/, or one that is made up, and which it is."""
    files = sorted(RESULTS.glob("*.json"), key=lambda p: p.stat().st_mtime)
    for path in reversed(files):
        record = store.load(path)
        if any(m.status == "ok" for m in record.measurements):
            return record, path.name
    return made_up(), "made up"


def made_up() -> Record:
    """Return a record of one case as a run would leave it, with times that nobody measured."""
    from hwbench import host, planning, summary
    from hwbench.case import Case
    from hwbench.measurement import SCHEMA, Memory, Protocol, Sample
    from hwbench.planning import PlannedCase
    from hwbench.protocol import VisitResult

    case = Case(
        kind="workload",
        name="resnet18",
        version=1,
        phase="inference",
        scenario="offline",
        runtime="torch",
        device="cpu",
        dtype="float32",
        batch_size=8,
        shape={"image": 224},
    )
    protocol = Protocol(
        rounds=2,
        visit_s=1.0,
        visit_limit_s=90.0,
        min_samples=5,
        fresh_processes=True,
        threads=2,
        max_seconds=None,
        seed=1,
    )
    visits = [
        VisitResult(
            id=case.id,
            status="ok",
            round=r,
            process=r,
            samples=tuple(
                Sample(loops=1, wall_s=0.01 + 1e-6 * i, start_s=r + 0.01 * i, round=r, process=r)
                for i in range(SAMPLES // 2)
            ),
            memory=Memory(host=10**8, device=None),
        )
        for r in range(2)
    ]
    planned = PlannedCase(case=case, work=planning.work(case))
    measured: Measurement = summary.measurement(planned, visits, protocol)
    return Record(
        schema=SCHEMA,
        id="made-up",
        created_utc="1970-01-01T00:00:00+00:00",
        hwbench_version="0",
        profile="none",
        argv=(),
        duration_s=2.0,
        protocol=protocol,
        environment=host.environment(),
        devices=(),
        meters=(),
        measurements=(measured,),
    )


def figures(options: argparse.Namespace) -> list[Figure]:
    """Write the large record, and load it several times."""
    record, source = newest()
    large = grown(record)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.json"
        store.save(large, path)
        size_bytes = path.stat().st_size
        times_s = [_loaded_in(path) for _ in range(2 if options.tiny else 7)]
    n = sum(len(m.samples) for m in large.measurements)
    about = f"{MEASUREMENTS} of {source}: {n} samples, {size_bytes / 1e6:.1f} MB"
    return [
        Figure(
            name=f"load a record ({about})",
            measured=f"{median(times_s):.3f} s",
            target=f"< {LIMIT_S} s",
            met=median(times_s) < LIMIT_S,
        )
    ]


def _loaded_in(path: Path) -> float:
    start = time.perf_counter()
    store.load(path)
    return time.perf_counter() - start


def main() -> None:
    """Measure."""
    chosen = parser(__doc__).parse_args()
    show(figures(chosen), chosen.json)


if __name__ == "__main__":
    main()
