"""GELU's reference and counts, held against torch in float64, SciPy and closed forms."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.registry import kernels
from tests.counted import count

SHAPE: Shape = {"n": 1001}
GRID = np.linspace(-12, 12, 24001)


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernels()["gelu"]


def drawn(kernel: Kernel) -> Any:
    (x,) = kernel.inputs(SHAPE, np.random.default_rng(3))
    return x


def backward(dy: Any, x: Any) -> Any:
    """Return dx by the docstring's formula."""
    a = np.sqrt(2 / np.pi)
    w = 0.044715 * a * x * x
    t = np.tanh(x * (a + w))
    return dy * (1 + t) * (1 + x * (1 - t) * (a + 3 * w)) * 0.5


def test_reference_is_torchs_tanh_form_in_float64(kernel: Kernel) -> None:
    import torch

    wanted = torch.nn.functional.gelu(torch.from_numpy(GRID), approximate="tanh").numpy()
    answer = kernel.reference({"n": GRID.size}, GRID)
    np.testing.assert_allclose(answer, wanted, rtol=1e-12, atol=1e-14)


def test_reference_is_gpt2s_line(kernel: Kernel) -> None:
    """As openai/gpt-2 computes it: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
    x = GRID
    wanted = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * np.power(x, 3))))
    np.testing.assert_allclose(kernel.reference({"n": x.size}, x), wanted, rtol=1e-12, atol=1e-14)


def test_it_is_near_the_exact_form_and_not_it(kernel: Kernel) -> None:
    """The largest difference is 4.7e-4: enough to tell both from each other in float32."""
    from scipy.special import ndtr

    apart = np.abs(kernel.reference({"n": GRID.size}, GRID) - GRID * ndtr(GRID)).max()
    assert 4e-4 < apart < 5e-4


def test_what_it_gives_to_x_and_takes_from_minus_x_is_x(kernel: Kernel) -> None:
    x = drawn(kernel)
    difference = kernel.reference(SHAPE, x) - kernel.reference(SHAPE, -x)
    np.testing.assert_allclose(difference, x, rtol=1e-14)


def test_far_from_zero_it_is_a_relu(kernel: Kernel) -> None:
    x = np.array([-1e100, -1e4, -30.0, 0.0, 30.0, 1e4, 1e100])
    np.testing.assert_array_equal(kernel.reference({"n": 7}, x), np.maximum(x, 0))


def test_inputs_are_left_as_they_were(kernel: Kernel) -> None:
    x = drawn(kernel)
    kernel.reference(SHAPE, x)
    np.testing.assert_array_equal(x, drawn(kernel))


def test_flops_are_the_operations_of_the_reference(kernel: Kernel) -> None:
    x = drawn(kernel)
    flops, answer = count(partial(kernel.reference, SHAPE), x)
    np.testing.assert_allclose(answer, kernel.reference(SHAPE, x), rtol=1e-12, atol=1e-14)
    assert kernel.work(SHAPE, "forward", "float32")[0] == flops


def test_flops_are_electras_eight_an_element(kernel: Kernel) -> None:
    """ACTIVATION_FLOPS of google-research/electra's flops_computation.py."""
    assert kernel.work(SHAPE, "forward", "float32")[0] == 8 * drawn(kernel).size


def test_backward_flops_are_those_of_a_formula_that_agrees_with_torch(kernel: Kernel) -> None:
    import torch

    x = drawn(kernel)
    dy = np.random.default_rng(4).standard_normal(x.shape)
    flops, gradient = count(backward, dy, x)
    tensor = torch.from_numpy(x).requires_grad_()
    y = torch.nn.functional.gelu(tensor, approximate="tanh")
    (wanted,) = torch.autograd.grad(y, tensor, torch.from_numpy(dy))
    np.testing.assert_allclose(gradient, wanted.numpy(), rtol=1e-10, atol=1e-12)
    assert kernel.work(SHAPE, "backward", "float32")[0] == flops


def test_every_dialect_builds_the_tanh_form(kernel: Kernel) -> None:
    """The exact one is up to 4.7e-4 away, which the generic tolerance only just sees."""
    import jax
    import torch
    from onnx.reference import ReferenceEvaluator

    assert kernel.build_torch and kernel.build_jax and kernel.build_onnx
    x = np.linspace(-4, 4, 1001)
    wanted = kernel.reference(SHAPE, x)
    single = x.astype(np.float32)
    by_torch = kernel.build_torch(SHAPE, "float32")(torch.from_numpy(single)).numpy()
    by_jax = jax.jit(kernel.build_jax(SHAPE, "float32"))(jax.numpy.asarray(single))
    model = kernel.build_onnx(SHAPE, "float32")
    (by_onnx,) = ReferenceEvaluator(model).run(None, {"x": single})
    for answer in (by_torch, np.asarray(by_jax), by_onnx):
        assert np.abs(answer - wanted).max() < 2e-6


def test_torch_writes_an_array_of_its_own(kernel: Kernel) -> None:
    import torch

    assert kernel.build_torch is not None
    x = torch.from_numpy(drawn(kernel)).requires_grad_()
    y = kernel.build_torch(SHAPE, "float32")(x)
    (dx,) = torch.autograd.grad(y, x, torch.cos(x.detach()))
    assert len({t.untyped_storage().data_ptr() for t in (x, y, dx)}) == 3
    assert dx.is_contiguous()
