"""Depthwise convolution, one filter a channel, no bias (NCHW and OIHW layouts).

    y[n,c,i,j] = sum over u,v of x[n, c, i stride + u - pad, j stride + v - pad] w[c,0,u,v]

x is (n, c, h, w), the filters w are (c, 1, r, r), y is (n, c, oh, ow) with
oh = (h + 2 pad - r) // stride + 1, and ow alike. It is a grouped convolution of c groups.
FLOPs: each of the n c oh ow outputs is a sum of r r products: 2 n c oh ow r r. Padding counts as
data, as usual. Backward is twice that: each output's gradient meets the same r r entries of w for
dx, and of x for dw. torch's own counter takes dw for that of a dense convolution, c times as much.
Elements: x and w are read and y is written; backward reads x, w and dy, writes dx and dw. With
2 r r FLOPs an output it is bound by memory, unlike a dense convolution of the same arrays.
Shapes are layers of MobileNetV3 (Howard et al. 2019, arXiv 1905.02244, tables 1 and 2), c being
what they call the expansion size.
"""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

SHAPES: Mapping[str, Shape] = {
    # MobileNetV3-Small's block of 40 channels expanded to 120; the others are MobileNetV3-Large's
    # last block at 80 channels and its first of 5 x 5 filters, which halves the image.
    "small": {"n": 1, "c": 120, "h": 14, "w": 14, "r": 5, "stride": 1, "pad": 2},
    "medium": {"n": 8, "c": 480, "h": 14, "w": 14, "r": 3, "stride": 1, "pad": 1},
    "large": {"n": 128, "c": 72, "h": 56, "w": 56, "r": 5, "stride": 2, "pad": 2},
}


def sizes(shape: Shape) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the array shapes of x, w and y."""
    n, c, r = shape["n"], shape["c"], shape["r"]
    oh, ow = ((shape[s] + 2 * shape["pad"] - r) // shape["stride"] + 1 for s in ("h", "w"))
    return (n, c, shape["h"], shape["w"]), (c, 1, r, r), (n, c, oh, ow)


def flops(shape: Shape) -> int:
    """Return the FLOPs of the direct algorithm, 2 n c oh ow r r."""
    _, w, y = sizes(shape)
    return 2 * prod(y) * prod(w[1:])


def backward_flops(shape: Shape) -> int:
    """Return twice the forward FLOPs: r r products an output for each input's gradient."""
    return 2 * flops(shape)


def elements(shape: Shape) -> int:
    """Return the elements of x, w and y."""
    return sum(prod(size) for size in sizes(shape))


def backward_elements(shape: Shape) -> int:
    """Return the elements of x, w and dy, which are read, and of dx and dw, which are written."""
    x, w, y = sizes(shape)
    return 2 * (prod(x) + prod(w)) + prod(y)


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw x (n, c, h, w) and the filters (c, 1, r, r), standard normal."""
    x, w, _ = sizes(shape)
    return rng.standard_normal(x), rng.standard_normal(w)


def reference(shape: Shape, x: Any, w: Any) -> Any:
    """Return y in float64: windows (n, c, oh, ow, r, r), a view, times each channel's filter."""
    import numpy as np

    r, stride, pad = shape["r"], shape["stride"], shape["pad"]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (r, r), axis=(2, 3))
    return np.einsum("ncijuv,cuv->ncij", windows[:, :, ::stride, ::stride], w[:, 0])


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return F.conv2d with as many groups as channels."""
    from torch.nn import functional

    stride, pad, c = shape["stride"], shape["pad"], shape["c"]
    return lambda x, w: functional.conv2d(x, w, stride=stride, padding=pad, groups=c)


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return lax.conv_general_dilated with as many feature groups as channels, torch's layouts."""
    from functools import partial

    from jax import lax

    return partial(
        lax.conv_general_dilated,
        window_strides=(shape["stride"],) * 2,
        padding=[(shape["pad"],) * 2] * 2,
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
        feature_group_count=shape["c"],
    )


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return a model of one Conv of c groups, in the opset that first has the dtype."""
    from onnx import TensorProto, helper

    names = {"float32": "FLOAT", "tf32": "FLOAT"}
    element = TensorProto.DataType.Value(names.get(dtype, dtype.upper()))
    opset, ir_version = (22, 10) if dtype == "bfloat16" else (17, 8)
    x, w, y = (
        helper.make_tensor_value_info(name, element, size)
        for name, size in zip("xwy", sizes(shape), strict=True)
    )
    strides, pads = [shape["stride"]] * 2, [shape["pad"]] * 4
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=strides, pads=pads, group=shape["c"])
    graph = helper.make_graph([node], "depthwise_conv2d", [x, w], [y])
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


KERNEL = Kernel(
    name="depthwise_conv2d",
    version=1,
    formula="y[n,c,i,j] = sum_uv x[n, c, i stride + u - pad, j stride + v - pad] w[c,0,u,v]",
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
