"""Copy from the host's memory to the device, y = x over n elements: what each batch must pass.

No arithmetic, so no FLOPs, and any dtype. There is no backward pass: it would be the same copy.
Elements: x is read and y is written, 2 n. A link carries each element once: its rate, as data
sheets and copy tests state it, is half of what these bytes give.
On the device `cpu` it is a copy within the host's memory.
torch copies from page-locked memory on CUDA (the dialect locks it), which the GPU reads by itself,
into an array that is kept. jax takes a NumPy array, whose memory is pageable: the driver or jax
goes through a locked buffer of its own, which is slower. Its output is a fresh array, and on a
processor the system hands out the pages of a large one while they are written, which takes longer
than the copy. onnxruntime too reads pageable memory; it writes an array that is kept.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import PLAIN_DTYPES, Kernel

BLOCK = 2**20 + 1  # drawn elements: drawing all of `large` would take longer than its measurement

SHAPES: Mapping[str, Shape] = {
    "small": {"n": 2**13},  # 32 KiB in float32: the time of a call
    "medium": {"n": 8 * 3 * 224 * 224},  # 8 images as ImageNet's networks take them, 4.6 MiB
    "large": {"n": 2**25},  # 128 MiB
}


def elements(shape: Shape) -> int:
    """Return 2 n: x and y."""
    return 2 * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (n,), standard normal; a long one repeats a block, which no cache can tell."""
    import numpy as np

    n = shape["n"]
    return (np.resize(rng.standard_normal(min(n, BLOCK)), n),)


def reference(shape: Shape, x: Any) -> Any:
    """Return y (n,), equal to x."""
    return x.copy()


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return copy_ into an array on the device that is kept; the host need not wait for it."""
    import torch

    y: Any = None

    def copy(device: Any, x: Any) -> Any:
        """Allocate y on the first call, write into it on every one."""
        nonlocal y
        if y is None:
            y = torch.empty_like(x, device=device)
        return y.copy_(x, non_blocking=True)

    return copy


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return jax.device_put, and on a processor a copy in every case.

    Its `may_alias=False` holds for jax's arrays alone: there a NumPy array whose address is a
    multiple of 64 becomes jax's own as it lies (jax 0.10), and any other one is copied. A result
    that lies where x does is therefore copied by a program, so that there is one copy either way.
    """
    import jax

    copied = jax.jit(jax.numpy.copy)

    def copy(device: Any, x: Any) -> Any:
        """Copy x (n,), NumPy's, to `device`."""
        y = jax.device_put(x, device, may_alias=False)
        if device.platform == "cpu" and y.unsafe_buffer_pointer() == x.ctypes.data:
            return copied(y)
        return y

    return copy


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Identity: the copy is between where its input and output are bound."""
    from onnx import TensorProto, helper

    element = TensorProto.DataType.Value({"float32": "FLOAT"}.get(dtype, dtype.upper()))
    x, y = (helper.make_tensor_value_info(name, element, [shape["n"]]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "h2d_copy", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="h2d_copy",
    version=1,
    formula="y = x, from the host's memory to the device's",
    shapes=SHAPES,
    flops=None,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    dtypes=PLAIN_DTYPES,
    host_inputs=True,
)
