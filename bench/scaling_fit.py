"""The hyperparameters of scaling, by marginal likelihood: of all devices, and of all but one.

`scaling_hyper.json` keeps them, so that the study in `bench.scaling` holds each device against a
fit that never saw it. The likelihood is weighed by a log-normal prior (sigma 0.7) around the round
values below, so that sixteen devices cannot drive one to nothing.
"""

import dataclasses
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from hwbench.data_sheet import DataSheet
from hwbench.published import Figure
from hwbench.scaling_kernel import Hyper, covariance, levels
from hwbench.scaling_table import Table

FILE = Path(__file__).parent / "scaling_hyper.json"
PRIOR_SIGMA = 0.7
START = Hyper(
    exponents=(0.15,) * 6,
    smooth=0.1,
    length=1.5,
    device=0.06,
    noise=0.03,
    kind=0.35,
    family=0.7,
    workload=0.2,
    precision=0.4,
)
SCALARS = [f.name for f in dataclasses.fields(Hyper) if f.name != "exponents"]


def packed(h: Hyper) -> np.ndarray:
    """Return the logarithms of all hyperparameters."""
    return np.log([*h.exponents, *(getattr(h, name) for name in SCALARS)])


def unpacked(logs: Sequence[float]) -> Hyper:
    """Return the hyperparameters, rounded to three digits as they are kept."""
    values = [float(f"{math.exp(x):.3g}") for x in logs]
    return Hyper(exponents=tuple(values[:6]), **dict(zip(SCALARS, values[6:], strict=True)))


def cost(logs: np.ndarray, table: Table) -> float:
    """Return the negative logarithm of marginal likelihood times prior, but for constants."""
    values = np.exp(logs)
    scalars = dict(zip(SCALARS, (float(v) for v in values[6:]), strict=True))
    h, p = Hyper(exponents=tuple(float(v) for v in values[:6]), **scalars), table.points
    whole = covariance(p, p, h) + levels(p, p) + h.noise**2 * np.eye(len(p))
    try:
        root = np.linalg.cholesky(whole)
    except np.linalg.LinAlgError:
        return 1e6
    z = np.linalg.solve(root, table.left)
    prior = float(((logs - packed(START)) ** 2).sum()) / PRIOR_SIGMA**2
    return float(0.5 * z @ z + np.log(np.diag(root)).sum() + 0.5 * prior)


def fitted(
    figures: Sequence[Figure], sheets: Mapping[str, DataSheet], without: Collection[str] = ()
) -> Hyper:
    """Return the best hyperparameters for the figures of all devices but those `without`."""
    from scipy.optimize import minimize

    table = Table([f for f in figures if f.sheet not in without], sheets)
    found = minimize(cost, packed(START), args=(table,), method="L-BFGS-B", options={"maxiter": 30})
    return unpacked(found.x)


def refit(
    figures: Sequence[Figure],
    sheets: Mapping[str, DataSheet],
    left_out: Sequence[Collection[str]],
) -> dict[str, Hyper]:
    """Fit all, and without each of `left_out`; keep them in the file."""
    found = {"": fitted(figures, sheets)}
    for names in left_out:
        found[key(names)] = fitted(figures, sheets, names)
    lines = [f"{json.dumps(k)}: {json.dumps(dataclasses.asdict(h))}" for k, h in found.items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    return found


def key(names: Collection[str]) -> str:
    """Return under which name the fit without these devices is kept."""
    return ", ".join(sorted(names))


def kept() -> dict[str, Hyper]:
    """Return the hyperparameters of the file."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    return {k: Hyper(**{**h, "exponents": tuple(h["exponents"])}) for k, h in found.items()}
