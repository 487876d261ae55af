"""Every kernel in the folder: answers, gradients, FLOPs and elements, in every dialect."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from hwbench import registry
from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.units import TOLERANCE

KERNELS = registry.kernels()
NAMES = sorted(KERNELS.items)
DIALECTS = ("torch", "jax", "onnx")

# Shapes with no two sizes alike where SHAPES are regular: a swapped pair of axes shows only here.
ODD: dict[str, list[Shape]] = {
    "gemm": [{"m": 24, "n": 40, "k": 56}],
    "conv2d": [
        {"n": 2, "c": 3, "h": 17, "w": 12, "k": 5, "r": 3, "stride": 2, "pad": 1},
        {"n": 1, "c": 4, "h": 9, "w": 14, "k": 6, "r": 2, "stride": 3, "pad": 0},
        {"n": 1, "c": 3, "h": 40, "w": 36, "k": 8, "r": 7, "stride": 2, "pad": 3},
    ],
    "attention": [{"b": 2, "h": 3, "s": 20, "d": 16}],
    "triad": [{"n": 1001}],
}


def cases(dtype: str = "float32", *, backward: bool = False) -> list[Any]:
    """Return the kernels that have the dtype (and a backward pass), at each of their shapes."""
    able = [k for k in KERNELS.items.values() if dtype in k.dtypes]
    return [
        pytest.param(k, s, id=f"{k.name}-{','.join(f'{a}={b}' for a, b in s.items())}")
        for k in able
        if k.backward_flops is not None or not backward
        for s in [k.shapes["small"], *ODD.get(k.name, [])]
    ]


def array_sizes(kernel: Kernel) -> Iterator[tuple[Shape, list[tuple[int, ...]]]]:
    """Yield each shape with the sizes of its inputs, but those that are too large to draw here."""
    for shape in [*kernel.shapes.values(), *ODD.get(kernel.name, [])]:
        if kernel.elements(shape) <= 10**7:
            drawn = kernel.inputs(shape, np.random.default_rng(0))
            yield shape, [x.shape for x in drawn]


def rounded_inputs(kernel: Kernel, shape: Shape, dtype: str, seed: int = 0) -> list[Any]:
    import ml_dtypes

    drawn = kernel.inputs(shape, np.random.default_rng(seed))
    if dtype == "int8":
        drawn = tuple(np.clip(np.round(x * 16), -127, 127) for x in drawn)
    rounded = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    return [x.astype(rounded) for x in drawn]


def run_torch(kernel: Kernel, shape: Shape, dtype: str, arrays: list[Any]) -> Any:
    import torch

    assert kernel.build_torch is not None
    tensors = [torch.from_numpy(x.astype(np.float64)).to(getattr(torch, dtype)) for x in arrays]
    return kernel.build_torch(shape, dtype)(*tensors).to(torch.float64).numpy()


def run_jax(kernel: Kernel, shape: Shape, dtype: str, arrays: list[Any]) -> Any:
    import jax

    assert kernel.build_jax is not None
    function = jax.jit(kernel.build_jax(shape, dtype))
    return np.asarray(function(*map(jax.numpy.asarray, arrays))).astype(np.float64)


def run_onnx(kernel: Kernel, shape: Shape, dtype: str, arrays: list[Any]) -> Any:
    import onnxruntime

    assert kernel.build_onnx is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    model = kernel.build_onnx(shape, dtype).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))[0].astype(np.float64)


RUN: dict[str, Callable[..., Any]] = {"torch": run_torch, "jax": run_jax, "onnx": run_onnx}


def check_answer(kernel: Kernel, shape: Shape, dialect: str, dtype: str) -> None:
    arrays = rounded_inputs(kernel, shape, dtype)
    answer = RUN[dialect](kernel, shape, dtype, arrays)
    wanted = kernel.reference(shape, *(x.astype(np.float64) for x in arrays))
    assert answer.shape == wanted.shape
    assert wanted.dtype == np.float64
    assert np.abs(answer - wanted).max() <= TOLERANCE[dtype] * np.abs(wanted).max()


def built(kernel: Kernel, dialect: str) -> None:
    if getattr(kernel, f"build_{dialect}") is None:
        pytest.skip(f"{kernel.name} is not written for {dialect}")


def test_every_kernel_file_can_be_used() -> None:
    assert KERNELS.broken == {}
    assert {"gemm", "conv2d", "attention", "triad"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_shapes_have_a_small_one_and_grow(name: str) -> None:
    kernel = KERNELS[name]
    work = [kernel.flops(shape) for shape in kernel.shapes.values()]
    assert next(iter(kernel.shapes)) == "small"
    assert work == sorted(work) and work[0] > 0
    assert len({tuple(s) for s in kernel.shapes.values()}) == 1  # one order of keys in the ids
    assert any((kernel.build_torch, kernel.build_jax, kernel.build_onnx))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("kernel", "shape"), cases())
def test_float32_answers_agree_with_the_reference(
    kernel: Kernel, shape: Shape, dialect: str
) -> None:
    built(kernel, dialect)
    check_answer(kernel, shape, dialect, "float32")


@pytest.mark.parametrize("dialect", ["torch", "jax"])
@pytest.mark.parametrize(("kernel", "shape"), cases("bfloat16"))
def test_bfloat16_answers_agree_with_the_reference(
    kernel: Kernel, shape: Shape, dialect: str
) -> None:
    """Not with onnxruntime, which has no bfloat16 on a CPU: its models are checked below."""
    built(kernel, dialect)
    check_answer(kernel, shape, dialect, "bfloat16")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("kernel", "shape"), cases("float16"))
def test_float16_answers_agree_with_the_reference(
    kernel: Kernel, shape: Shape, dialect: str
) -> None:
    built(kernel, dialect)
    try:
        check_answer(kernel, shape, dialect, "float16")
    except ValueError as e:
        # XLA's CPU backend has no batched float16 product with float32 sums, jax's attention.
        if dialect != "jax" or "not supported by dot_general on CPU" not in str(e):
            raise
        pytest.skip(f"jax cannot compute {kernel.name} in float16 on a CPU: {e}")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("kernel", "shape"), cases("int8"))
def test_int8_answers_are_exact(kernel: Kernel, shape: Shape, dialect: str) -> None:
    built(kernel, dialect)
    check_answer(kernel, shape, dialect, "int8")


@pytest.mark.parametrize("name", NAMES)
def test_onnx_models_are_valid_in_every_dtype_and_shape(name: str) -> None:
    import onnx

    kernel = KERNELS[name]
    built(kernel, "onnx")
    assert kernel.build_onnx is not None
    for shape, sizes in array_sizes(kernel):
        for dtype in kernel.dtypes:
            model = kernel.build_onnx(shape, dtype)
            onnx.checker.check_model(model, full_check=True)
            assert [declared(i) for i in model.graph.input] == sizes
            (output,) = map(declared, model.graph.output)
            assert math.prod(output) == kernel.elements(shape) - sum(map(math.prod, sizes))


def declared(value: Any) -> tuple[int, ...]:
    return tuple(d.dim_value for d in value.type.tensor_type.shape.dim)


@pytest.mark.parametrize("name", NAMES)
def test_a_program_forgets_its_earlier_inputs(name: str) -> None:
    """A program is built once and run on renewed inputs, some into an array that it keeps."""
    import torch

    kernel = KERNELS[name]
    built(kernel, "torch")
    assert kernel.build_torch is not None
    shape = kernel.shapes["small"]
    function = kernel.build_torch(shape, "float32")
    for seed in (1, 2):
        arrays = rounded_inputs(kernel, shape, "float32", seed)
        answer = function(*map(torch.from_numpy, arrays)).numpy()
        wanted = kernel.reference(shape, *(x.astype(np.float64) for x in arrays))
        assert np.abs(answer - wanted).max() <= 1e-4 * np.abs(wanted).max()


def torch_gradients(kernel: Kernel, shape: Shape, arrays: list[Any], cotangent: Any) -> list[Any]:
    import torch

    assert kernel.build_torch is not None
    tensors = [torch.from_numpy(x).requires_grad_() for x in arrays]
    output = kernel.build_torch(shape, "float32")(*tensors)
    gradients = torch.autograd.grad(output, tensors, torch.from_numpy(cotangent))
    return [g.numpy().astype(np.float64) for g in gradients]


def jax_gradients(kernel: Kernel, shape: Shape, arrays: list[Any], cotangent: Any) -> list[Any]:
    import jax

    assert kernel.build_jax is not None
    _, backward = jax.vjp(kernel.build_jax(shape, "float32"), *map(jax.numpy.asarray, arrays))
    return [np.asarray(g).astype(np.float64) for g in backward(jax.numpy.asarray(cotangent))]


GRADIENTS = {"torch": torch_gradients, "jax": jax_gradients}


@pytest.mark.parametrize("dialect", sorted(GRADIENTS))
@pytest.mark.parametrize(("kernel", "shape"), cases(backward=True))
def test_gradients_agree_with_central_differences_of_the_reference(
    kernel: Kernel, shape: Shape, dialect: str
) -> None:
    """Along a standard normal v, <g, v> is itself of the size of |g|: the scale of the check."""
    built(kernel, dialect)
    arrays = rounded_inputs(kernel, shape, "float32")
    exact = [x.astype(np.float64) for x in arrays]
    rng = np.random.default_rng(7)
    cotangent = rng.standard_normal(kernel.reference(shape, *exact).shape).astype(np.float32)
    gradients = GRADIENTS[dialect](kernel, shape, arrays, cotangent)
    assert [g.shape for g in gradients] == [x.shape for x in exact]
    for i, gradient in enumerate(gradients):
        for _ in range(2):
            v = rng.standard_normal(gradient.shape)
            slope = directional_derivative(kernel, shape, exact, i, v, cotangent)
            assert abs(np.vdot(gradient, v) - slope) <= 1e-3 * np.linalg.norm(gradient)


def directional_derivative(
    kernel: Kernel, shape: Shape, arrays: list[Any], i: int, v: Any, cotangent: Any
) -> float:
    h = 1e-4
    ends = []
    for step in (h, -h):
        moved = [x + step * v if j == i else x for j, x in enumerate(arrays)]
        ends.append(float(np.vdot(cotangent, kernel.reference(shape, *moved))))
    return (ends[0] - ends[1]) / (2 * h)


@pytest.mark.parametrize(("kernel", "shape"), cases())
def test_elements_are_those_of_the_inputs_and_the_output(kernel: Kernel, shape: Shape) -> None:
    arrays = kernel.inputs(shape, np.random.default_rng(0))
    output = kernel.reference(shape, *arrays)
    n_inputs = sum(x.size for x in arrays)
    assert all(x.dtype == np.float64 and np.all(x != 0) for x in arrays)
    assert kernel.elements(shape) == n_inputs + output.size
    assert kernel.work(shape, "forward") == (kernel.flops(shape), kernel.elements(shape))
    if kernel.backward_elements is not None:  # inputs and cotangent in, one gradient per input out
        assert kernel.backward_elements(shape) == 2 * n_inputs + output.size
    else:
        with pytest.raises(ValueError, match="no backward"):
            kernel.work(shape, "backward")


@pytest.mark.parametrize("phase", ["forward", "backward"])
@pytest.mark.parametrize("name", NAMES)
def test_flops_are_those_that_torch_counts(name: str, phase: str) -> None:
    """Nothing is computed: tensors on the meta device have a shape and no data."""
    kernel = KERNELS[name]
    built(kernel, "torch")
    if phase == "backward" and kernel.backward_flops is None:
        pytest.skip(f"{name} has no backward pass")
    for shape, sizes in array_sizes(kernel):
        counted = torch_counted(kernel, shape, sizes)[phase]
        if counted == 0:
            pytest.skip(f"torch's counter sees no product or convolution in {name}")
        assert kernel.work(shape, phase)[0] == counted


def torch_counted(kernel: Kernel, shape: Shape, sizes: list[tuple[int, ...]]) -> dict[str, int]:
    """Count with torch's own counter; only the unfused attention shows it its products."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    assert kernel.build_torch is not None
    wanted = kernel.backward_flops is not None
    tensors = [torch.empty(size, device="meta", requires_grad=wanted) for size in sizes]
    forward, backward = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), forward:
        output = kernel.build_torch(shape, "float32")(*tensors)
    with backward:
        if wanted:
            torch.autograd.grad(output, tensors, torch.empty_like(output))
    return {"forward": forward.get_total_flops(), "backward": backward.get_total_flops()}
