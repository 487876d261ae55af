"""`make gpu-check`: what fakes cannot tell, on a machine with an NVIDIA GPU. Three minutes.

A steady load by the energy counter and by integrated power: within 5 %. Idle power: between 1 and
50 % of the limit. A case's energy above idle, measured twice: within 3 %. Exit
status 1 where a figure misses its target, or no GPU is there to be measured.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.figure import Figure, parser, show
from hwbench import metering, nvml
from hwbench.sampler import Sampler

LOAD_S, IDLE_S, RISE_S = 30.0, 20.0, 3.0
START_S = 20.0  # that torch may take to be at work
AGREE_FRAC, REPEAT_FRAC = 0.05, 0.03
COUNTER, POWER = "nvml/cuda:0", "nvml-power/cuda:0"
LOAD = (
    "import sys, time, torch\n"
    "a = torch.randn(8192, 8192, device='cuda', dtype=torch.bfloat16)\n"
    "end = time.time() + float(sys.argv[1])\n"
    "while time.time() < end:\n"
    "    for _ in range(10): a @ a\n"
    "    torch.cuda.synchronize()\n"
)
CASE = (
    "run",
    "--profile",
    "quick",
    "--model",
    "resnet18",
    "--runtime",
    "torch",
    "--device",
    "cuda",
)
ONLY = ("--only", "workload/*training*", "--processes", "1")


def figures() -> Iterator[Figure]:
    """Yield the figures of a machine with a GPU."""
    names = [f.name for f in metering.probe() if f.why_not is None and "gpu" in f.domains]
    with Sampler(names) as meters:
        time.sleep(RISE_S)
        idle = _told(meters, IDLE_S)
        with _load(START_S + LOAD_S + 10 * RISE_S):
            time.sleep(START_S + RISE_S)
            steady = _told(meters, LOAD_S)
    yield _idle(idle)
    yield _agreement(steady)
    yield _repeats()


@contextlib.contextmanager
def _load(seconds: float) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", LOAD, str(seconds)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _told(meters: Sampler, seconds: float) -> dict[str, Any]:
    """Return what the channels tell of the next seconds, by key."""
    begin = time.perf_counter()
    time.sleep(seconds)
    end = time.perf_counter()
    meters.settle(end)
    told = metering.told(meters.channels, meters.traces(), meters.lost, begin, end)
    return {r.channel: (r, seconds) for r in told}


def _watts(told: dict[str, Any], key: str) -> float | None:
    reading, seconds = told.get(key, (None, 1.0))
    return None if reading is None or reading.point is None else reading.point / seconds


def _idle(told: dict[str, Any]) -> Figure:
    watts = _watts(told, COUNTER) or _watts(told, POWER)
    limit_w = nvml.devices().devices[0].power_limit_w or 0.0
    return Figure(
        name="idle power of cuda:0",
        measured="none told" if watts is None else f"{watts:.1f} W of {limit_w:.0f} W",
        target="1..50 % of the limit",
        met=watts is not None and 0.01 * limit_w <= watts <= 0.5 * limit_w,
    )


def _agreement(told: dict[str, Any]) -> Figure:
    counter, power = _watts(told, COUNTER), _watts(told, POWER)
    if counter is None or power is None:
        why = [r.reason for r, _ in told.values() if r.reason] or ["only one of them is there"]
        return Figure(name="counter against integrated power", measured="; ".join(why), met=None)
    return Figure(
        name="counter against integrated power, steady load",
        measured=f"{counter:.1f} W, {power:.1f} W: {power / counter - 1:+.1%}",
        target=f"within {AGREE_FRAC:.0%}",
        met=abs(power / counter - 1) <= AGREE_FRAC,
    )


def _repeats() -> Figure:
    name = "energy above idle of a case, twice"
    nets = [net for _ in range(2) if (net := _net_j()) is not None]
    if len(nets) < 2:
        return Figure(name=name, measured="the case has no such energy", met=False)
    apart = nets[1] / nets[0] - 1
    return Figure(
        name=name,
        measured=f"{nets[0]:.4g} J, {nets[1]:.4g} J: {apart:+.1%}",
        target=f"within {REPEAT_FRAC:.0%}",
        met=abs(apart) <= REPEAT_FRAC,
    )


def _net_j() -> float | None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "r.json"
        done = subprocess.run(
            [sys.executable, "-m", "hwbench", *CASE, *ONLY, "--out", str(out)],
            stdout=subprocess.DEVNULL,
        )
        if done.returncode:
            return None
        for m in json.loads(out.read_text())["measurements"]:
            energy = m["energy_j"]
            if energy and "gpu" in energy["domains"]:
                net = energy["domains"]["gpu"]["net_j"]
                return float(net["point"]) if net else None
    return None


def main() -> int:
    """Check, and show what came of it."""
    options = parser(__doc__).parse_args()
    found = nvml.devices()
    if not found.devices:
        print(f"no GPU can be checked here: {found.why_not}", file=sys.stderr)
        return 1
    shown = list(figures())
    show(shown, options.json)
    return int(any(f.met is False for f in shown))


if __name__ == "__main__":
    sys.exit(main())
