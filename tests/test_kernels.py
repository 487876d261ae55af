"""Every kernel in the folder: answers, gradients, FLOPs and elements, in every dialect."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from hwbench import check, registry
from hwbench.case import Shape
from hwbench.kernel import Kernel
from hwbench.units import ITEM_BYTES, TOLERANCE

KERNELS = registry.kernels()
NAMES = sorted(KERNELS.items)
DIALECTS = ("torch", "jax", "onnx")

# Shapes with no two sizes alike where SHAPES are regular: a swapped pair of axes shows only here.
ODD: dict[str, list[Shape]] = {
    "gemm": [{"m": 24, "n": 40, "k": 56}, {"b": 3, "m": 5, "n": 7, "k": 11}],
    "gemm_int8": [{"m": 24, "n": 40, "k": 56}],
    "conv2d": [
        {"n": 2, "c": 3, "h": 17, "w": 12, "k": 5, "r": 3, "stride": 2, "pad": 1},
        {"n": 1, "c": 4, "h": 9, "w": 14, "k": 6, "r": 2, "stride": 3, "pad": 0},
        {"n": 1, "c": 3, "h": 40, "w": 36, "k": 8, "r": 7, "stride": 2, "pad": 3},
    ],
    "attention": [{"b": 2, "h": 3, "s": 20, "d": 16}],
    "triad": [{"n": 1001}],
    "adamw": [{"n": 1001}],
    "h2d_copy": [{"n": 1001}],
    "layer_norm": [{"rows": 7, "d": 50}],
    "softmax": [{"rows": 7, "n": 33}],
    "gelu": [{"n": 1001}],
    "depthwise_conv2d": [
        {"n": 2, "c": 5, "h": 17, "w": 12, "r": 3, "stride": 2, "pad": 1},
        {"n": 1, "c": 4, "h": 9, "w": 14, "r": 2, "stride": 3, "pad": 0},
    ],
    "embedding": [{"n": 11, "v": 29, "d": 7}],
    "reduction": [{"rows": 7, "n": 1001}],
}

# Where torch's counter is known to be wrong: another count stands in the kernel's own test.
MISCOUNTED = {("depthwise_conv2d", "backward"): "it takes a grouped gradient for a dense one"}

# Elements of float inputs that a pass need not read: {kernel: (forward, backward)}, none otherwise.
Unread = Callable[[Shape], int]
UNREAD: dict[str, tuple[Unread, Unread]] = {
    "layer_norm": (lambda shape: 0, lambda shape: shape["d"]),  # no gradient depends on beta
    # The rows that are not asked for; backward dy alone is read.
    "embedding": (lambda s: (s["v"] - s["n"]) * s["d"], lambda s: s["v"] * s["d"]),
}


def unread(kernel: Kernel, shape: Shape, phase: str) -> int:
    forward, backward = UNREAD.get(kernel.name, (lambda shape: 0, lambda shape: 0))
    found: int = (backward if phase == "backward" else forward)(shape)
    return found


def several(answer: Any) -> tuple[Any, ...]:
    """Return an answer of one array or of several as a tuple."""
    return answer if isinstance(answer, tuple) else (answer,)


def called(kernel: Kernel, function: Callable[..., Any], device: Any, arrays: Any) -> Any:
    """Call what a builder returned, as the dialects do."""
    return function(device, *arrays) if kernel.host_inputs else function(*arrays)


def cases(dtype: str = "float32", *, backward: bool = False) -> list[Any]:
    """Return the kernels that have the dtype (and a backward pass), at each of their shapes."""
    able = [k for k in KERNELS.items.values() if dtype in k.dtypes]
    return [
        pytest.param(k, s, id=f"{k.name}-{','.join(f'{a}={b}' for a, b in s.items())}")
        for k in able
        if k.backward_flops is not None or not backward
        for s in [k.shapes["small"], *ODD.get(k.name, [])]
    ]


def drawable(kernel: Kernel) -> Iterator[tuple[Shape, tuple[Any, ...]]]:
    """Yield each shape with inputs, but those that are too large to draw here."""
    for shape in [*kernel.shapes.values(), *ODD.get(kernel.name, [])]:
        if kernel.elements(shape) <= 10**7:
            yield shape, kernel.inputs(shape, np.random.default_rng(0))


def rounded_inputs(kernel: Kernel, shape: Shape, dtype: str, seed: int = 0) -> list[Any]:
    import ml_dtypes

    drawn = kernel.inputs(shape, np.random.default_rng(seed))
    if dtype == "int8":
        drawn = tuple(np.clip(np.round(x * 16), -127, 127) for x in drawn)
    rounded = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    return [x if x.dtype == np.int32 else x.astype(rounded) for x in drawn]


def widened(arrays: Any) -> list[Any]:
    """Return arrays in float64, indices as they are: what a reference takes."""
    return [x if x.dtype == np.int32 else x.astype(np.float64) for x in arrays]


def run_torch(kernel: Kernel, shape: Shape, dtype: str, arrays: list[Any]) -> Any:
    import torch

    assert kernel.build_torch is not None
    tensors = [
        torch.from_numpy(x.copy() if x.dtype == np.int32 else x.astype(np.float64)) for x in arrays
    ]
    rounded = [t.to(getattr(torch, dtype)) if t.is_floating_point() else t for t in tensors]
    answer = called(kernel, kernel.build_torch(shape, dtype), torch.device("cpu"), rounded)
    return [y.to(torch.float64).numpy() for y in several(answer)]


def run_jax(kernel: Kernel, shape: Shape, dtype: str, arrays: list[Any]) -> Any:
    import jax

    assert kernel.build_jax is not None
    function = kernel.build_jax(shape, dtype)
    if not kernel.host_inputs:
        function = jax.jit(function)
        arrays = [jax.numpy.asarray(x) for x in arrays]
    answer = called(kernel, function, jax.devices("cpu")[0], arrays)
    return [np.asarray(y).astype(np.float64) for y in several(answer)]


def run_onnx(kernel: Kernel, shape: Shape, dtype: str, arrays: list[Any]) -> Any:
    import onnxruntime

    assert kernel.build_onnx is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    options.log_severity_level = 3
    model = kernel.build_onnx(shape, dtype).SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    answer = session.run(None, dict(zip(names, arrays, strict=True)))
    return [y.astype(np.float64) for y in answer]


RUN: dict[str, Callable[..., Any]] = {"torch": run_torch, "jax": run_jax, "onnx": run_onnx}


def check_answer(kernel: Kernel, shape: Shape, dialect: str, dtype: str) -> None:
    arrays = rounded_inputs(kernel, shape, dtype)
    answers = RUN[dialect](kernel, shape, dtype, arrays)
    for answer, wanted in zip(
        answers, several(kernel.reference(shape, *widened(arrays))), strict=True
    ):
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
    size = kernel.flops or kernel.elements
    work = [size(shape) for shape in kernel.shapes.values()]
    assert next(iter(kernel.shapes)) == "small"
    assert work == sorted(work) and work[0] > 0
    keys = max((list(s) for s in kernel.shapes.values()), key=len)
    for shape in kernel.shapes.values():  # one order of keys in the ids; some may lack one
        assert list(shape) == [key for key in keys if key in shape]
        assert all(isinstance(n, int) and n >= 0 for n in shape.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_kernel_is_written_for_every_dialect(name: str) -> None:
    assert [d for d in DIALECTS if getattr(KERNELS[name], f"build_{d}") is None] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_grid_spans_launch_bound_to_far_beyond_the_caches(name: str) -> None:
    """From less than 2 MiB, which any GPU does in the time of a launch, to 100 times as much."""
    kernel = KERNELS[name]
    sizes = [kernel.work(s, "forward", kernel.dtypes[0]) for s in kernel.shapes.values()]
    least_bytes, most_bytes = sizes[0][1], max(b for _, b in sizes)
    most_flops = max(f or 0 for f, _ in sizes)
    assert least_bytes <= 2 * 2**20
    assert most_bytes >= 100 * 2**20 or most_flops >= 10**10


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_answers_the_same_twice_and_leaves_its_inputs(name: str) -> None:
    check.sound_reference(KERNELS[name])


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
    for shape, arrays in drawable(kernel):
        answers = [y.shape for y in several(kernel.reference(shape, *arrays))]
        for dtype in kernel.dtypes:
            model = kernel.build_onnx(shape, dtype)
            onnx.checker.check_model(model, full_check=True)
            assert [declared(i) for i in model.graph.input] == [x.shape for x in arrays]
            assert [declared(o) for o in model.graph.output] == answers


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
    dtype = kernel.dtypes[0]
    function = kernel.build_torch(shape, dtype)
    for seed in (1, 2):
        arrays = rounded_inputs(kernel, shape, dtype, seed)
        wanted = several(kernel.reference(shape, *widened(arrays)))
        answers = called(
            kernel, function, torch.device("cpu"), [torch.from_numpy(x) for x in arrays]
        )
        for answer, right in zip(several(answers), wanted, strict=True):
            assert np.abs(answer.numpy() - right).max() <= 1e-4 * np.abs(right).max()


def torch_gradients(kernel: Kernel, shape: Shape, arrays: list[Any], cotangent: Any) -> list[Any]:
    import torch

    assert kernel.build_torch is not None
    tensors = [torch.from_numpy(x) for x in arrays]
    sought = [t.requires_grad_() for t in tensors if t.is_floating_point()]
    output = kernel.build_torch(shape, "float32")(*tensors)
    gradients = torch.autograd.grad(output, sought, torch.from_numpy(cotangent))
    return [g.numpy().astype(np.float64) for g in gradients]


def jax_gradients(kernel: Kernel, shape: Shape, arrays: list[Any], cotangent: Any) -> list[Any]:
    import jax

    assert kernel.build_jax is not None
    _, backward = jax.vjp(kernel.build_jax(shape, "float32"), *map(jax.numpy.asarray, arrays))
    gradients = backward(jax.numpy.asarray(cotangent))
    floats = [g for g, x in zip(gradients, arrays, strict=True) if x.dtype != np.int32]
    return [np.asarray(g).astype(np.float64) for g in floats]


GRADIENTS = {"torch": torch_gradients, "jax": jax_gradients}


@pytest.mark.parametrize("dialect", sorted(GRADIENTS))
@pytest.mark.parametrize(("kernel", "shape"), cases(backward=True))
def test_gradients_agree_with_central_differences_of_the_reference(
    kernel: Kernel, shape: Shape, dialect: str
) -> None:
    """Along a standard normal v, <g, v> is itself of the size of |g|: the scale of the check."""
    built(kernel, dialect)
    arrays = rounded_inputs(kernel, shape, "float32")
    exact = widened(arrays)
    rng = np.random.default_rng(7)
    cotangent = rng.standard_normal(kernel.reference(shape, *exact).shape).astype(np.float32)
    gradients = GRADIENTS[dialect](kernel, shape, arrays, cotangent)
    moving = [i for i, x in enumerate(exact) if x.dtype == np.float64]
    assert [g.shape for g in gradients] == [exact[i].shape for i in moving]
    for i, gradient in zip(moving, gradients, strict=True):
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


ANY_DTYPE = [c for dtype in ("float32", "int8") for c in cases(dtype)]


@pytest.mark.parametrize(("kernel", "shape"), ANY_DTYPE)
def test_bytes_are_those_of_the_inputs_and_the_outputs(kernel: Kernel, shape: Shape) -> None:
    arrays = kernel.inputs(shape, np.random.default_rng(0))
    outputs = several(kernel.reference(shape, *arrays))
    floats = [x for x in arrays if x.dtype == np.float64]
    assert {x.dtype for x in arrays} <= {np.dtype(np.float64), np.dtype(np.int32)}
    assert all(np.all(x != 0) for x in floats)
    dtype = kernel.dtypes[0]
    item, item_out = ITEM_BYTES[dtype], 4 if dtype == "int8" else ITEM_BYTES[dtype]
    read, written = sum(x.size for x in floats), sum(y.size for y in outputs)
    indices = sum(x.nbytes for x in arrays if x.dtype == np.int32)
    forward = item * (read - unread(kernel, shape, "forward")) + item_out * written + indices
    assert kernel.work(shape, "forward", dtype)[1] == forward
    if kernel.backward_flops is None:
        with pytest.raises(ValueError, match="no backward"):
            kernel.work(shape, "backward", dtype)
        return
    # Inputs and the output gradient in, one gradient per input out.
    moved = 2 * read + written - unread(kernel, shape, "backward")
    assert kernel.work(shape, "backward", dtype)[1] == item * moved + indices


@pytest.mark.parametrize("phase", ["forward", "backward"])
@pytest.mark.parametrize("name", NAMES)
def test_flops_are_those_that_torch_counts(name: str, phase: str) -> None:
    """Nothing is computed: tensors on the meta device have a shape and no data."""
    kernel = KERNELS[name]
    built(kernel, "torch")
    if phase == "backward" and kernel.backward_flops is None:
        pytest.skip(f"{name} has no backward pass")
    if (name, phase) in MISCOUNTED:
        pytest.skip(f"torch's counter is wrong: {MISCOUNTED[name, phase]}")
    for shape, arrays in drawable(kernel):
        counted = torch_counted(kernel, shape, arrays)[phase]
        if counted == 0:
            pytest.skip(f"torch's counter sees no product or convolution in {name}")
        assert kernel.work(shape, phase, kernel.dtypes[0])[0] == counted


def torch_counted(kernel: Kernel, shape: Shape, arrays: Any) -> dict[str, int]:
    """Count with torch's own counter; only the unfused attention shows it its products."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    assert kernel.build_torch is not None
    wanted = kernel.backward_flops is not None
    kinds = {"i": torch.int32, "f": getattr(torch, kernel.dtypes[0])}
    tensors = [
        torch.empty(x.shape, device="meta", dtype=kinds[x.dtype.kind]).requires_grad_(
            wanted and x.dtype.kind == "f"
        )
        for x in arrays
    ]
    forward, backward = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with sdpa_kernel(SDPBackend.MATH), forward:
        function = kernel.build_torch(shape, kernel.dtypes[0])
        output = called(kernel, function, torch.device("meta"), tensors)
    with backward:
        if wanted:
            sought = [t for t in tensors if t.requires_grad]
            torch.autograd.grad(output, sought, torch.empty_like(output))
    return {"forward": forward.get_total_flops(), "backward": backward.get_total_flops()}
