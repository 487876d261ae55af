"""What a `.tflite` file holds, read from its flatbuffer without running it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from hwbench.dialects.libraries import load
from hwbench.dialects.litert_session import REMEDY

IDENTIFIER = b"TFL3"  # at the fifth byte of each such file


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The main graph: its operators by kind in the order of names, and constant tensors."""

    operators: Mapping[str, int]
    constants: tuple[tuple[int, ...], ...]  # the shape of each
    int8: bool  # weights are in it: somebody quantised the file

    @property
    def numbers(self) -> int:
        """Return how many numbers the constants are."""
        return sum(map(prod, self.constants))

    @property
    def depthwise_frac(self) -> float:
        """Return which share of the convolutions is depthwise, by their number."""
        apart, dense = (self.operators.get(k, 0) for k in ("DEPTHWISE_CONV_2D", "CONV_2D"))
        return apart / (apart + dense) if apart + dense else 0.0


def read(path: Path) -> Graph:
    """Return what a file holds; raise ValueError for one that is none, or is cut off."""
    load("ai_edge_litert", REMEDY)
    schema = load("ai_edge_litert.schema_py_generated", REMEDY)
    data = path.read_bytes()
    if data[4:8] != IDENTIFIER:
        raise ValueError("it does not begin as a .tflite file does")
    try:
        return _graph(schema, schema.Model.GetRootAs(data, 0))
    except Exception as e:  # struct.error, IndexError, TypeError: a flatbuffer checks nothing
        raise ValueError(f"it is cut off or broken ({type(e).__name__})") from None


def _graph(schema: Any, model: Any) -> Graph:
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if isinstance(v, int)}
    kinds = []
    for n in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(n)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kinds.append(names.get(number, f"operator {number}"))
    graph = model.Subgraphs(0)
    operators = Counter(
        kinds[graph.Operators(n).OpcodeIndex()] for n in range(graph.OperatorsLength())
    )
    constants, kinds_of_weights = [], set()
    for n in range(graph.TensorsLength()):
        tensor = graph.Tensors(n)
        buffer = model.Buffers(tensor.Buffer())
        if buffer.DataLength() or buffer.Size():  # the latter: it lies behind the flatbuffer
            shape = tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))
            constants.append(shape)
            if len(shape) > 1:
                kinds_of_weights.add(tensor.Type())
    return Graph(
        operators=dict(sorted(operators.items())),
        constants=tuple(constants),
        int8=schema.TensorType.INT8 in kinds_of_weights,
    )
