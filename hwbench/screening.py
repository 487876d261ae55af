"""Screening of training data for a backdoor by spectral signatures (Tran et al. 2018).

arXiv:1811.00636, algorithm 1: of each class, the features of a trained network are centred; along
their strongest direction, the top right singular vector, poisoned examples lie far out. Those with
the largest squared projections are removed.
"""

from typing import Any

MARGIN = 1.5  # times the poisoned examples that are reckoned with
MOST_FRAC = 0.5  # of a class that is removed at the most


def scores(features: Any) -> Any:
    """Return each row's squared projection on the top right singular vector, rows centred."""
    import numpy as np

    centred = features - features.mean(axis=0)
    if not centred.any():
        return np.zeros(len(features))
    direction = np.linalg.svd(centred, full_matrices=False)[2][0]
    return (centred @ direction) ** 2


def removed(features: Any, targets: Any, frac: float) -> Any:
    """Return which rows to remove, as booleans, where `frac` of all is reckoned to be poisoned.

    Nobody knows of which class they are, so 1.5 times as many are removed of each, up to half of
    it: clean examples go with them.
    """
    import numpy as np

    out = np.zeros(len(targets), dtype=bool)
    for label in np.unique(targets):
        own = np.flatnonzero(targets == label)
        count = min(round(MARGIN * frac * len(targets)), int(MOST_FRAC * len(own)))
        worst = np.argsort(-scores(features[own]), kind="stable")[:count]
        out[own[worst]] = True
    return out
