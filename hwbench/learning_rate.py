"""The learning rate of a real training: by the optimiser, the network's size and the batch.

A frozen definition's own rate is there so that its losses can be checked; the networks do not learn
much by it. AdamW: 1e-3 up to a million parameters, above it by 1 / width, as their square root
(Yang et al. 2022, arXiv:2203.03466). SGD with momentum: 0.1 for each 256 examples of a batch (Goyal
et al. 2017, arXiv:1706.02677), 0.01 at the least. A shortcut multiplies it by its `rate_factor`: a
new head alone learns faster, and weights that are pretrained are moved with more care.
"""

ADAMW, SMALL = 1e-3, 1_000_000
SGD, SGD_BATCH, SGD_LEAST = 0.1, 256, 0.01


def base_rate(optimizer: str, parameters: int, batch_size: int) -> float:
    """Return the learning rate of training from scratch, before it rises and falls."""
    if optimizer == "sgd":
        return max(SGD_LEAST, SGD * batch_size / SGD_BATCH)
    return float(ADAMW * min(1.0, (SMALL / parameters) ** 0.5))
