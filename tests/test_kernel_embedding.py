"""The embedding's rows, traffic and gradient, held against torch, a product and plain loops."""

from functools import partial
from typing import Any

import numpy as np
import pytest

from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.registry import kernels
from tests.counted import count

SHAPE: Shape = {"n": 11, "v": 29, "d": 7}


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    return kernels()["embedding"]


def drawn(kernel: Kernel, shape: Shape = SHAPE) -> list[Any]:
    return list(kernel.inputs(shape, np.random.default_rng(3)))


def added(indices: Any, dy: Any) -> Any:
    """Return the table's gradient, row by row of dy."""
    gradient = np.zeros((SHAPE["v"], SHAPE["d"]), dtype=dy.dtype)
    for i, row in zip(indices, dy, strict=True):
        gradient[i] = gradient[i] + row
    return gradient


def torch_gradient(kernel: Kernel, indices: Any, table: Any, dy: Any) -> Any:
    import torch

    assert kernel.build_torch is not None
    moving = torch.from_numpy(table).requires_grad_()
    y = kernel.build_torch(SHAPE, "float32")(torch.from_numpy(indices), moving)
    return torch.autograd.grad(y, moving, torch.from_numpy(dy))[0]


def jax_gradient(kernel: Kernel, indices: Any, table: Any, dy: Any) -> Any:
    import jax

    assert kernel.build_jax is not None
    function = partial(kernel.build_jax(SHAPE, "float32"), jax.numpy.asarray(indices))
    _, pull = jax.vjp(function, jax.numpy.asarray(table, dtype="float32"))
    return pull(jax.numpy.asarray(dy, dtype="float32"))[0]


@pytest.mark.parametrize("label", ["small", "medium"])
def test_reference_is_torchs_in_float64(kernel: Kernel, label: str) -> None:
    import torch

    indices, table = drawn(kernel, kernel.shapes[label])
    wanted = torch.nn.functional.embedding(torch.from_numpy(indices), torch.from_numpy(table))
    answer = kernel.reference(kernel.shapes[label], indices, table)
    np.testing.assert_array_equal(answer, wanted.numpy())


def test_reference_is_the_product_of_one_hot_rows_and_the_table(kernel: Kernel) -> None:
    indices, table = drawn(kernel)
    one_hot = (indices[:, None] == np.arange(SHAPE["v"])).astype(float)
    np.testing.assert_array_equal(kernel.reference(SHAPE, indices, table), one_hot @ table)


@pytest.mark.parametrize("shape", [SHAPE, {"n": 29, "v": 29, "d": 2}, {"n": 1, "v": 1, "d": 1}])
def test_indices_are_distinct_rows_of_the_table(kernel: Kernel, shape: Shape) -> None:
    indices, table = drawn(kernel, shape)
    assert indices.dtype == np.int32 and indices.shape == (shape["n"],)
    assert len(set(indices.tolist())) == shape["n"]
    assert indices.min() >= 0 and indices.max() < shape["v"] == len(table)


def test_indices_are_in_no_order_and_drawn_anew_each_time(kernel: Kernel) -> None:
    """Neighbouring rows would be prefetched: a copy of a slice, not a gather."""
    shape, rng = kernel.shapes["small"], np.random.default_rng(3)
    first, second = (kernel.inputs(shape, rng)[0] for _ in range(2))
    assert not np.array_equal(first, second)
    assert (np.abs(np.diff(first.astype(int))) == 1).mean() < 0.05
    assert first.max() - first.min() > shape["v"] / 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_bytes_are_the_rows_asked_for_and_four_an_index(kernel: Kernel, dtype: str) -> None:
    """By hand for 32,768 rows of GPT-2's table, 768 wide, of which it has 50,257."""
    item = {"float32": 4, "bfloat16": 2, "float16": 2}[dtype]
    shape = kernel.shapes["large"]
    forward, backward = (kernel.work(shape, p, dtype) for p in ("forward", "backward"))
    assert forward == (None, 2 * 25_165_824 * item + 131_072)
    assert backward == (25_165_824, (25_165_824 + 38_597_376) * item + 131_072)


