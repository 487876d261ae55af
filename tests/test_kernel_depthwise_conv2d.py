"""Depthwise convolution's reference and counts, held against SciPy, torch, XLA and a paper."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.registry import kernels
from tests.counted import count

SHAPES: list[Shape] = [
    {"n": 2, "c": 5, "h": 17, "w": 12, "r": 3, "stride": 2, "pad": 1},
    {"n": 1, "c": 4, "h": 9, "w": 14, "r": 2, "stride": 3, "pad": 0},
    {"n": 3, "c": 2, "h": 10, "w": 7, "r": 5, "stride": 1, "pad": 2},
]


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernels()["depthwise_conv2d"]


def drawn(kernel: Kernel, shape: Shape) -> list[Any]:
    return list(kernel.inputs(shape, np.random.default_rng(3)))


def padded(shape: Shape, x: Any) -> Any:
    p = shape["pad"]
    return np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))


def forward(shape: Shape, x: Any, w: Any) -> Any:
    """Return y entry by entry, each a sum that begins at zero."""
    x, r, step = padded(shape, x), shape["r"], shape["stride"]
    oh, ow = ((size - r) // step + 1 for size in x.shape[2:])
    y = np.zeros((*x.shape[:2], oh, ow), dtype=x.dtype)
    for n, c, i, j, u, v in np.ndindex(*y.shape, r, r):
        y[n, c, i, j] = y[n, c, i, j] + x[n, c, i * step + u, j * step + v] * w[c, 0, u, v]
    return y


def backward(shape: Shape, x: Any, w: Any, dy: Any) -> Any:
    """Return (dx, dw) by the chain rule on each product of `forward`."""
    x, r, step, p = padded(shape, x), shape["r"], shape["stride"], shape["pad"]
    dx, dw = np.zeros(x.shape, dtype=x.dtype), np.zeros(w.shape, dtype=w.dtype)
    for n, c, i, j, u, v in np.ndindex(*dy.shape, r, r):
        at = n, c, i * step + u, j * step + v
        dx[at] = dx[at] + w[c, 0, u, v] * dy[n, c, i, j]
        dw[c, 0, u, v] = dw[c, 0, u, v] + dy[n, c, i, j] * x[at]
    return dx[:, :, p : x.shape[2] - p, p : x.shape[3] - p], dw


def torch_gradients(kernel: Kernel, shape: Shape, x: Any, w: Any, dy: Any) -> tuple[Any, ...]:
    import torch

    assert kernel.build_torch is not None
    tensors = [torch.from_numpy(a).requires_grad_() for a in (x, w)]
    y = kernel.build_torch(shape, "float32")(*tensors)
    gradients: tuple[Any, ...] = torch.autograd.grad(y, tensors, torch.from_numpy(dy))
    return gradients


@pytest.mark.parametrize("shape", SHAPES)
def test_reference_is_scipys_correlation_of_each_channel(kernel: Kernel, shape: Shape) -> None:
    from scipy.signal import correlate2d

    x, w = drawn(kernel, shape)
    step = shape["stride"]
    wanted = [
        [
            correlate2d(channel, filters[0], mode="valid")[::step, ::step]
            for channel, filters in zip(image, w, strict=True)
        ]
        for image in padded(shape, x)
    ]
    np.testing.assert_allclose(kernel.reference(shape, x, w), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_reference_is_a_dense_convolution_whose_filters_are_zero_off_the_diagonal(
    kernel: Kernel, shape: Shape
) -> None:
    dense = kernels()["conv2d"]
    x, w = drawn(kernel, shape)
    filters = np.zeros((shape["c"], shape["c"], shape["r"], shape["r"]))
    for c in range(shape["c"]):
        filters[c, c] = w[c, 0]
    wanted = dense.reference({**shape, "k": shape["c"]}, x, filters)
    np.testing.assert_allclose(kernel.reference(shape, x, w), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_filter_that_is_one_in_its_middle_picks_every_so_many(
    kernel: Kernel, stride: int
) -> None:
    shape = {"n": 2, "c": 3, "h": 11, "w": 8, "r": 5, "stride": stride, "pad": 2}
    x, w = drawn(kernel, shape)
    w = np.zeros_like(w)
    w[:, 0, 2, 2] = [1, 2, 3]
    wanted = x[:, :, ::stride, ::stride] * np.array([1, 2, 3])[:, None, None]
    np.testing.assert_array_equal(kernel.reference(shape, x, w), wanted)


@pytest.mark.parametrize("shape", SHAPES)
def test_flops_are_the_operations_of_the_sums_one_by_one(kernel: Kernel, shape: Shape) -> None:
    x, w = drawn(kernel, shape)
    flops, y = count(partial(forward, shape), x, w)
    np.testing.assert_allclose(y, kernel.reference(shape, x, w), rtol=1e-12, atol=1e-12)
    assert kernel.work(shape, "forward", "float32")[0] == flops


@pytest.mark.parametrize("shape", SHAPES)
def test_backward_flops_are_those_of_a_formula_that_agrees_with_torch(
    kernel: Kernel, shape: Shape
) -> None:
    x, w = drawn(kernel, shape)
    dy = np.random.default_rng(4).standard_normal(kernel.reference(shape, x, w).shape)
    flops, gradients = count(partial(backward, shape), x, w, dy)
    for found, wanted in zip(gradients, torch_gradients(kernel, shape, x, w, dy), strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-10, atol=1e-10)
    assert kernel.work(shape, "backward", "float32")[0] == flops


@pytest.mark.parametrize("shape", SHAPES)
def test_flops_are_c_times_what_torch_counts_for_one_channel(kernel: Kernel, shape: Shape) -> None:
    """One channel is a dense convolution, which torch's counter knows backward too."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    assert kernel.build_torch is not None
    single = {**shape, "c": 1}
    x, w = (torch.from_numpy(a).to("meta").requires_grad_() for a in drawn(kernel, single))
    function = kernel.build_torch(single, "float32")
    ahead, back = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with ahead:
        y = function(x, w)
    with back:
        torch.autograd.grad(y, (x, w), torch.empty_like(y))
    assert kernel.work(shape, "forward", "float32")[0] == shape["c"] * ahead.get_total_flops()
    assert kernel.work(shape, "backward", "float32")[0] == shape["c"] * back.get_total_flops()


