"""The LSTM language model: what torch's FLOP counter cannot see, its recurrence, its export.

On a processor nn.LSTM is one opaque call to the counter, so an unrolled form, written here from
torch's documentation of nn.LSTM, is counted instead and is shown to be the same network.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hwbench import weights
from hwbench.registry import Network
from tests.networks import (
    FLOAT32_TOLERANCE,
    drawn,
    flax_logits,
    flax_model,
    network,
    relative_error,
    torch_logits,
    torch_model,
    uneven,
)

BOTH = ["lstm", "lstm_small"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch's spinning threads from jax's: on two cores they slow each other 100-fold."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unrolled(state: Mapping[str, Any], ids: Any, layers: int) -> Any:
    """Compute the logits of token ids (batch, seq) with two products a step and layer."""
    import torch
    import torch.nn.functional as F

    x = F.embedding(ids, state["embedding.weight"])
    for k in range(layers):
        w, u, b_w, b_u = (
            state[f"lstm.{name}_l{k}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h = c = torch.zeros_like(x[:, 0])
        hidden = []
        for t in range(ids.shape[1]):
            i, f, g, o = (F.linear(x[:, t], w, b_w) + F.linear(h, u, b_u)).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            hidden.append(h)
        x = torch.stack(hidden, dim=1)
    return F.linear(x, state["fc.weight"], state["fc.bias"])


def flops_counted(net: Network, batch_size: int, *, training: bool) -> int:
    """Count the unrolled form on the meta device, which computes nothing."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    config = net.variant.config
    with torch.device("meta"):
        state = dict(net.workload.build_torch(config).named_parameters())
        ids = torch.zeros((batch_size, config["seq"]), dtype=torch.int64)
        with FlopCounterMode(display=False) as counter:
            logits = unrolled(state, ids, config["layers"])
            if training:
                logits.sum().backward()
    total: int = counter.get_total_flops()
    return total


@pytest.mark.parametrize("name", BOTH)
def test_flops_by_formula_are_those_of_the_unrolled_network(name: str) -> None:
    net = network(name)
    expected = net.workload.work(net.variant.config, "inference", 3)
    assert flops_counted(net, 3, training=False) == expected


@pytest.mark.parametrize("name", BOTH)
def test_training_flops_are_three_times_forward_less_the_gradient_of_the_first_state(
    name: str,
) -> None:
    net = network(name)
    config = net.variant.config
    first_state = 3 * config["layers"] * 2 * 4 * config["width"] ** 2  # a constant, batch of 3
    expected = net.workload.work(config, "training", 3) - first_state
    assert flops_counted(net, 3, training=True) == expected


def test_the_unrolled_network_is_the_one_of_the_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network("lstm_small")
    model, (inputs, _) = torch_model(net), drawn(net)
    with torch.no_grad():
        found = unrolled(
            model.state_dict(), torch.from_numpy(inputs[0]), net.variant.config["layers"]
        )
    assert relative_error(found.numpy(), torch_logits(model, inputs)) < FLOAT32_TOLERANCE


@pytest.mark.parametrize("dialect", ["torch", "jax"])
def test_a_token_changes_what_follows_it_and_nothing_before(dialect: str) -> None:
    import numpy as np

    net = network("lstm_small")
    (ids,), _ = drawn(net)
    other = ids.copy()
    at = ids.shape[1] // 2
    other[:, at] = (ids[:, at] + 1) % net.variant.config["vocab"]
    if dialect == "torch":
        model = torch_model(net)
        before, after = (torch_logits(model, (x,)) for x in (ids, other))
    else:
        made = flax_model(net)
        before, after = (flax_logits(*made, (x,)) for x in (ids, other))
    assert np.array_equal(before[:, :at], after[:, :at])
    # The state carries it to the last step, where it still makes a tenth or so.
    assert np.abs(before - after).max(axis=(0, 2))[at:].min() > 1e-2


# nn.LSTM keeps its weights in a list too, which the exporter takes for new attributes.
@pytest.mark.filterwarnings("ignore:The tensor attributes:UserWarning")
def test_the_export_is_onnxs_own_lstm_and_not_an_unrolled_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    from hwbench.dialects.onnx import export_workload

    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network("lstm_small")
    path = tmp_path / "lstm.onnx"
    export_workload(net.workload, net.variant.config, net.variant.batch_size, "float32", path)
    operators = Counter(node.op_type for node in onnx.load(path).graph.node)
    assert operators["LSTM"] == net.variant.config["layers"]
    assert not operators.keys() & {"Loop", "Scan", "Tanh", "Sigmoid"}

    (ids,), _ = drawn(net)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: ids})
    assert relative_error(found, torch_logits(torch_model(net), (ids,))) < FLOAT32_TOLERANCE
