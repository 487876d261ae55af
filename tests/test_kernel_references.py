"""The kernels' NumPy references, held against other people's code."""

import math

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.registry import kernels

CONVOLUTIONS: list[Shape] = [
    {"n": 2, "c": 3, "h": 17, "w": 12, "k": 5, "r": 3, "stride": 2, "pad": 1},
    {"n": 1, "c": 4, "h": 9, "w": 14, "k": 6, "r": 2, "stride": 3, "pad": 0},
]


def test_gemm_reference_is_the_sum_of_products() -> None:
    kernel, shape = kernels()["gemm"], {"m": 24, "n": 40, "k": 56}
    a, b = kernel.inputs(shape, np.random.default_rng(3))
    np.testing.assert_allclose(
        kernel.reference(shape, a, b), np.einsum("mk,kn->mn", a, b), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("shape", CONVOLUTIONS)
def test_conv2d_reference_is_scipys_correlation(shape: Shape) -> None:
    from scipy.signal import correlate

    kernel = kernels()["conv2d"]
    x, w = kernel.inputs(shape, np.random.default_rng(3))
    p, step = shape["pad"], shape["stride"]
    padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    wanted = [
        [correlate(image, filters, mode="valid")[0, ::step, ::step] for filters in w]
        for image in padded
    ]
    np.testing.assert_allclose(kernel.reference(shape, x, w), wanted, rtol=1e-9, atol=1e-9)


def test_attention_reference_is_scipys_softmax_between_two_products() -> None:
    from scipy.special import softmax

    kernel, shape = kernels()["attention"], {"b": 2, "h": 3, "s": 20, "d": 16}
    q, k, v = kernel.inputs(shape, np.random.default_rng(3))
    weights = softmax(np.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(shape["d"]), axis=-1)
    wanted = np.einsum("bhij,bhjd->bhid", weights, v)
    np.testing.assert_allclose(kernel.reference(shape, q, k, v), wanted, rtol=1e-12, atol=1e-12)


def test_attention_reference_survives_scores_that_overflow_exp() -> None:
    kernel, shape = kernels()["attention"], {"b": 2, "h": 3, "s": 20, "d": 16}
    q, k, v = kernel.inputs(shape, np.random.default_rng(3))
    assert np.isfinite(kernel.reference(shape, 1e3 * q, 1e3 * k, v)).all()


def test_triad_counts_as_stream_does() -> None:
    """STREAM's table: 24 bytes and 2 FLOPs an iteration of double precision."""
    kernel, shape = kernels()["triad"], {"n": 1001}
    assert 8 * kernel.elements(shape) == 24 * shape["n"]
    assert kernel.work(shape, "forward", "float32")[0] == 2 * shape["n"]
    b, c = kernel.inputs(shape, np.random.default_rng(3))
    np.testing.assert_array_equal(
        kernel.reference(shape, b, c), [x + 3.0 * y for x, y in zip(b, c, strict=True)]
    )


def test_triad_writes_into_one_array_as_stream_does() -> None:
    import torch

    build = kernels()["triad"].build_torch
    assert build is not None
    function, b = build({"n": 8}, "float32"), torch.ones(8)
    assert function(b, b).data_ptr() == function(b, b).data_ptr()
