"""Two-dimensional convolution as networks use it: y = w * x, no bias (NCHW and OIHW layouts).

    y[n,k,i,j] = sum over c,u,v of x[n, c, i stride + u - pad, j stride + v - pad] w[k,c,u,v]

x is (n, c, h, w), the filters w are (k, c, r, r), y is (n, k, oh, ow) with
oh = (h + 2 pad - r) // stride + 1, and ow alike.
FLOPs: each of the n k oh ow outputs is a sum of c r r products: 2 n k oh ow c r r. Padding counts
as data, as usual; a Winograd or FFT algorithm needs fewer. Backward is twice that: one convolution
for the input's gradient and one for the filters'.
Elements: x and w are read and y is written; backward reads x, w and dy, writes dx and dw.
Shapes are layers of residual networks (He et al. 2015, arXiv 1512.03385).
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

SHAPES: Mapping[str, Shape] = {
    # First stage of the CIFAR-10 networks (section 4.2); the rest are ImageNet's (table 1).
    "small": {"n": 1, "c": 16, "h": 32, "w": 32, "k": 16, "r": 3, "stride": 1, "pad": 1},
    "medium": {"n": 8, "c": 256, "h": 14, "w": 14, "k": 256, "r": 3, "stride": 1, "pad": 1},
    "stem": {"n": 8, "c": 3, "h": 224, "w": 224, "k": 64, "r": 7, "stride": 2, "pad": 3},
    "large": {"n": 32, "c": 64, "h": 56, "w": 56, "k": 64, "r": 3, "stride": 1, "pad": 1},
    "huge": {"n": 256, "c": 64, "h": 56, "w": 56, "k": 64, "r": 3, "stride": 1, "pad": 1},
}


def sizes(shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the array shapes of x, w and y."""
    n, c, k, r = shape["n"], shape["c"], shape["k"], shape["r"]
    oh, ow = ((shape[s] + 2 * shape["pad"] - r) // shape["stride"] + 1 for s in ("h", "w"))
    return (n, c, shape["h"], shape["w"]), (k, c, r, r), (n, k, oh, ow)


def flops(shape: Shape) -> int:
    """Return the FLOPs of the direct algorithm, 2 n k oh ow c r r."""
    _, w, y = sizes(shape)
    return 2 * prod(y) * prod(w[1:])


def backward_flops(shape: Shape) -> int:
    """Return twice the forward FLOPs: one convolution for each input's gradient."""
    return 2 * flops(shape)


def elements(shape: Shape) -> int:
    """Return the elements of x, w and y."""
    return sum(prod(size) for size in sizes(shape))


def backward_elements(shape: Shape) -> int:
    """Return the elements of x, w and dy, which are read, and of dx and dw, which are written."""
    x, w, y = sizes(shape)
    return 2 * (prod(x) + prod(w)) + prod(y)


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (n, c, h, w) and the filters (k, c, r, r), standard normal."""
    x, w, _ = sizes(shape)
    return rng.standard_normal(x), rng.standard_normal(w)


def reference(shape: Shape, x: Any, w: Any) -> Any:
    """Return y in float64, image by image: filters (k, c r r) @ patches (c r r, oh ow)."""
    import numpy as np

    r, stride, pad = shape["r"], shape["stride"], shape["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (r, r), axis=(2, 3))
    patches = windows[:, :, ::stride, ::stride].transpose(0, 1, 4, 5, 2, 3)  # n c r r oh ow
    filters = w.reshape(shape["k"], -1)
    outputs = [filters @ image.reshape(filters.shape[1], -1) for image in patches]
    return np.stack(outputs).reshape(sizes(shape)[2])


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.conv2d at the shape's stride and padding."""
    from torch.nn import functional

    stride, pad = shape["stride"], shape["pad"]
    return lambda x, w: functional.conv2d(x, w, stride=stride, padding=pad)


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return lax.conv_general_dilated in torch's layouts; XLA chooses its own inside."""
    from jax import lax

    strides = (shape["stride"],) * 2
    padding = [(shape["pad"],) * 2] * 2
    layouts = ("NCHW", "OIHW", "NCHW")
    return lambda x, w: lax.conv_general_dilated(x, w, strides, padding, dimension_numbers=layouts)


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Conv, in the opset that first has the dtype."""
    from onnx import TensorProto, helper

    names = {"float32": "FLOAT", "tf32": "FLOAT"}
    element = TensorProto.DataType.Value(names.get(dtype, dtype.upper()))
    opset, ir_version = (22, 10) if dtype == "bfloat16" else (17, 8)
    x, w, y = (
        helper.make_tensor_value_info(name, element, size)
        for name, size in zip("xwy", sizes(shape), strict=True)
    )
    node = helper.make_node(
        "Conv", ["x", "w"], ["y"], strides=[shape["stride"]] * 2, pads=[shape["pad"]] * 4
    )
    graph = helper.make_graph([node], "conv2d", [x, w], [y])
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


KERNEL = Kernel(
    name="conv2d",
    version=1,
    formula="y[n,k,i,j] = sum_cuv x[n, c, i stride + u - pad, j stride + v - pad] w[k,c,u,v]",
    shapes=SHAPES,
    flops=flops,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    backward_flops=backward_flops,
    backward_elements=backward_elements,
)
