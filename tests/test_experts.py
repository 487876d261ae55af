"""The mixture of experts: its dispatch against every expert on every token, in both dialects."""

# jax.jit is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hwbench import check, weights
from hwbench.architectures import experts, llama
from tests.networks import (
    FLOAT32_TOLERANCE,
    drawn,
    flax_model,
    network,
    relative_error,
    torch_logits,
    torch_model,
    uneven,
)

NAME = "qwen_moe_30b_a3b_small"
SIZES: Mapping[str, int] = {"width": 12, "mlp_width": 5, "experts": 6, "active": 2}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch's spinning threads from jax's: on two cores they slow each other 100-fold."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def dense(state: Mapping[str, Any], x: Any) -> Any:
    """Compute all experts on all tokens, and leave out those that the router does not take."""
    import torch

    score = torch.softmax(x @ state["gate.weight"].T, dim=-1)  # (tokens, experts)
    least = score.sort(dim=-1, descending=True).values[:, SIZES["active"] - 1, None]
    score = torch.where(score >= least, score, 0)
    score = score / score.sum(dim=-1, keepdim=True)
    both = torch.einsum("th,eih->tei", x, state["experts.gate_up_proj"])
    gate, up = both.chunk(2, dim=-1)
    hidden = gate * torch.sigmoid(gate) * up
    out = torch.einsum("tei,ehi->teh", hidden, state["experts.down_proj"])
    return torch.einsum("te,teh->th", score, out)


def mixture(tokens: int, seed: int = 0) -> tuple[Any, Any]:
    """Return a module in float64 with normal weights, and rows (1, tokens, width) for it."""
    import torch

    torch.manual_seed(seed)
    module = experts.build_torch(SIZES).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module, torch.randn(1, tokens, SIZES["width"], dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("tokens", [1, 40])
def test_answers_and_gradients_are_those_of_all_experts_on_all_tokens(tokens: int) -> None:
    import torch

    module, x = mixture(tokens)
    state = dict(module.named_parameters())
    found, expected = module(x)[0], dense(state, x[0])
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(expected)
    sought = [x, *state.values()]
    ours, theirs = (torch.autograd.grad((y * direction).sum(), sought) for y in (found, expected))
    for name, one, other in zip(["x", *state], ours, theirs, strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_an_expert_without_tokens_has_gradients_of_zero() -> None:
    module, x = mixture(1)
    module(x).sum().backward()
    moved = module.experts.down_proj.grad.abs().amax(dim=(1, 2)) > 0
    assert int(moved.sum()) == SIZES["active"]


def test_an_expert_computes_its_own_tokens_and_no_others() -> None:
    """Count what a token's products take: those of the formula, whatever the router decides."""
    from torch.utils.flop_counter import FlopCounterMode

    for seed in range(3):
        module, x = mixture(7, seed)
        with FlopCounterMode(display=False) as counter:
            module(x)
        assert counter.get_total_flops() == 2 * 7 * experts.products(SIZES)


def test_flax_has_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    import jax
    import numpy as np
    import torch

    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network(NAME)
    (ids,), _ = drawn(net)
    ours = torch_model(net)
    ours(torch.from_numpy(ids)).square().mean().backward()
    model, variables = flax_model(net)

    @jax.jit
    def gradients(v: Any) -> Any:
        return jax.grad(lambda v: (model.apply(v, ids, train=False) ** 2).mean())(v)

    layer = gradients(variables)["params"]["layers.1"]["mlp"]
    theirs = ours.layers[1].mlp
    for name in ("gate_up_proj", "down_proj"):
        expected = getattr(theirs.experts, name).grad.numpy()
        assert relative_error(np.asarray(layer["experts"][name]), expected) < FLOAT32_TOLERANCE
    router = np.asarray(layer["gate"]["kernel"]).T
    assert relative_error(router, theirs.gate.weight.grad.numpy()) < FLOAT32_TOLERANCE


@pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("onnx", "onnxscript", "onnxruntime")),
    reason="onnx, onnxscript and onnxruntime are not all installed",
)
def test_the_export_routes_other_tokens_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph was traced with one batch and must not have kept where its tokens went."""
    import numpy as np
    import onnxruntime

    from hwbench.dialects.onnx import export_workload

    monkeypatch.setattr(weights, "make", uneven(weights.make))
    net = network(NAME)
    path = tmp_path / "experts.onnx"
    export_workload(net.workload, net.variant.config, 2, "float32", path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    model = torch_model(net)
    for seed in (1, 2):
        (ids,), _ = net.workload.batch(net.variant.config, 2, np.random.default_rng(seed))
        (found,) = session.run(None, {session.get_inputs()[0].name: ids})
        assert relative_error(found, torch_logits(model, (ids,))) < FLOAT32_TOLERANCE


def test_a_route_that_rounding_decides_is_no_wrong_answer() -> None:
    import numpy as np

    reference = np.random.default_rng(0).standard_normal((2, 32, 50))
    flipped = reference * 1.01
    flipped[0, 3] = -reference[0, 3]
    assert check.output_error((flipped,), reference) > 0.5
    assert check.output_error((flipped,), reference, routed=True) < 0.01
    assert check.output_error((-reference,), reference, routed=True) > 0.5  # most rows are wrong


def test_the_active_parameters_are_the_published_3_3_billion() -> None:
    """Qwen 2025 (arXiv:2505.09388): 30.5 B, 3.3 B of them active for a token."""
    net = network("qwen_moe_30b_a3b")
    config = net.variant.config
    one = 3 * config["width"] * config["mlp_width"]
    idle = config["layers"] * (config["experts"] - config["active"]) * one
    assert (llama.parameters(config) - idle) / 1e9 == pytest.approx(3.3, abs=0.06)


def test_positions_are_rescaled_as_llama_3_1s() -> None:
    """Long waves are divided by the factor, short ones are kept, those between are mixed."""
    for name in ("llama_8b", "llama_8b_small"):
        config = network(name).variant.config
        plain = llama.frequencies({**config, "rope_factor": 0})
        ratios = [p / f for p, f in zip(plain, llama.frequencies(config), strict=True)]
        assert ratios[0] == 1
        assert ratios[-1] == pytest.approx(config["rope_factor"])
        assert ratios == sorted(ratios)
        assert any(1.05 < r < 0.95 * config["rope_factor"] for r in ratios)
