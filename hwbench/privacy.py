"""How much noise an epsilon takes in DP-SGD: the moments accountant, in Renyi's form.

Subsampled Gaussian mechanism (Mironov, Talwar and Zhang 2019, arXiv:1908.10530): at an integer
order a, with sampling rate q and noise s, a step's Renyi divergence is ln(sum_k C(a, k)
(1 - q)^(a - k) q^k exp((k^2 - k) / (2 s^2))) / (a - 1). Steps add up, and the (epsilon, delta) of
the sum is the least over orders of the conversion of Balle et al. 2020 (arXiv:1905.09982).
"""

import math

from hwbench.errors import BadInput

ORDERS = (*range(2, 65), 80, 96, 128, 192, 256, 384, 512)
LEAST_NOISE, MOST_NOISE = 0.2, 1e4


def epsilon_of(noise: float, rate: float, steps: int, delta: float) -> float:
    """Return the epsilon that `steps` steps at a sampling `rate` spend."""
    spent: float = min(
        steps * divergence(a, noise, rate)
        + math.log1p(-1 / a)
        - (math.log(delta) + math.log(a)) / (a - 1)
        for a in ORDERS
    )
    return spent


def divergence(order: int, noise: float, rate: float) -> float:
    """Return the Renyi divergence of one step at an integer order."""
    if rate >= 1:
        return order / (2 * noise * noise)
    terms = [
        _choose(order, k)
        + (order - k) * math.log1p(-rate)
        + k * math.log(rate)
        + (k * k - k) / (2 * noise * noise)
        for k in range(order + 1)
    ]
    top = max(terms)
    return (top + math.log(sum(math.exp(t - top) for t in terms))) / (order - 1)


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def noise_for(epsilon: float, samples: int, batch: int, epochs: float, delta: float) -> float:
    """Return the noise by the clipping norm that keeps a training within epsilon; raise BadInput.

    Each step draws examples at a rate of batch / samples.
    """
    if not epsilon > 0 or not 0 < delta < 1:
        raise BadInput(f"--epsilon {epsilon:g}, --delta {delta:g}: above 0, and delta below 1")
    rate = min(1.0, batch / samples)
    steps = max(1, math.ceil(epochs / rate))
    low, high = LEAST_NOISE, LEAST_NOISE
    while epsilon_of(high, rate, steps, delta) > epsilon:
        high *= 2
        if high > MOST_NOISE:
            raise BadInput(f"--epsilon {epsilon:g}: no noise keeps {steps:,} steps within it")
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        if epsilon_of(middle, rate, steps, delta) > epsilon:
            low = middle
        else:
            high = middle
    return high
