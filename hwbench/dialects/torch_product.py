"""The best matrix product of a device, which MFU is a share of."""

import statistics
import time
from typing import Any

GEMMS, GEMM_TIMES = (512, 1024, 2048, 4096, 8192), 7
MOST_GEMM_S = 1.0  # of one product: larger ones are left out


def best_product(torch: Any, device: Any, dtype: str, wait: Any) -> tuple[int, float]:
    """Return (size, FLOP/s) of the best square product in the type that the step computes in."""
    kind = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    best = (GEMMS[0], 0.0)
    for size in GEMMS:
        a = torch.randn(size, size, device=device, dtype=kind)
        times = []
        for _ in range(GEMM_TIMES):
            began = time.perf_counter()
            wait(a @ a)
            times.append(time.perf_counter() - began)
        took = statistics.median(times)
        best = max(best, (size, 2 * size**3 / took), key=lambda x: x[1])
        if took * 8 > MOST_GEMM_S:
            break
    return best
