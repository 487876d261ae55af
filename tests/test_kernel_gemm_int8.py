"""gemm_int8: products of integers, exact to the last bit."""

from typing import Any

import numpy as np
import pytest

from hwbench.registry import kernels

GEMM = kernels()["gemm_int8"]
SHAPE = {"m": 24, "n": 40, "k": 56}
DIALECTS = ("torch", "jax", "onnx")


def computed(dialect: str, a: Any, b: Any) -> Any:
    """Return the int32 product as the dialect's library gives it."""
    shape = {"m": a.shape[0], "n": b.shape[1], "k": a.shape[1]}
    build = getattr(GEMM, f"build_{dialect}")(shape, "int8")
    if dialect == "torch":
        import torch

        return build(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    if dialect == "jax":
        import jax

        return np.asarray(jax.jit(build)(a, b))
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(build.SerializeToString(), providers=providers)
    return session.run(None, {"a": a, "b": b})[0]


def test_reference_is_the_product_in_python_integers() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(-127, 128, (24, 56)), rng.integers(-127, 128, (56, 40))
    wanted = [[sum(x * y for x, y in zip(row, col, strict=True)) for col in b.T] for row in a]
    np.testing.assert_array_equal(GEMM.reference(SHAPE, a.astype(float), b.astype(float)), wanted)
    np.testing.assert_array_equal(
        GEMM.reference(SHAPE, a.astype(np.int8), b.astype(np.int8)), wanted
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_largest_sums_neither_wrap_nor_saturate(dialect: str) -> None:
    """A pair of products of 127 x 127 is past 16 bits, where AVX2 saturates if used carelessly."""
    k = 4096
    a = np.full((32, k), 127, dtype=np.int8)
    b = np.full((k, 32), 127, dtype=np.int8)
    b[:, 16:] = -127
    c = computed(dialect, a, b)
    assert c.dtype == np.int32
    assert (c[:, :16] == 127 * 127 * k).all()
    assert (c[:, 16:] == -127 * 127 * k).all()


def test_no_shape_can_overflow_int32() -> None:
    assert all(127 * 127 * shape["k"] < 2**31 for shape in GEMM.shapes.values())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_libraries_read_one_byte_and_write_four(dialect: str) -> None:
    rng = np.random.default_rng(3)
    a, b = (rng.integers(-127, 128, size, np.int8) for size in ((24, 56), (56, 40)))
    c = computed(dialect, a, b)
    np.testing.assert_array_equal(c, a.astype(np.int64) @ b.astype(np.int64))
    assert GEMM.work(SHAPE, "forward", "int8") == (
        2 * 24 * 40 * 56,
        a.nbytes + b.nbytes + c.nbytes,
    )


def test_integers_have_no_other_dtype_and_no_gradient() -> None:
    assert GEMM.dtypes == ("int8",)
    with pytest.raises(ValueError, match="no backward"):
        GEMM.work(SHAPE, "backward", "int8")


def test_shapes_are_the_squares_of_gemm() -> None:
    gemm = kernels()["gemm"].shapes
    squares = {label: shape for label, shape in gemm.items() if len(set(shape.values())) == 1}
    assert {label: dict(shape) for label, shape in GEMM.shapes.items()} == squares