@pytest.mark.parametrize("size", [{"r": 3, "stride": 1}, {"r": 5, "stride": 2}])
def test_flops_are_those_that_xla_counts_where_nothing_is_padded(
    kernel: Kernel, size: Shape
) -> None:
    """XLA leaves out the products with padding, and the positions of a window that is cut off."""
    import jax

    assert kernel.build_jax is not None
    shape = {"n": 2, "c": 6, "h": 13, "w": 11, **size, "pad": 0}
    x, w = (jax.numpy.asarray(a, dtype="float32") for a in drawn(kernel, shape))
    function = jax.jit(kernel.build_jax(shape, "float32"))
    y, pull = jax.vjp(function, x, w)
    counted = [
        f.lower(*given).cost_analysis()["flops"]
        for f, given in ((function, (x, w)), (jax.jit(pull), (y,)))
    ]
    assert counted == [kernel.work(shape, p, "float32")[0] for p in ("forward", "backward")]


def test_depthwise_share_of_mobilenet_is_the_published_one(kernel: Kernel) -> None:
    """Howard et al. 2017 (arXiv 1704.04861), tables 1 and 2: 3.06 % of 569 million products."""
    layers = [(32, 112, 1), (64, 112, 2), (128, 56, 1), (128, 56, 2), (256, 28, 1), (256, 28, 2)]
    layers += [(512, 14, 1)] * 5 + [(512, 14, 2), (1024, 7, 1)]
    shapes = [
        {"n": 1, "c": c, "h": side, "w": side, "r": 3, "stride": stride, "pad": 1}
        for c, side, stride in layers
    ]
    products = sum(kernel.work(shape, "forward", "float32")[0] or 0 for shape in shapes) / 2
    assert round(100 * products / 569e6, 2) == 3.06


@pytest.mark.parametrize("label", ["small", "medium", "large"])
def test_every_entry_of_x_has_a_gradient_so_that_all_must_be_read(
    kernel: Kernel, label: str
) -> None:
    """An image's edge that no window reaches would make the stated traffic more than the least."""
    shape = {**kernel.shapes[label], "n": 1, "c": 2}
    x, w = drawn(kernel, shape)
    ones = np.ones(kernel.reference(shape, x, w).shape)
    dx, _ = torch_gradients(kernel, shape, x, np.ones_like(w), ones)
    assert (dx.numpy() > 0).all()


def test_torch_writes_arrays_of_its_own(kernel: Kernel) -> None:
    import torch

    assert kernel.build_torch is not None
    shape = kernel.shapes["small"]
    arrays = [torch.from_numpy(a).float().requires_grad_() for a in drawn(kernel, shape)]
    y = kernel.build_torch(shape, "float32")(*arrays)
    gradients = torch.autograd.grad(y, arrays, torch.ones_like(y))
    owners = {t.untyped_storage().data_ptr() for t in (*arrays, y, *gradients)}
    assert len(owners) == 5
    assert [t.untyped_storage().nbytes() for t in gradients] == [4 * prod(a.shape) for a in arrays]
