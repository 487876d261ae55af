"""What `hwbench.watch` costs a loop: watched and bare blocks of the same steps, in turn.

`python -m bench.watch_cost` runs steps of about 1 ms and of 20 us of NumPy, and prints the ratio of
the blocks' times with its interval.
"""

import argparse
import math
import time
from collections.abc import Callable

import hwbench
from hwbench import ratio_tests, stats


def steps_s(step: Callable[[], object], n: int, after: Callable[[], object] | None) -> float:
    """Return the seconds of `n` steps, each with what comes after it."""
    start = time.perf_counter()
    if after is None:
        for _ in range(n):
            step()
    else:
        for _ in range(n):
            step()
            after()
    return time.perf_counter() - start


def cost(size: int, n: int, blocks: int) -> tuple[float, float, float]:
    """Return the ratio of watched to bare steps with its interval, and the seconds of a step."""
    import numpy as np

    a = np.random.default_rng(0).standard_normal((size, size), dtype="float32")

    def step() -> object:
        return a @ a

    logs, bare = [], []
    with hwbench.watch(10**9, meters=False, say=lambda line: None) as w:
        for i in range(blocks):
            pair = [(0, None), (1, w.step)]
            took = {k: steps_s(step, n, after) for k, after in (pair if i % 2 else pair[::-1])}
            logs.append(math.log(took[1] / took[0]))
            bare.append(took[0] / n)
    mean, error, freedom = ratio_tests.trimmed(logs)
    half = stats.student_t(0.95, freedom) * error
    return math.exp(mean), half, stats.median(bare)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=60)
    blocks = parser.parse_args().blocks
    for size, n in ((64, 5000), (384, 100)):
        ratio, half, step_s = cost(size, n, blocks)
        print(f"steps of {step_s * 1e6:.0f} us: watched / bare {ratio:.4f} +-{half:.2%}")


if __name__ == "__main__":
    main()
