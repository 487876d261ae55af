"""A network told from 2 and 4 of its blocks against the whole, in one run of hwbench.

`python -m bench.depth_from_blocks`: cuts and whole are visited in the same rounds; the figures are
told over measured, of time and of peak memory. Where others use the machine, medians wander: the
same line through the lower quartiles of all samples says what a network does when left alone.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.figure import Figure, parser, show
from hwbench import depth, store
from hwbench.depth import DepthFit
from hwbench.measurement import Measurement, Record

# Network, blocks, phases, limits of the ratio of times.
CASES = (
    ("gpt2_small", (2, 4), "*", 0.03),
    ("bert_base", (2, 4), "*", 0.03),
    ("vit_base", (2, 4), "*", 0.03),
    ("llama_1b", (1, 2), "*inference*", 0.05),
)
MEMORY = 0.03


def measured(name: str, blocks: Sequence[int], only: str, more: Sequence[str]) -> Record:
    """Return the record of the whole and its cuts, of torch alone."""
    models = [name, *(depth.cut(name, k) for k in blocks)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "r.json"
        command = [
            sys.executable, "-m", "hwbench", "run", "--runtime", "torch", "--device", "cpu",
            "--only", f"workload/{only}", "--out", str(out), *more,
        ]  # fmt: skip
        for model in models:
            command += ["--model", model]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return store.load(out)


def figures_of(record: Record, name: str, within: float) -> Iterator[Figure]:
    """Yield what was told over what was measured, of each phase."""
    for fit in record.depth_fits:
        whole = next(m for m in record.measurements if (m.name, m.phase) == (name, fit.phase))
        if whole.wall_s is None:
            continue
        what = f"{name}, {fit.phase}, from {' and '.join(map(str, fit.measured))} blocks"
        w = fit.wall_s
        actual = whole.wall_s
        sure = (actual.high - actual.low) / 2 / actual.point
        yield _figure(
            f"{what}: time told / measured",
            w.point / actual.point,
            within,
            f", told ±{w.high / w.point - 1:.1%}, measured ±{sure:.1%}",
        )
        yield _left_alone(record, fit, whole, what, within)
        peak = whole.memory_peak_bytes and whole.memory_peak_bytes.host
        if fit.memory is not None and peak:
            ratio = fit.memory.whole_bytes / peak
            yield _figure(f"{what}: memory told / measured", ratio, MEMORY, "")


def _left_alone(
    record: Record, fit: DepthFit, whole: Measurement, what: str, within: float
) -> Figure:
    """Return the line through the lower quartiles of the cuts' samples, by that of the whole."""
    cuts = {depth.cut(fit.name, d): d for d in fit.measured}
    found = {
        cuts[m.name]: _quartile(m)
        for m in record.measurements
        if m.name in cuts and m.phase == fit.phase
    }
    fixed, block = depth.line(list(found), list(found.values()))
    ratio = (fixed + block * fit.layers) / _quartile(whole)
    return _figure(f"{what}: time told / measured, lower quartiles", ratio, within, "")


def _quartile(m: Measurement) -> float:
    return statistics.quantiles([s.wall_s / s.loops for s in m.samples], n=4)[0]


def _figure(name: str, ratio: float, within: float, told: str) -> Figure:
    return Figure(
        name=name,
        measured=f"{ratio:.3f}{told}",
        target=f"within {within:.0%}",
        met=abs(ratio - 1) <= within,
    )


def main() -> None:
    """Print them."""
    given = parser(__doc__)
    given.add_argument("--profile", default="standard")
    given.add_argument("--max-seconds", default="300")
    given.add_argument("--only", help="one network of them")
    asked = given.parse_args()
    more = ["--profile", asked.profile, "--max-seconds", asked.max_seconds]
    if asked.tiny:
        more = ["--profile", "smoke", "--max-seconds", "60"]
    found: list[Figure] = []
    for name, blocks, only, within in CASES[:1] if asked.tiny else CASES:
        if asked.only in (None, name):
            found += figures_of(measured(name, blocks, only, more), name, within)
    show(found, asked.json)


if __name__ == "__main__":
    main()
