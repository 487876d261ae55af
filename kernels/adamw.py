"""AdamW, one update of n parameters (Loshchilov and Hutter 2017, arXiv 1711.05101, algorithm 2).

    m' = b1 m + (1 - b1) g                      first moment of the gradient g
    v' = b2 v + (1 - b2) g^2                    second moment
    p' = (1 - lr wd) p - lr m' / (sqrt(v') + eps)

with lr = 1e-3, b1 = 0.9, b2 = 0.999, eps = 1e-8 and weight decay wd = 0.01, torch's defaults; the
decay is decoupled and scaled by lr, as torch and optax do it. It is step number 100,000: there
both corrections of the bias, 1 - b1^t and 1 - b2^t, are 1 to the precision of float32 (and of
float64: 0.999^100000 is 4e-44), so that they have no part in the formula.
FLOPs: each multiplication, addition, subtraction, division and square root counts one: 3 for m', 4
for v', 6 for p', 13 n in all. Far below what memory lets through.
Elements: p, g, m and v are read; p', m' and v' are written: 7 n.
torch updates its arrays in place, as in training. The gradient stays, so m tends to g and v to g^2,
and p drifts by about lr a step, against the decay never much beyond 1 / wd = 100: all stay normal
numbers, and no step is faster than another. jax and ONNX write fresh arrays: as much traffic, and
the same inputs each time.
There is no backward pass: nothing differentiates an optimiser here. float32 only: that is the
precision in which training keeps parameters and moments.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hwbench.case import Shape
from hwbench.kernel import Kernel

STEP = 100_000
LEARNING_RATE = 1e-3
BETA1 = 0.9
BETA2 = 0.999
EPSILON = 1e-8
WEIGHT_DECAY = 0.01
BLOCK = 2**20 + 1  # drawn elements: drawing all of the large ones would take seconds

SHAPES: Mapping[str, Shape] = {
    "small": {"n": 2**13},
    "medium": {"n": 2**18},  # the four arrays are 4 MiB
    "large": {"n": 2**24},  # and 256 MiB
    "huge": {"n": 124_439_808},  # GPT-2 small, all of its parameters
}


def flops(shape: Shape) -> int:
    """Return 13 n."""
    return 13 * shape["n"]


def elements(shape: Shape) -> int:
    """Return 7 n: p, g, m, v and p', m', v'."""
    return 7 * shape["n"]


def inputs(shape: Shape, rng: Any) -> tuple[Any, ...]:
    """Draw p, g, m (n,), standard normal, and v (n,) from 0.5 to 1.5; long ones repeat a block."""
    import numpy as np

    n = shape["n"]
    size = min(n, BLOCK)
    p, g, m = (np.resize(rng.standard_normal(size), n) for _ in range(3))
    return p, g, m, np.resize(rng.uniform(0.5, 1.5, size), n)


def reference(shape: Shape, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, Any, Any]:
    """Return (p', m', v'), each (n,), in float64."""
    import numpy as np

    m = BETA1 * m + (1 - BETA1) * g
    v = BETA2 * v + (1 - BETA2) * np.square(g)
    update = LEARNING_RATE * m / (np.sqrt(v) + EPSILON)
    return (1 - LEARNING_RATE * WEIGHT_DECAY) * p - update, m, v


def build_torch(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return torch.optim's functional AdamW, fused and in place; it answers with p, m, v."""
    import torch
    from torch.optim.adamw import adamw

    step: Any = None

    def update(p: Any, g: Any, m: Any, v: Any) -> tuple[Any, Any, Any]:
        """Keep the count of steps where p lies; each call adds one, without effect so late."""
        nonlocal step
        if step is None:
            step = torch.tensor(float(STEP - 1), device=p.device)
        adamw(
            [p],
            [g],
            [m],
            [v],
            [],
            [step],
            fused=True,
            amsgrad=False,
            maximize=False,
            lr=LEARNING_RATE,
            beta1=BETA1,
            beta2=BETA2,
            eps=EPSILON,
            weight_decay=WEIGHT_DECAY,
        )
        return p, m, v

    return update


def build_jax(shape: Shape, dtype: str) -> Callable[..., Any]:
    """Return optax.adamw's update from a state that holds m, v and the step's number."""
    import optax

    rule = optax.adamw(LEARNING_RATE, b1=BETA1, b2=BETA2, eps=EPSILON, weight_decay=WEIGHT_DECAY)

    def update(p: Any, g: Any, m: Any, v: Any) -> tuple[Any, Any, Any]:
        """Start from the state of `init`, whose zeros XLA drops."""
        start = optax.tree_utils.tree_set(rule.init(p), count=STEP - 1, mu=m, nu=v)
        change, state = rule.update(g, start, p)
        mu, nu = (optax.tree_utils.tree_get(state, name) for name in ("mu", "nu"))
        return optax.apply_updates(p, change), mu, nu

    return update


def build_onnx(shape: Shape, dtype: str) -> Any:
    """Return the formula from elementwise operators.

    A runtime that does not fuse them moves every intermediate array through memory. The operator
    Adam of ONNX's training preview adds the decay to the gradient: it is not AdamW.
    """
    from onnx import TensorProto, helper

    constants = {
        "b1": BETA1,
        "one_b1": 1 - BETA1,
        "b2": BETA2,
        "one_b2": 1 - BETA2,
        "eps": EPSILON,
        "lr": LEARNING_RATE,
        "keep": 1 - LEARNING_RATE * WEIGHT_DECAY,
    }
    nodes = [
        helper.make_node(operator, reads.split(), [writes])
        for writes, operator, reads in (
            ("m_kept", "Mul", "b1 m"),
            ("m_new", "Mul", "one_b1 g"),
            ("m_next", "Add", "m_kept m_new"),
            ("v_kept", "Mul", "b2 v"),
            ("g_squared", "Mul", "g g"),
            ("v_new", "Mul", "one_b2 g_squared"),
            ("v_next", "Add", "v_kept v_new"),
            ("root", "Sqrt", "v_next"),
            ("divisor", "Add", "root eps"),
            ("scaled", "Mul", "lr m_next"),
            ("change", "Div", "scaled divisor"),
            ("p_kept", "Mul", "keep p"),
            ("p_next", "Sub", "p_kept change"),
        )
    ]
    element = TensorProto.FLOAT
    read, written = (
        [helper.make_tensor_value_info(name, element, [shape["n"]]) for name in names]
        for names in ("pgmv", ("p_next", "m_next", "v_next"))
    )
    scalars = [helper.make_tensor(name, element, [], [x]) for name, x in constants.items()]
    graph = helper.make_graph(nodes, "adamw", read, written, scalars)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


KERNEL = Kernel(
    name="adamw",
    version=1,
    formula="p' = (1 - lr wd) p - lr m' / (sqrt(v') + eps)",
    shapes=SHAPES,
    flops=flops,
    elements=elements,
    inputs=inputs,
    reference=reference,
    build_torch=build_torch,
    build_jax=build_jax,
    build_onnx=build_onnx,
    dtypes=("float32",),
)
