"""The reduction's reference, rounding and counts, held against exact sums and XLA."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.registry import kernels
from tests.counted import count

SHAPE: Shape = {"rows": 7, "n": 1001}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernels()["reduction"]


def drawn(kernel: Kernel, shape: Shape = SHAPE) -> Any:
    (x,) = kernel.inputs(shape, np.random.default_rng(3))
    return x


@pytest.mark.parametrize("shape", [SHAPE, {"rows": 1, "n": 100_003}, {"rows": 300, "n": 2}])
def test_reference_is_the_exact_sum_rounded(kernel: Kernel, shape: Shape) -> None:
    x = drawn(kernel, shape)
    wanted = [math.fsum(row) for row in x]
    np.testing.assert_allclose(kernel.reference(shape, x), wanted, rtol=0, atol=1e-11)


def test_reference_of_the_first_integers_is_gausss(kernel: Kernel) -> None:
    x = np.arange(1.0, 1002.0) * np.arange(1, 8)[:, None]
    wanted = 1001 * 1002 / 2 * np.arange(1, 8)
    np.testing.assert_array_equal(kernel.reference(SHAPE, x), wanted)


def test_reference_keeps_its_digits_over_a_million_terms(kernel: Kernel) -> None:
    """Summed one after the other, 2^20 times 0.1 is off by 1e-11 of itself."""
    x = np.full((1, 2**20), 0.1)
    (y,) = kernel.reference({"rows": 1, "n": 2**20}, x)
    assert y == pytest.approx(math.fsum(x[0]), rel=1e-14)


@pytest.mark.parametrize("shape", [SHAPE, {"rows": 1, "n": 2}, {"rows": 40, "n": 3}])
def test_flops_are_the_additions_of_the_reference(kernel: Kernel, shape: Shape) -> None:
    x = drawn(kernel, shape)
    flops, y = count(partial(kernel.reference, shape), x)
    np.testing.assert_allclose(y, kernel.reference(shape, x), rtol=1e-10, atol=1e-10)
    assert kernel.work(shape, "forward", "float32")[0] == flops


@pytest.mark.parametrize("label", ["small", "medium", "large"])
def test_flops_are_those_that_xla_counts(kernel: Kernel, label: str) -> None:
    import jax

    assert kernel.build_jax is not None
    shape = kernel.shapes[label]
    x = jax.ShapeDtypeStruct((shape["rows"], shape["n"]), "float32")
    counted = jax.jit(kernel.build_jax(shape, "float32")).lower(x).cost_analysis()["flops"]
    assert kernel.work(shape, "forward", "float32")[0] == counted


def test_bytes_of_gpt2s_logits_are_those_counted_by_hand(kernel: Kernel) -> None:
    """1024 tokens of 50,257 logits in, 1024 sums out."""
    shape = kernel.shapes["large"]
    assert kernel.work(shape, "forward", "float32")[1] == 205_852_672 + 4096
    assert kernel.work(shape, "forward", "bfloat16")[1] == 102_926_336 + 2048


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("library", ["torch", "jax"])
def test_16_bit_formats_are_summed_in_float32(kernel: Kernel, library: str, dtype: str) -> None:
    """Summed in 16 bits, ones would stop at 256 (bfloat16) or 2048 (float16)."""
    shape = {"rows": 3, "n": 4096}
    assert kernel.build_torch is not None and kernel.build_jax is not None
    if library == "torch":
        import torch

        x = torch.ones((3, 4096), dtype=getattr(torch, dtype))
        y = kernel.build_torch(shape, dtype)(x)
        assert y.dtype == x.dtype
        found = y.float().tolist()
    else:
        import jax

        ones = jax.numpy.ones((3, 4096), dtype=dtype)
        answer = jax.jit(kernel.build_jax(shape, dtype))(ones)
        assert answer.dtype == ones.dtype
        found = answer.astype("float32").tolist()
    assert found == [4096.0] * 3


def test_torch_gives_the_gradient_as_a_view(kernel: Kernel) -> None:
    """Which is why there is no backward pass to time: it moves nothing, and shares dy's memory."""
    import torch

    assert kernel.build_torch is not None and kernel.backward_flops is None
    x = torch.from_numpy(drawn(kernel)).requires_grad_()
    y = kernel.build_torch(SHAPE, "float32")(x)
    dy = torch.arange(7, dtype=torch.float64)
    (dx,) = torch.autograd.grad(y, x, dy)
    assert dx.stride(1) == 0 and dx.data_ptr() == dy.data_ptr()
    assert y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()


def test_a_repeated_block_gives_every_row_another_sum(kernel: Kernel) -> None:
    shape = {"rows": 120, "n": 20_001}  # longer than the block that is drawn
    x = drawn(kernel, shape)
    assert x.shape == (120, 20_001) and x.size > 2**21 and (x != 0).all()
    assert len(set(kernel.reference(shape, x).tolist())) == 120
