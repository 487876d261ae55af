"""Every kernel called by hand, as a user of each library would: nothing here is hwbench's.

`BY_HAND[kernel]` makes NumPy inputs and, for a library, the call that computes it. A library that
has no single call for a kernel has its usual composition.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Shape = Mapping[str, int]
Arrays = Sequence[Any]
Call = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """`inputs(shape, rng)` draws arrays; a library's function is (shape) -> a call on its arrays.

    `onnx` gives the nodes of a graph: (operator, inputs, outputs, attributes), inputs named a, b,
    c ... in order, and `constants` by name.
    """

    inputs: Callable[[Shape, Any], Arrays]
    numpy: Callable[[Shape], Call] | None
    torch: Callable[[Shape], Call]
    jax: Callable[[Shape], Call]
    onnx: Callable[[Shape], Sequence[tuple[str, str, str, Mapping[str, Any]]]]
    opset: int = 17
    constants: Mapping[str, float] | None = None


def normal(*keys: Sequence[str]) -> Callable[[Shape, Any], Arrays]:
    """Return a drawer of standard normal float32 arrays whose sizes are values of the shape."""

    def draw(shape: Shape, rng: Any) -> Arrays:
        sizes = [[shape[k] for k in names if k in shape] for names in keys]
        return [rng.standard_normal(size, dtype="float32") for size in sizes]

    return draw


def _int8(shape: Shape, rng: Any) -> Arrays:
    sizes = [(shape["m"], shape["k"]), (shape["k"], shape["n"])]
    return [rng.integers(-127, 127, size=size, dtype="int8") for size in sizes]


def _table(shape: Shape, rng: Any) -> Arrays:
    table = rng.standard_normal((shape["v"], shape["d"]), dtype="float32")
    return [table, rng.choice(shape["v"], shape["n"], replace=False).astype("int32")]


def _layer(shape: Shape, rng: Any) -> Arrays:
    """Return an image and filters, which a depthwise layer has one of for each channel."""
    image = (shape["n"], shape["c"], shape["h"], shape["w"])
    k, c = (shape["k"], shape["c"]) if "k" in shape else (shape["c"], 1)
    filters = (k, c, shape["r"], shape["r"])
    return [rng.standard_normal(size, dtype="float32") for size in (image, filters)]


def _state(shape: Shape, rng: Any) -> Arrays:
    p, g, m, v = (rng.standard_normal(shape["n"], dtype="float32") for _ in range(4))
    return [p, g, m, v * v]


def _torch(name: str) -> Callable[[Shape], Call]:
    """Return the maker of a call that has the same form at every shape, by its dotted name."""

    def make(shape: Shape) -> Call:
        import torch

        found: Any = torch
        for part in name.split("."):
            found = getattr(found, part)
        return found  # type: ignore[no-any-return]

    return make


def _torch_conv(shape: Shape) -> Call:
    import torch

    groups = 1 if "k" in shape else shape["c"]
    return lambda x, w: torch.conv2d(x, w, None, shape["stride"], shape["pad"], 1, groups)


def _torch_norm(shape: Shape) -> Call:
    import torch

    return lambda x, g, b: torch.layer_norm(x, (shape["d"],), g, b)


def _torch_adamw(shape: Shape) -> Call:
    """Return the step of torch's own optimiser, fused, on a parameter and state of the arrays.

    State that the optimiser makes itself would lie elsewhere in memory and start from zeros:
    another computation, and on one machine 1.2 to 1.5 times as fast by its addresses alone.
    """
    import torch

    kept: list[Any] = []

    def step(p: Any, g: Any, m: Any, v: Any) -> Any:
        if not kept:
            parameter = torch.nn.Parameter(p)
            parameter.grad = g
            optimiser = torch.optim.AdamW([parameter], fused=True)
            state = {"step": torch.tensor(1e4), "exp_avg": m, "exp_avg_sq": v}
            optimiser.state[parameter].update(state)
            kept.append(optimiser)
        kept[0].step()

    return step


def _torch_copy(shape: Shape) -> Call:
    import torch

    out = torch.empty(shape["n"])
    return lambda x: out.copy_(x)


def _torch_triad(shape: Shape) -> Call:
    import torch

    out = torch.empty(shape["n"])
    return lambda b, c: torch.add(b, c, alpha=3.0, out=out)


def _jax_conv(shape: Shape) -> Call:
    from jax import lax

    layouts, groups = ("NCHW", "OIHW", "NCHW"), 1 if "k" in shape else shape["c"]
    strides, pads = (shape["stride"],) * 2, [(shape["pad"],) * 2] * 2
    return lambda x, w: lax.conv_general_dilated(
        x, w, strides, pads, dimension_numbers=layouts, feature_group_count=groups
    )


def _jax_attention(shape: Shape) -> Call:
    """Return the textbook form: this jax has no call that takes heads before tokens."""
    import jax
    import jax.numpy as jnp

    def attention(q: Any, k: Any, v: Any) -> Any:
        scores = jnp.einsum("bhid,bhjd->bhij", q, k) / shape["d"] ** 0.5
        return jnp.einsum("bhij,bhjd->bhid", jax.nn.softmax(scores), v)

    return attention


def _jax_norm(shape: Shape) -> Call:
    import jax

    return lambda x, g, b: jax.nn.standardize(x, epsilon=1e-5) * g + b


def _jax_int8(shape: Shape) -> Call:
    import jax
    import jax.numpy as jnp

    return lambda a, b: jax.lax.dot(a, b, preferred_element_type=jnp.int32)


def _jax_adamw(shape: Shape) -> Call:
    import jax.numpy as jnp

    def step(p: Any, g: Any, m: Any, v: Any) -> Any:
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p * (1 - 1e-5) - 1e-3 * m / (jnp.sqrt(v) + 1e-8), m, v

    return step


def _jax(name: str, **fixed: Any) -> Callable[[Shape], Call]:
    def make(shape: Shape) -> Call:
        import jax

        found: Any = jax
        for part in name.split("."):
            found = getattr(found, part)
        return lambda *arrays: found(*arrays, **fixed)

    return make


def _onnx(operator: str, inputs: str, **attributes: Any) -> Callable[[Shape], Any]:
    return lambda shape: [(operator, inputs, "y", attributes)]


def _onnx_conv(shape: Shape) -> Any:
    attributes = {"strides": [shape["stride"]] * 2, "pads": [shape["pad"]] * 4}
    groups = 1 if "k" in shape else shape["c"]
    return [("Conv", "a b", "y", {**attributes, "group": groups})]


def _onnx_adamw(shape: Shape) -> Any:
    return [
        ("Mul", "c beta1", "m1", {}),
        ("Mul", "b rest1", "g1", {}),
        ("Add", "m1 g1", "z", {}),
        ("Mul", "d beta2", "v1", {}),
        ("Mul", "b b", "gg", {}),
        ("Mul", "gg rest2", "g2", {}),
        ("Add", "v1 g2", "x", {}),
        ("Sqrt", "x", "root", {}),
        ("Add", "root eps", "denominator", {}),
        ("Div", "z denominator", "direction", {}),
        ("Mul", "direction rate", "change", {}),
        ("Mul", "a kept", "decayed", {}),
        ("Sub", "decayed change", "y", {}),
    ]


_ADAMW = {
    "beta1": 0.9,
    "rest1": 0.1,
    "beta2": 0.999,
    "rest2": 0.001,
    "eps": 1e-8,
    "rate": 1e-3,
    "kept": 1 - 1e-5,
}
_ATTENTION = normal(*["bhsd"] * 3)

BY_HAND = {
    "gemm": ByHand(
        inputs=normal("bmk", "bkn"),
        numpy=lambda shape: lambda a, b: a @ b,
        torch=_torch("matmul"),
        jax=_jax("numpy.matmul"),
        onnx=_onnx("MatMul", "a b"),
    ),
    "gemm_int8": ByHand(
        inputs=_int8,
        numpy=None,
        torch=_torch("_int_mm"),
        jax=_jax_int8,
        onnx=_onnx("MatMulInteger", "a b"),
    ),
    "conv2d": ByHand(inputs=_layer, numpy=None, torch=_torch_conv, jax=_jax_conv, onnx=_onnx_conv),
    "depthwise_conv2d": ByHand(
        inputs=_layer, numpy=None, torch=_torch_conv, jax=_jax_conv, onnx=_onnx_conv
    ),
    "attention": ByHand(
        inputs=_ATTENTION,
        numpy=None,
        torch=_torch("nn.functional.scaled_dot_product_attention"),
        jax=_jax_attention,
        onnx=_onnx("Attention", "a b c"),
        opset=23,
    ),
    "layer_norm": ByHand(
        inputs=normal(("rows", "d"), ("d",), ("d",)),
        numpy=None,
        torch=_torch_norm,
        jax=_jax_norm,
        onnx=_onnx("LayerNormalization", "a b c", epsilon=1e-5),
    ),
    "softmax": ByHand(
        inputs=normal(("rows", "n")),
        numpy=None,
        torch=lambda shape: lambda x: x.softmax(-1),
        jax=_jax("nn.softmax"),
        onnx=_onnx("Softmax", "a", axis=-1),
    ),
    "gelu": ByHand(
        inputs=normal("n"),
        numpy=None,
        torch=lambda shape: lambda x: _torch("nn.functional.gelu")(shape)(x, approximate="tanh"),
        jax=_jax("nn.gelu", approximate=True),
        onnx=_onnx("Gelu", "a", approximate="tanh"),
        opset=20,
    ),
    "embedding": ByHand(
        inputs=_table,
        numpy=lambda shape: lambda table, indices: table[indices],
        torch=lambda shape: lambda t, i: _torch("nn.functional.embedding")(shape)(i, t),
        jax=lambda shape: lambda table, indices: table[indices],
        onnx=_onnx("Gather", "a b"),
    ),
    "reduction": ByHand(
        inputs=normal(("rows", "n")),
        numpy=lambda shape: lambda x: x.sum(-1),
        torch=lambda shape: lambda x: x.sum(-1),
        jax=_jax("numpy.sum", axis=-1),
        onnx=lambda shape: [("ReduceSum", "a axes", "y", {"keepdims": 0})],
        constants={"axes": -1},
    ),
    "triad": ByHand(
        inputs=normal("n", "n"),
        numpy=None,
        torch=_torch_triad,
        jax=lambda shape: lambda b, c: b + 3.0 * c,
        onnx=lambda shape: [("Mul", "b s", "sc", {}), ("Add", "a sc", "y", {})],
        constants={"s": 3.0},
    ),
    "adamw": ByHand(
        inputs=_state,
        numpy=None,
        torch=_torch_adamw,
        jax=_jax_adamw,
        onnx=_onnx_adamw,
        constants=_ADAMW,
    ),
    "h2d_copy": ByHand(
        inputs=normal("n"),
        numpy=lambda shape: lambda x: x.copy(),
        torch=_torch_copy,
        jax=lambda shape: _device_put,
        onnx=_onnx("Identity", "a"),
    ),
}


def _device_put(x: Any) -> Any:
    import jax

    return jax.device_put(x, jax.devices("cpu")[0], may_alias=False)


def call(library: str, kernel: str, shape: Shape, threads: int) -> Callable[[], Any] | None:
    """Return a call without arguments that computes the kernel, or None where there is none."""
    import numpy as np

    by_hand = BY_HAND[kernel]
    arrays = by_hand.inputs(shape, np.random.default_rng(0))
    if library == "numpy":
        if by_hand.numpy is None:
            return None
        product = by_hand.numpy(shape)
        return lambda: product(*arrays)
    made = {"torch": _with_torch, "jax": _with_jax, "onnxruntime": _with_onnxruntime}[library]
    return made(by_hand, kernel, shape, arrays, threads)


def _with_torch(
    by_hand: ByHand, kernel: str, shape: Shape, arrays: Arrays, threads: int
) -> Callable[[], Any]:
    import torch

    torch.set_num_threads(threads)
    tensors = [torch.from_numpy(a) for a in arrays]
    function = by_hand.torch(shape)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def run() -> Any:
        return function(*tensors)

    found: Callable[[], Any] = run
    return found


def _with_jax(
    by_hand: ByHand, kernel: str, shape: Shape, arrays: Arrays, threads: int
) -> Callable[[], Any]:
    import jax

    function = by_hand.jax(shape)
    if kernel == "h2d_copy":  # a transfer starts in the host's memory and is not compiled
        return lambda: jax.block_until_ready(function(*arrays))
    compiled, there = jax.jit(function), [jax.numpy.asarray(a) for a in arrays]
    return lambda: jax.block_until_ready(compiled(*there))


def _with_onnxruntime(
    by_hand: ByHand, kernel: str, shape: Shape, arrays: Arrays, threads: int
) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        _model(by_hand, shape, arrays), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    for name, array in zip("abcd", arrays, strict=False):
        binding.bind_cpu_input(name, array)
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return lambda: session.run_with_iobinding(binding)


def _model(by_hand: ByHand, shape: Shape, arrays: Arrays) -> bytes:
    """Return the graph: as many inputs as arrays, one output y (and x, z of an optimiser)."""
    from onnx import TensorProto, helper

    kinds = {
        "float32": TensorProto.FLOAT,
        "int32": TensorProto.INT32,
        "int8": TensorProto.INT8,
    }
    nodes = by_hand.onnx(shape)
    graph = helper.make_graph(
        [helper.make_node(op, a.split(), y.split(), **attr) for op, a, y, attr in nodes],
        "by_hand",
        [
            helper.make_tensor_value_info(name, kinds[str(array.dtype)], array.shape)
            for name, array in zip("abcd", arrays, strict=False)
        ],
        [
            helper.make_tensor_value_info(name, _result(arrays), None)
            for name in ("x", "y", "z")
            if any(name == node[2] for node in nodes)
        ],
        [_constant(name, value) for name, value in (by_hand.constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", by_hand.opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return bytes(model.SerializeToString())


def _result(arrays: Arrays) -> Any:
    from onnx import TensorProto

    return TensorProto.INT32 if str(arrays[0].dtype) == "int8" else TensorProto.FLOAT


def _constant(name: str, value: float) -> Any:
    from onnx import TensorProto, helper

    if isinstance(value, int):
        return helper.make_tensor(name, TensorProto.INT64, [1], [value])
    return helper.make_tensor(name, TensorProto.FLOAT, [], [value])
