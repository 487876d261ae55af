"""adamw: one update, held against torch's own optimiser and hand-made numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hwbench.registry import kernels

ADAMW = kernels()["adamw"]
N = 1001
SHAPE = {"n": N}
TINY = float(np.finfo(np.float32).tiny)  # the least normal number


def drawn(seed: int = 3) -> tuple[Any, ...]:
    return ADAMW.inputs(SHAPE, np.random.default_rng(seed))


def run_torch(arrays: Any) -> Any:
    import torch

    assert ADAMW.build_torch is not None
    return [y.numpy() for y in ADAMW.build_torch(SHAPE, "float32")(*map(torch.tensor, arrays))]


def run_jax(arrays: Any) -> Any:
    import jax

    assert ADAMW.build_jax is not None
    return [np.asarray(y) for y in jax.jit(ADAMW.build_jax(SHAPE, "float32"))(*arrays)]


def run_onnx(arrays: Any) -> Any:
    import onnxruntime

    assert ADAMW.build_onnx is not None
    model = ADAMW.build_onnx(SHAPE, "float32").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip("pgmv", arrays, strict=True)))


RUN: dict[str, Callable[[Any], Any]] = {"torch": run_torch, "jax": run_jax, "onnx": run_onnx}


def torch_optimizer_step(arrays: Any, steps_before: int) -> Any:
    """Return p, m, v after one step of torch.optim.AdamW, unfused, in float64."""
    import torch

    p, g, m, v = (torch.tensor(x) for x in arrays)
    parameter = torch.nn.Parameter(p)
    parameter.grad = g
    optimizer = torch.optim.AdamW([parameter], lr=1e-3, weight_decay=0.01, foreach=False)
    count = torch.tensor(float(steps_before))
    optimizer.state[parameter] = {"step": count, "exp_avg": m, "exp_avg_sq": v}
    optimizer.step()
    return parameter.detach().numpy(), m.numpy(), v.numpy()


def test_reference_is_torchs_unfused_optimizer_in_float64() -> None:
    arrays = drawn()
    wanted = torch_optimizer_step(arrays, 99_999)
    for answer, right in zip(ADAMW.reference(SHAPE, *arrays), wanted, strict=True):
        np.testing.assert_allclose(answer, right, rtol=1e-14, atol=1e-15)


def test_both_corrections_of_the_bias_are_one_so_late() -> None:
    assert 1 - 0.9**100_000 == 1 - 0.999**100_000 == 1.0
    early = torch_optimizer_step(drawn(), 999)[0]  # there the second one is 0.63
    assert np.abs(early - ADAMW.reference(SHAPE, *drawn())[0]).max() > 1e-4


def test_one_parameter_by_hand() -> None:
    """m' = 0.9 x 1 + 0.1 x 3 = 1.2; v' = 0.999 x 4 + 0.001 x 9 = 4.005."""
    p, m, v = ADAMW.reference({"n": 1}, *(np.array([x]) for x in (2.0, 3.0, 1.0, 4.0)))
    assert m[0] == pytest.approx(1.2, rel=1e-15)
    assert v[0] == pytest.approx(4.005, rel=1e-15)
    wanted = 2.0 * (1 - 1e-5) - 1e-3 * 1.2 / (math.sqrt(4.005) + 1e-8)
    assert p[0] == pytest.approx(wanted, rel=1e-15)


@pytest.mark.parametrize("dialect", sorted(RUN))
def test_each_library_does_every_term_of_the_update(dialect: str) -> None:
    """The decay changes p by 1e-5 of itself: below the tolerance of a run, so it is held here."""
    arrays = [x.astype(np.float32) for x in drawn()]
    wanted = ADAMW.reference(SHAPE, *(x.astype(np.float64) for x in arrays))
    for answer, right in zip(RUN[dialect](arrays), wanted, strict=True):
        assert answer.dtype == np.float32
        assert np.abs(answer - right).max() < 3e-7 * np.abs(right).max()


@pytest.mark.parametrize("dialect", sorted(RUN))
def test_epsilon_is_added_after_the_root(dialect: str) -> None:
    """Where v' is 1e-16, 1e-8 beside the root halves the step; below the root it would vanish."""
    arrays = [np.full(N, x, dtype=np.float32) for x in (1e-3, 1e-9, 1e-8, 1e-16)]
    wanted = ADAMW.reference(SHAPE, *(x.astype(np.float64) for x in arrays))[0]
    assert abs(1e-3 - wanted[0]) == pytest.approx(1e-3 * 0.91 / 2, rel=1e-2)
    np.testing.assert_allclose(RUN[dialect](arrays)[0], wanted, rtol=1e-5)


def test_torch_updates_its_arrays_in_place_and_leaves_the_gradient() -> None:
    import torch

    assert ADAMW.build_torch is not None
    arrays = [torch.tensor(x, dtype=torch.float32) for x in drawn()]
    gradient = arrays[1].clone()
    answer = ADAMW.build_torch(SHAPE, "float32")(*arrays)
    assert [y.data_ptr() for y in answer] == [arrays[i].data_ptr() for i in (0, 2, 3)]
    assert torch.equal(arrays[1], gradient)


def test_thousands_of_steps_in_place_stay_normal_and_of_order_one() -> None:
    """No denormal and no growth: a processor slows down on neither."""
    import torch

    assert ADAMW.build_torch is not None
    p, g, m, v = (torch.tensor(x, dtype=torch.float32) for x in drawn())
    start, gradients = p.clone(), g.clone()
    update = ADAMW.build_torch(SHAPE, "float32")
    steps = 20_000
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # a thousand numbers: waking threads would take the time
    for _ in range(steps):
        update(p, g, m, v)
    torch.set_num_threads(threads)
    for values in (p, m, v):
        assert bool(torch.isfinite(values).all())
        assert float(values.abs().min()) > TINY
    torch.testing.assert_close(m, gradients, rtol=1e-5, atol=0)
    # 0.999^20,000 is 2e-9; v stops where a thousandth of the way to g^2 rounds away.
    torch.testing.assert_close(v, gradients**2, rtol=5e-4, atol=1e-8)
    # At its end each step takes lr against the gradient's sign, less the decay that pulls to 0.
    # Before it, v is still the drawn one: more than that where g^2 is larger, less where smaller.
    kept = (1 - 1e-5) ** steps
    path = (kept * start - p) * gradients.sign()
    assert float(path.min()) > 0.5
    assert 100 * (1 - kept) - 1 < float(path.max()) < 100 * (1 - kept) + 2


def test_inputs_have_positive_second_moments_and_repeat_without_a_pattern_of_caches() -> None:
    p, g, m, v = ADAMW.inputs({"n": 2**20 + 3}, np.random.default_rng(0))
    assert (v > 0).all()
    assert all(x.shape == (2**20 + 3,) for x in (p, g, m, v))
    assert all(x[-1] == x[1] for x in (p, g, m, v))
    assert not np.array_equal(p, g) and not np.array_equal(g, m)


def test_an_update_counts_13_operations_and_28_bytes_a_parameter() -> None:
    assert ADAMW.work({"n": 1000}, "forward", "float32") == (13_000, 28_000)


def test_flops_are_those_of_the_onnx_graph() -> None:
    """Each of its operators is one operation an element."""
    assert ADAMW.build_onnx is not None
    graph = ADAMW.build_onnx(SHAPE, "float32").graph
    assert len(graph.node) * N == ADAMW.work(SHAPE, "forward", "float32")[0]
