"""hwbench's early stopping and its server scenario against MLPerf's LoadGen (mlcommons-loadgen).

Counts: LoadGen refuses an estimate at one query fewer than hwbench asks for, and gives one at that
count. Estimate: both over the same queries of one network, LoadGen's latencies against service
times taken inside the same calls. Server: what hwbench finds for a network is run by LoadGen at
0.9 times the highest rate that passed and at 1.2 times the lowest that failed.
Nothing here is an MLPerf result: the queries are a thousandth of a submission's.
"""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import programs
from bench.figure import Figure, parser, show
from hwbench import early_stopping, timing
from hwbench.server_search import ServerSearch

PERCENTILES = (0.90, 0.95, 0.97, 0.99)
QUERIES = 2_000
BOUND_SERVICES = 20  # the latency bound, in median service times
BUDGET_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """What LoadGen's summary says."""

    text: str

    def estimate_s(self, percentile: float) -> float | None:
        """Return the early-stopping estimate, None where LoadGen gives none."""
        name = rf"Early stopping {percentile * 100:.1f}th percentile estimate: (\d+)"
        found = re.search(name, self.text)
        return int(found[1]) / 1e9 if found else None

    @property
    def needed(self) -> int | None:
        """Return how many queries LoadGen says that it needs."""
        found = re.search(r"Need to process at least (\d+) queries for early stopping", self.text)
        return int(found[1]) if found else None

    @property
    def discarded(self) -> int | None:
        """Return how many of the highest latencies LoadGen drops before its estimate."""
        found = re.search(r"Would discard (\d+) highest latency queries", self.text)
        return int(found[1]) if found else None

    @property
    def early_stopping_passed(self) -> bool:
        """Return whether the early stopping of a server run was satisfied."""
        return "Early stopping satisfied: Yes" in self.text


def run(serve: Callable[[], Any], queries: int, **settings: Any) -> Run:
    """Have LoadGen send `queries` to `serve` under `settings` (names of its TestSettings)."""
    import mlperf_loadgen as loadgen

    def issue(samples: Any) -> None:
        for sample in samples:
            serve()
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0)])

    chosen = loadgen.TestSettings()
    chosen.mode = loadgen.TestMode.PerformanceOnly
    chosen.min_query_count = chosen.max_query_count = queries
    chosen.min_duration_ms = 0
    for name, value in settings.items():
        setattr(chosen, name, value)
    with tempfile.TemporaryDirectory() as folder:
        logs = loadgen.LogSettings()
        logs.log_output = loadgen.LogOutputSettings()
        logs.log_output.outdir = folder
        logs.enable_trace = False
        sut = loadgen.ConstructSUT(issue, lambda: None)
        library = loadgen.ConstructQSL(1_024, 1_024, lambda _: None, lambda _: None)
        loadgen.StartTestWithLogSettings(sut, library, chosen, logs)
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(sut)
        return Run(text=(Path(folder) / "mlperf_log_summary.txt").read_text())


def single_stream(serve: Callable[[], Any], queries: int, percentile: float) -> Run:
    """Run LoadGen's SingleStream."""
    import mlperf_loadgen as loadgen

    return run(
        serve,
        queries,
        scenario=loadgen.TestScenario.SingleStream,
        single_stream_target_latency_percentile=percentile,
    )


def server(serve: Callable[[], Any], queries: int, rate_per_s: float, bound_s: float) -> Run:
    """Run LoadGen's Server at a rate; it serves in the thread that issues, one at a time."""
    import mlperf_loadgen as loadgen

    return run(
        serve,
        queries,
        scenario=loadgen.TestScenario.Server,
        server_target_qps=rate_per_s,
        server_target_latency_ns=round(bound_s * 1e9),
        server_target_latency_percentile=0.99,
        server_coalesce_queries=False,
    )


def counts() -> Figure:
    """Hold the least counts of queries against those that LoadGen works by."""
    told = []
    for percentile in PERCENTILES:
        ours = early_stopping.queries_needed(percentile)
        fewer = single_stream(lambda: None, ours - 1, percentile)
        enough = single_stream(lambda: None, ours, percentile)
        same = fewer.needed == ours and enough.estimate_s(percentile) is not None
        told.append((percentile, ours, fewer.needed, same))
    text = ", ".join(f"p{round(p * 100)} {ours}/{theirs}" for p, ours, theirs, _ in told)
    return Figure(
        name="early stopping: queries needed, hwbench / LoadGen",
        measured=text,
        target="equal",
        met=all(same for *_, same in told),
    )


def estimates(step: Callable[[], None], queries: int) -> Figure:
    """Hold the p90 of the same queries against LoadGen's."""
    services_s: list[float] = []

    def serve() -> None:
        start = time.perf_counter()
        step()
        services_s.append(time.perf_counter() - start)

    told = single_stream(serve, queries, 0.90)
    theirs = told.estimate_s(0.90)
    ours = early_stopping.estimate(services_s, 0.90)
    same = ours.over is not None and told.discarded == ours.over - 1
    ratio = ours.value_s / theirs if ours.value_s and theirs else 0.0
    return Figure(
        name=f"single_stream p90 of the same {len(services_s)} queries, hwbench / LoadGen",
        measured=f"{ratio:.4f}, {(ours.over or 0) - 1}/{told.discarded} dropped",
        target="0.95..1.00, equal",  # LoadGen's latency holds its own call and completion too
        met=same and 0.95 <= ratio <= 1.0,
    )


def servers(step: Callable[[], None], budget_s: float) -> list[Figure]:
    """Search with hwbench, then run LoadGen below and above what was found."""
    services_s = []
    for _ in range(200):
        start = time.perf_counter()
        step()
        services_s.append(time.perf_counter() - start)
    bound_s = BOUND_SERVICES * sorted(services_s)[100]
    with timing.quiet_collector():
        found = ServerSearch(
            serve=step,
            services_s=services_s,
            bound_s=bound_s,
            budget_s=budget_s,
            clock=time.perf_counter,
            sleep=time.sleep,
        ).run()
    name = f"server, p99 within {bound_s:.3g} s"
    if found.rate_per_s is None or found.high_per_s is None:
        return [Figure(name=name, measured=f"no rate: {found.reason}", met=None)]
    queries = found.trials[-1].planned
    figures = [
        Figure(
            name=name,
            measured=f"{found.rate_per_s:.4g}..{found.high_per_s:.4g}/s ({found.ended})",
        )
    ]
    for factor, rate, passes in ((0.9, found.rate_per_s, True), (1.2, found.high_per_s, False)):
        told = server(step, queries, factor * rate, bound_s).early_stopping_passed
        figures.append(
            Figure(
                name=f"LoadGen at {factor} x {rate:.4g}/s, {queries} queries",
                measured="passes" if told else "fails",
                target="passes" if passes else "fails",
                met=told == passes,
            )
        )
    return figures


def main() -> None:
    """Hold counts, estimates and the server scenario against LoadGen, in this process."""
    options = parser(__doc__)
    options.add_argument("--device", default="cpu", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    network = "mlp_small" if chosen.tiny else "resnet18_small"
    program = programs.inference("torch", network, 1, None, chosen.device)

    def step() -> None:
        program.wait(program.step())

    for _ in range(20):
        step()
    queries, budget_s = (200, 5.0) if chosen.tiny else (QUERIES, BUDGET_S)
    show([counts(), estimates(step, queries), *servers(step, budget_s)], chosen.json)


if __name__ == "__main__":
    main()
