"""What a workload's version stands for, as one short hash of what the network is and computes.

The hash is of facts, not of source text, so a comment or a clearer line changes nothing and a
different epsilon does: sizes, optimiser, the names and shapes of all parameters, FLOPs; and what
the smallest variant answers in float64, logits and losses, to six digits. `python -m
hwbench.definition NAME` prints it for a new workload.
"""

import hashlib
import json
import sys
from dataclasses import asdict, fields
from typing import Any

from hwbench import registry
from hwbench.protocol import CHECK_SEED, CHECK_STEPS
from hwbench.workload import Config, Workload

DIGITS = 6  # float64 differs between libraries and processors in the thirteenth or so
HEX = 16
BATCH = 8
SAMPLES = 64  # of the logits, spread over all of them

# What is told of a workload and is not the work itself, or is described below in full.
_ASIDE = {
    "definition", "version", "summary", "variants", "optimizer", "objectives",
    "own", "dialects", "fingerprint", "untrainable", "routed", "decoding",
}  # fmt: skip


def of(workload: Workload) -> str:
    """Return the hash of the workload's definition; this imports torch."""
    described = {
        "facts": {
            f.name: value
            for f in fields(workload)
            if f.name not in _ASIDE and not callable(value := getattr(workload, f.name))
        },
        "optimizer": {k: v for k, v in asdict(workload.optimizer).items() if k != "given_by"},
        "objectives": [asdict(o) for o in workload.objectives],
        "variants": {name: _variant(workload, name) for name in workload.variants},
        "answers": _answers(workload, _smallest(workload)),
    }
    text = json.dumps(described, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:HEX]


def _variant(workload: Workload, name: str) -> dict[str, Any]:
    """Describe a variant: its sizes, and every parameter and buffer of its module."""
    from hwbench.dialects.torch import state_sizes

    variant = workload.variants[name]
    phases = ("inference", "training")
    return {
        "config": dict(variant.config),
        "shape": dict(variant.shape),
        "batch_size": variant.batch_size,
        "state": state_sizes(workload, variant.config),
        "parameters": workload.parameters(variant.config),
        "flops": [workload.work(variant.config, phase, 1) for phase in phases],
    }


def _smallest(workload: Workload) -> Config:
    """Return the configuration with the fewest parameters."""
    return min((v.config for v in workload.variants.values()), key=workload.parameters)


def _answers(workload: Workload, config: Config) -> dict[str, list[str]]:
    """Return what the network answers in float64: some logits, and the losses of some steps."""
    import numpy as np

    from hwbench.dialects.torch import reference_workload

    logits = reference_workload(workload, config, "inference", BATCH, CHECK_SEED).ravel()
    picked = logits[np.linspace(0, logits.size - 1, SAMPLES).astype(int)]
    losses = reference_workload(workload, config, "training", BATCH, CHECK_SEED, CHECK_STEPS)
    scale = float(np.abs(logits).max())
    return {
        "logits": [f"{x / scale:.{DIGITS}f}" for x in picked],
        "scale": [f"{scale:.{DIGITS}g}"],
        "losses": [f"{x:.{DIGITS}g}" for x in losses],
    }


def main(names: list[str]) -> None:
    """Print the line for each workload's file."""
    for name in names or sorted(registry.workloads().items):
        print(f'{name}: definition="{of(registry.workloads()[name])}",')


if __name__ == "__main__":
    main(sys.argv[1:])
