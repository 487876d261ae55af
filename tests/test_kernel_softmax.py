"""Softmax's reference and counts, held against SciPy, torch in float64 and closed forms."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.registry import kernels
from tests.counted import count

SHAPE: Shape = {"rows": 7, "n": 33}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernels()["softmax"]


def drawn(kernel: Kernel, shape: Shape = SHAPE) -> Any:
    (x,) = kernel.inputs(shape, np.random.default_rng(3))
    return x


def backward(dy: Any, y: Any) -> Any:
    """Return dx by the docstring's formula."""
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def test_reference_is_scipys(kernel: Kernel) -> None:
    from scipy.special import softmax

    x = 5 * drawn(kernel)
    np.testing.assert_allclose(kernel.reference(SHAPE, x), softmax(x, axis=-1), rtol=1e-13)


def test_reference_is_torchs_in_float64(kernel: Kernel) -> None:
    import torch

    x = drawn(kernel)
    wanted = torch.softmax(torch.from_numpy(x), dim=-1).numpy()
    np.testing.assert_allclose(kernel.reference(SHAPE, x), wanted, rtol=1e-13)


def test_logarithms_of_counts_give_the_shares(kernel: Kernel) -> None:
    counts = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 5.0, 5.0]])
    y = kernel.reference({"rows": 2, "n": 4}, np.log(counts))
    np.testing.assert_allclose(y, [[0.1, 0.2, 0.3, 0.4], [0.25] * 4], rtol=1e-14)


@pytest.mark.parametrize("offset", [-1e4, 1e4])
def test_an_offset_that_overflows_exp_changes_nothing(kernel: Kernel, offset: float) -> None:
    x = drawn(kernel)
    shifted = kernel.reference(SHAPE, x + offset)
    np.testing.assert_allclose(shifted, kernel.reference(SHAPE, x), rtol=1e-10)


def test_a_masked_score_has_no_weight(kernel: Kernel) -> None:
    """Attention's masks are scores of -inf; the rest shares 1 as if it were not there."""
    x = drawn(kernel)
    masked = x.copy()
    masked[:, 20:] = -np.inf
    y = kernel.reference(SHAPE, masked)
    assert not y[:, 20:].any()
    rest = kernel.reference({"rows": 7, "n": 20}, x[:, :20])
    np.testing.assert_allclose(y[:, :20], rest, rtol=1e-13)


def test_far_scores_leave_one_winner(kernel: Kernel) -> None:
    y = kernel.reference({"rows": 1, "n": 3}, np.array([[-2000.0, 1500.0, 2000.0]]))
    np.testing.assert_array_equal(y, [[0.0, np.exp(-500.0), 1.0]])


def test_inputs_are_left_as_they_were(kernel: Kernel) -> None:
    x = drawn(kernel)
    kernel.reference(SHAPE, x)
    np.testing.assert_array_equal(x, drawn(kernel))


@pytest.mark.parametrize("shape", [SHAPE, {"rows": 2, "n": 1}])
def test_flops_are_the_operations_of_the_reference(kernel: Kernel, shape: Shape) -> None:
    x = drawn(kernel, shape)
    flops, answer = count(partial(kernel.reference, shape), x)
    np.testing.assert_allclose(answer, kernel.reference(shape, x), rtol=1e-12)
    assert kernel.work(shape, "forward", "float32")[0] == flops


@pytest.mark.parametrize("shape", [SHAPE, {"rows": 2, "n": 1}])
def test_backward_flops_are_those_of_a_formula_that_agrees_with_torch(
    kernel: Kernel, shape: Shape
) -> None:
    import torch

    x = drawn(kernel, shape)
    dy = np.random.default_rng(4).standard_normal(x.shape)
    tensor = torch.from_numpy(x).requires_grad_()
    y = torch.softmax(tensor, dim=-1)
    (wanted,) = torch.autograd.grad(y, tensor, torch.from_numpy(dy))
    flops, gradient = count(backward, dy, y.detach().numpy())
    np.testing.assert_allclose(gradient, wanted.numpy(), rtol=1e-10, atol=1e-14)
    assert kernel.work(shape, "backward", "float32")[0] == flops


def test_traffic_is_half_of_what_safe_softmax_moves_in_three_passes(kernel: Kernel) -> None:
    """Milakov and Gimelshein (arXiv 1805.02867, section 2): 4 accesses an element, if unfused."""
    assert 2 * kernel.elements(SHAPE) == 4 * drawn(kernel).size


def test_torch_writes_an_array_of_its_own(kernel: Kernel) -> None:
    import torch

    assert kernel.build_torch is not None
    x = torch.from_numpy(drawn(kernel)).requires_grad_()
    y = kernel.build_torch(SHAPE, "float32")(x)
    (dx,) = torch.autograd.grad(y, x, torch.cos(x.detach()))
    assert len({t.untyped_storage().data_ptr() for t in (x, y, dx)}) == 3
    assert dx.is_contiguous()


def test_jax_keeps_one_array_of_that_size_for_the_backward_pass(kernel: Kernel) -> None:
    """So that its pull-back reads that and dy and writes dx, as its elements say."""
    import jax

    assert kernel.build_jax is not None
    y, pull_back = jax.vjp(kernel.build_jax(SHAPE, "float32"), jax.numpy.asarray(drawn(kernel)))
    assert [leaf.size for leaf in jax.tree.leaves(pull_back)].count(y.size) == 1
