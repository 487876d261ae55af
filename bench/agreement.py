"""Is a network the same on every runtime? The table in docs/networks.md, made anew.

For every workload at its published size and at its small one, in float32, from the same weights:
the logits of Flax, of onnxruntime and of an independent implementation against torch's; the losses
of five training steps in jax against torch's; parameters and FLOPs against the published ones.
An error is the largest difference relative to the largest value of what it is held to. Every
pair runs in a child process of its own: `--write` puts the table into the page.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figure import Figure, parser, show
from hwbench import registry
from hwbench.case import Case
from hwbench.registry import Network

PAGE = Path(__file__).parent.parent / "docs" / "networks.md"
BEGIN, END = "<!-- made by python -m bench.agreement --write -->", "<!-- end -->"
BATCH = 2  # of a network whose own batch is not computed in a second
CHEAP_FLOPS = 10**10
MOST_PARAMETERS = 5 * 10**8  # of one that is trained in torch and in jax side by side: 16 GB
STEPS = 5
WITHIN = {"flax": 1e-4, "onnxruntime": 1e-4, "independent": 1e-4, "training": 1e-3}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network: its errors by what it was held to, None where there is nothing."""

    name: str
    errors: dict[str, float]


def main() -> int:
    """Measure all networks, or those named; or be the child that measures one."""
    options = parser(__doc__)
    options.add_argument("--write", action="store_true", help="put the tables into the page")
    options.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options.add_argument("names", nargs="*", metavar="NETWORK")
    chosen = options.parse_args()
    if chosen.child:
        print(json.dumps(_errors(registry.networks()[chosen.names[0]])))
        return 0
    rows = [_row(name) for name in chosen.names or _order()]
    if chosen.write:
        _write(rows)
    found = [_figure(row) for row in rows]
    show(found, chosen.json)
    return int(any(f.met is False for f in found))


def _order() -> list[str]:
    """Return the networks: the published sizes first, each list in the alphabet's order."""
    names = sorted(registry.networks().items)
    small = [n for n in names if n.endswith("_small") and n not in registry.workloads().items]
    held = [n for n in names if _parameters(n) <= MOST_PARAMETERS]  # others: their small one alone
    return [n for n in held if n not in small] + small


def _parameters(name: str) -> int:
    net = registry.networks()[name]
    return net.workload.parameters(net.variant.config)


def _row(name: str) -> Row:
    print(f"{name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "bench.agreement", "--child", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Row(name=name, errors=json.loads(done.stdout.splitlines()[-1]))


def _figure(row: Row) -> Figure:
    said = ", ".join(f"{what} {error:.1e}" for what, error in row.errors.items())
    met = all(error < WITHIN[what] for what, error in row.errors.items())
    return Figure(name=row.name, measured=said, target="1e-4; training 1e-3", met=met)


def _errors(net: Network) -> dict[str, float]:
    """Return the errors of one network against torch; torch and jax share this process."""
    import numpy as np
    import torch

    from tests import independent
    from tests.networks import relative_error

    torch.set_num_threads(1)  # its spinning threads and jax's slow each other 100-fold
    batch = _batch(net)
    with tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.onnx")
        logits = {r: _answer(net, r, "inference", batch, model) for r in ("torch", "jax")}
        _export(net, batch, model)
        logits["onnxruntime"] = _answer(net, "onnxruntime", "inference", batch, model)
    losses = {r: _answer(net, r, "training", batch, None) for r in ("torch", "jax")}
    inputs, _ = net.workload.batch(net.variant.config, batch, np.random.default_rng(0))
    theirs = independent.of(net.workload.name)
    state = _state(net)
    expected = theirs.logits(net.variant.config, state, inputs)
    return {
        "flax": relative_error(logits["jax"], logits["torch"]),
        "onnxruntime": relative_error(logits["onnxruntime"], logits["torch"]),
        "independent": relative_error(logits["torch"], expected),
        "training": float(np.max(np.abs(losses["jax"] / losses["torch"] - 1))),
    }


def _batch(net: Network) -> int:
    """Return the network's own batch size where that is cheap, else BATCH."""
    own = net.variant.batch_size
    return own if net.workload.flops(net.variant.config) * own <= CHEAP_FLOPS else BATCH


def _state(net: Network) -> Any:
    from tests.networks import torch_model

    return torch_model(net).state_dict()


def _export(net: Network, batch: int, path: str) -> None:
    from hwbench.dialects import onnx

    onnx.export_workload(net.workload, net.variant.config, batch, "float32", path)


def _answer(net: Network, runtime: str, phase: str, batch: int, model: str | None) -> Any:
    """Return the logits, or the losses of STEPS steps, as a run's program computes them."""
    import numpy as np

    executor = registry.runtimes()[runtime]
    case = Case(
        kind="workload",
        name=net.name,
        version=net.workload.version,
        phase=phase,
        scenario="train_step" if phase == "training" else "offline",
        runtime=runtime,
        device="cpu",
        dtype="float32",
        batch_size=batch,
        shape=net.variant.shape,
    )
    if runtime == "onnxruntime":
        executor.configure(1)
    program = executor.prepare_workload(
        net.workload, net.variant.config, case, np.random.default_rng(0), model
    )
    return program.answer(STEPS).outputs[0]


def _write(rows: list[Row]) -> None:
    """Put both tables between the marks of the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    tables = f"{_counts()}\n\n{_agreement(rows)}"
    PAGE.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}", encoding="utf-8")


def _counts() -> str:
    """Return the table of parameters and FLOPs beside the published ones."""
    from tests import independent

    lines = [
        "| workload | parameters | published | GFLOP an item, forward | published | source |",
        "|---|---|---|---|---|---|",
    ]
    for name, workload in sorted(registry.workloads().items.items()):
        config, known = workload.variants[""].config, independent.of(name).published
        flops = f"{known.flops / 1e9:.4g}" if known.flops else "none"
        lines.append(
            f"| `{name}@{workload.version}` | {workload.parameters(config):,} |"
            f" {known.parameters:,.0f} | {workload.flops(config) / 1e9:.4g} | {flops} |"
            f" {known.source} |"
        )
    return "\n".join(lines)


def _agreement(rows: list[Row]) -> str:
    from tests import independent

    lines = [
        "| network | batch | Flax | onnxruntime | independent | which | 5 training steps in jax |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        net = registry.networks()[row.name]
        e, which = row.errors, net.workload.name
        lines.append(
            f"| `{row.name}` | {_batch(net)} | {e['flax']:.1e} | {e['onnxruntime']:.1e} |"
            f" {e['independent']:.1e} | {independent.of(which).library} | {e['training']:.1e} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