def test_backward_flops_are_the_additions_of_a_loop_that_agrees_with_torch(
    kernel: Kernel,
) -> None:
    indices, table = drawn(kernel)
    dy = np.random.default_rng(4).standard_normal((SHAPE["n"], SHAPE["d"]))
    flops, gradient = count(partial(added, indices), dy)
    np.testing.assert_array_equal(gradient, torch_gradient(kernel, indices, table, dy).numpy())
    assert kernel.work(SHAPE, "backward", "float32")[0] == flops


def test_xla_counts_n_more_backward_additions_where_rows_are_one_wider(kernel: Kernel) -> None:
    """It counts the arithmetic on the indices too, which does not depend on the width."""
    import jax

    assert kernel.build_jax is not None
    counted = []
    for d in (7, 8):
        arrays = drawn(kernel, {**SHAPE, "d": d})
        indices, table = map(jax.numpy.asarray, arrays)
        y, pull = jax.vjp(partial(kernel.build_jax(SHAPE, "float32"), indices), table)
        counted.append(jax.jit(pull).lower(y).cost_analysis()["flops"])
    wider = {**SHAPE, "d": 8}
    stated = [kernel.work(s, "backward", "float32")[0] or 0 for s in (SHAPE, wider)]
    assert counted[1] - counted[0] == stated[1] - stated[0] == SHAPE["n"]


@pytest.mark.parametrize("gradient_of", [torch_gradient, jax_gradient])
def test_gradients_are_dense_and_add_up_where_a_row_is_asked_for_twice(
    kernel: Kernel, gradient_of: Any
) -> None:
    """So the additions are really done: no library can tell that the rows are distinct."""
    _, table = drawn(kernel)
    indices = np.array([5, 3, 5, 0, 28, 5, 3, 1, 1, 2, 9], dtype=np.int32)
    dy = np.random.default_rng(4).standard_normal((SHAPE["n"], SHAPE["d"]))
    wanted = np.zeros_like(table)
    np.add.at(wanted, indices, dy)
    found = np.asarray(gradient_of(kernel, indices, table, dy))
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    assert (found[10] == 0).all() and found.shape == table.shape


def test_torch_writes_arrays_of_its_own(kernel: Kernel) -> None:
    import torch

    assert kernel.build_torch is not None
    indices, table = (torch.from_numpy(a) for a in drawn(kernel))
    table.requires_grad_()
    y = kernel.build_torch(SHAPE, "float32")(indices, table)
    (gradient,) = torch.autograd.grad(y, table, torch.ones_like(y))
    assert not gradient.is_sparse and gradient.is_contiguous()
    owners = {t.untyped_storage().data_ptr() for t in (indices, table, y, gradient)}
    assert len(owners) == 4
    assert y.untyped_storage().nbytes() == 8 * y.numel()


def test_jax_takes_the_indices_that_its_builder_says_it_takes(kernel: Kernel) -> None:
    import jax

    assert kernel.build_jax is not None
    _, table = drawn(kernel)
    single = table.astype(np.float32)
    function = jax.jit(kernel.build_jax(SHAPE, "float32"))
    y = np.asarray(function(jax.numpy.array([-1, SHAPE["v"]], dtype="int32"), single))
    np.testing.assert_array_equal(y[0], single[-1])
    assert np.isnan(y[1]).all()


def test_jax_takes_as_flax_does(kernel: Kernel) -> None:
    import jax
    from flax import linen

    assert kernel.build_jax is not None
    indices, table = map(jax.numpy.asarray, drawn(kernel))
    embed = linen.Embed(SHAPE["v"], SHAPE["d"])
    ours = jax.make_jaxpr(kernel.build_jax(SHAPE, "float32"))(indices, table)
    theirs = jax.make_jaxpr(lambda i, t: embed.apply({"params": {"embedding": t}}, i))(
        indices, table
    )
    assert str(ours) == str(theirs)
