"""gemm at shapes that are not square: skinny ones and batches."""

import numpy as np
import pytest

from hwbench.case import Case, Shape
from hwbench.registry import kernels

GEMM = kernels()["gemm"]
BATCHED: Shape = {"b": 3, "m": 5, "n": 7, "k": 11}
SKINNY: list[Shape] = [{"m": 1, "n": 33, "k": 65}, {"m": 3, "n": 2, "k": 4001}]


def test_a_batch_is_its_products_one_by_one() -> None:
    a, b = GEMM.inputs(BATCHED, np.random.default_rng(3))
    assert (a.shape, b.shape) == ((3, 5, 11), (3, 11, 7))
    wanted = np.stack([np.outer(x[:, 0], y[0]) for x, y in zip(a, b, strict=True)])
    for i in range(1, BATCHED["k"]):
        wanted += a[:, :, i, None] * b[:, i, None, :]
    np.testing.assert_allclose(GEMM.reference(BATCHED, a, b), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SKINNY)
def test_skinny_references_are_sums_of_products(shape: Shape) -> None:
    a, b = GEMM.inputs(shape, np.random.default_rng(3))
    wanted = np.einsum("mk,kn->mn", a, b)
    np.testing.assert_allclose(GEMM.reference(shape, a, b), wanted, rtol=1e-11, atol=1e-11)


def test_a_batch_of_one_counts_as_no_batch_and_more_in_proportion() -> None:
    alone = {k: n for k, n in BATCHED.items() if k != "b"}
    for count in (GEMM.flops, GEMM.backward_flops, GEMM.elements, GEMM.backward_elements):
        assert count is not None
        assert count({"b": 1, **alone}) == count(alone)
        assert count(BATCHED) == BATCHED["b"] * count(alone)


def test_counts_of_a_known_layer() -> None:
    """GPT-2 small scores one token: 38,597,376 weights of two FLOPs each, once through memory."""
    flops, moved = GEMM.work(GEMM.shapes["logits"], "forward", "float32")
    assert flops == 2 * 38_597_376
    assert moved == 4 * (38_597_376 + 768 + 50_257)


def test_skinny_shapes_do_few_flops_a_byte_and_square_ones_many() -> None:
    """Each entry of a float32 matrix serves m products: m / 2 FLOPs a byte, if m is small."""
    intensity = {}
    for label, shape in GEMM.shapes.items():
        flops, moved = GEMM.work(shape, "forward", "float32")
        assert flops is not None
        intensity[label] = flops / moved
    wanted = {"token": 0.5, "logits": 0.5, "tokens": 8, "weights": 16, "huge": 4096 / 6}
    assert {label: intensity[label] for label in wanted} == pytest.approx(wanted, rel=0.01)


def test_only_batched_shapes_name_a_batch_and_name_it_first() -> None:
    ids = {label: case(shape).id.split("/")[-1] for label, shape in GEMM.shapes.items()}
    assert ids["heads"] == "b=12,m=512,n=512,k=64"
    assert ids["large"] == "m=1024,n=1024,k=1024"
    assert [label for label, id in ids.items() if "b=" in id] == ["heads"]


def case(shape: Shape) -> Case:
    return Case(
        kind="kernel",
        name="gemm",
        version=GEMM.version,
        phase="forward",
        scenario="hot",
        runtime="torch",
        device="cpu",
        dtype="float32",
        shape=shape,
    )


def test_squares_keep_the_shapes_of_earlier_records() -> None:
    sides = {"small": 256, "medium": 512, "large": 1024, "huge": 4096}
    for label, side in sides.items():
        assert dict(GEMM.shapes[label]) == {"m": side, "n": side, "k": side}
