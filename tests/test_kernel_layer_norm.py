"""Layer norm's reference and counts, held against torch in float64 and closed forms."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.registry import kernels
from tests.counted import count

SHAPE: Shape = {"rows": 7, "d": 50}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernels()["layer_norm"]


def drawn(kernel: Kernel, shape: Shape = SHAPE) -> list[Any]:
    return list(kernel.inputs(shape, np.random.default_rng(3)))


def backward(dy: Any, x: Any, gamma: Any, mean: Any, inverse: Any) -> Any:
    """Return (dx, dgamma, dbeta) by the docstring's formula, a row's two numbers given."""
    n = (x - mean) * inverse
    g, slopes = dy * gamma, dy * n
    dx = (g - g.mean(-1, keepdims=True) - n * (slopes * gamma).mean(-1, keepdims=True)) * inverse
    return dx, slopes.sum(axis=0), dy.sum(axis=0)


def test_reference_is_torchs_in_float64(kernel: Kernel) -> None:
    import torch

    x, gamma, beta = drawn(kernel)
    tensors = [torch.from_numpy(a) for a in (3 * x + 2, gamma, beta)]
    wanted = torch.nn.functional.layer_norm(tensors[0], (50,), *tensors[1:], eps=1e-5)
    answer = kernel.reference(SHAPE, 3 * x + 2, gamma, beta)
    np.testing.assert_allclose(answer, wanted.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("a", [1e-4, 1e-3, 1.0, 1e6])
def test_two_opposite_numbers_become_a_over_the_root_of_a_squared_plus_epsilon(
    kernel: Kernel, a: float
) -> None:
    """It tells 1e-5 inside the root from outside it, and the biased variance from the other."""
    y = kernel.reference({"rows": 1, "d": 2}, np.array([[a, -a]]), np.ones(2), np.zeros(2))
    half = a / np.sqrt(a * a + 1e-5)
    np.testing.assert_allclose(y, [[half, -half]], rtol=1e-14)


def test_rows_that_are_constant_give_beta(kernel: Kernel) -> None:
    _, gamma, beta = drawn(kernel)
    y = kernel.reference(SHAPE, np.full((7, 50), 0.75), gamma, beta)
    np.testing.assert_array_equal(y, np.broadcast_to(beta, (7, 50)))


def test_an_offset_of_a_row_changes_nothing(kernel: Kernel) -> None:
    """mean(x^2) - mean(x)^2 would keep none of 16 digits at 1e8."""
    x, gamma, beta = drawn(kernel)
    shifted = kernel.reference(SHAPE, x + 1e8, gamma, beta)
    np.testing.assert_allclose(shifted, kernel.reference(SHAPE, x, gamma, beta), atol=1e-6)


def test_inputs_are_left_as_they_were(kernel: Kernel) -> None:
    arrays = drawn(kernel)
    kernel.reference(SHAPE, *arrays)
    for before, after in zip(drawn(kernel), arrays, strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("shape", [SHAPE, {"rows": 1, "d": 3}])
def test_flops_are_the_operations_of_the_reference(kernel: Kernel, shape: Shape) -> None:
    arrays = drawn(kernel, shape)
    flops, answer = count(partial(kernel.reference, shape), *arrays)
    np.testing.assert_allclose(answer, kernel.reference(shape, *arrays), rtol=1e-12, atol=1e-12)
    assert kernel.work(shape, "forward", "float32")[0] == flops


@pytest.mark.parametrize("shape", [SHAPE, {"rows": 1, "d": 3}])
def test_backward_flops_are_those_of_a_formula_that_agrees_with_torch(
    kernel: Kernel, shape: Shape
) -> None:
    import torch

    x, gamma, beta = drawn(kernel, shape)
    dy = np.random.default_rng(4).standard_normal(x.shape)
    mean, inverse = x.mean(-1, keepdims=True), 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    flops, gradients = count(backward, dy, x, gamma, mean, inverse)
    tensors = [torch.from_numpy(a).requires_grad_() for a in (x, gamma, beta)]
    y = torch.nn.functional.layer_norm(tensors[0], gamma.shape, *tensors[1:], eps=1e-5)
    wanted = torch.autograd.grad(y, tensors, torch.from_numpy(dy))
    for gradient, right in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(gradient, right.numpy(), rtol=1e-10, atol=1e-10)
    assert kernel.work(shape, "backward", "float32")[0] == flops


def test_backward_is_the_same_whatever_beta_is(kernel: Kernel) -> None:
    """So that its elements rightly leave beta out: x, gamma, dy in, dx, dgamma, dbeta out."""
    import torch

    assert kernel.build_torch is not None and kernel.backward_elements is not None
    x, gamma, beta = (torch.from_numpy(a) for a in drawn(kernel))
    found = []
    for shift in (beta, beta + 5):
        moving = [t.clone().requires_grad_() for t in (x, gamma, shift)]
        y = kernel.build_torch(SHAPE, "float32")(*moving)
        found.append(torch.autograd.grad(y, moving, torch.cos(x)))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    read = x.numel() + gamma.numel() + x.numel()
    assert kernel.backward_elements(SHAPE) == read + sum(g.numel() for g in found[0])


def test_torch_writes_an_array_of_its_own(kernel: Kernel) -> None:
    import torch

    assert kernel.build_torch is not None
    arrays = [torch.from_numpy(a).requires_grad_() for a in drawn(kernel)]
    y = kernel.build_torch(SHAPE, "float32")(*arrays)
    gradients = torch.autograd.grad(y, arrays, torch.ones_like(y))
    owners = {t.untyped_storage().data_ptr() for t in (*arrays, y, *gradients)}
    assert len(owners) == 7
    assert all(g.is_contiguous() for g in gradients)


@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_jax_in_bfloat16_sums_in_float32(kernel: Kernel, offset: float) -> None:
    """An answer then errs by the rounding of itself, 2^-9 of it, and not by that of sums."""
    import jax
    import ml_dtypes

    assert kernel.build_jax is not None
    shape = {"rows": 5, "d": 4096}
    x, gamma, beta = drawn(kernel, shape)
    rounded = [a.astype(ml_dtypes.bfloat16) for a in (x + offset, gamma, beta)]
    y = jax.jit(kernel.build_jax(shape, "bfloat16"))(*map(jax.numpy.asarray, rounded))
    assert y.dtype == jax.numpy.bfloat16
    wanted = kernel.reference(shape, *(a.astype(np.float64) for a in rounded))
    np.testing.assert_allclose(np.asarray(y, dtype=np.float64), wanted, rtol=2**-8, atol=1e-5)
