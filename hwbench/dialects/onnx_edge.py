"""ONNX files for the edge: quantised by onnxruntime, and run to be compared."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwbench.dialects.libraries import load
from hwbench.edge_facts import EdgeModel
from hwbench.errors import BadInput, Unavailable, one_line

REMEDY = "pip install 'hwbench-dl[onnx]'"
ERRORS_ONLY = 3  # log_severity_level
Batch = tuple[Any, ...]


def quantise(
    path: Path, target: Path, precision: str, calibration: Callable[[], Iterator[Batch]]
) -> None:
    """Write the form of a float32 file: `float16`, or int8 `dynamic` or `static`, by channel.

    float16: weights and arithmetic, inputs and outputs stay float32. Dynamic: weights are kept in
    int8 and activations rounded as they come. Static: both, in QDQ form, activations by their
    ranges over the calibration's batches. Raises BadInput for a file that cannot be made so.
    """
    load("onnxruntime", REMEDY)
    from onnxruntime import quantization as q

    if precision == "float16":
        _halved(path, target)
        return
    prepared = target.with_name("prepared.onnx")
    try:
        q.quant_pre_process(str(path), str(prepared), auto_merge=True)
    except Exception as e:
        raise BadInput(f"{path.name}: cannot be prepared for quantisation: {_said(e)}") from None
    try:
        if precision == "dynamic":
            q.quantize_dynamic(
                str(prepared), str(target), per_channel=True, weight_type=q.QuantType.QInt8
            )
            return
        q.quantize_static(
            str(prepared),
            str(target),
            _reader(q, prepared, calibration),
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            weight_type=q.QuantType.QInt8,
            activation_type=q.QuantType.QUInt8,
        )
    except Exception as e:
        raise BadInput(f"{path.name}: cannot be quantised ({precision}): {_said(e)}") from None
    finally:
        prepared.unlink(missing_ok=True)


def _halved(path: Path, target: Path) -> None:
    onnx = load("onnx", REMEDY)
    from onnxruntime.transformers.float16 import convert_float_to_float16

    try:
        halved = convert_float_to_float16(
            onnx.load(str(path)), keep_io_types=True, disable_shape_infer=False
        )
        onnx.save(halved, str(target))
    except Exception as e:
        raise BadInput(f"{path.name}: cannot be made float16: {_said(e)}") from None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(str(error))[:160]}"


def _reader(q: Any, path: Path, calibration: Callable[[], Iterator[Batch]]) -> Any:
    names = [i.name for i in _session(path).get_inputs()]

    class Reader(q.CalibrationDataReader):  # type: ignore[misc, name-defined]
        """Gives the calibration's batches by the names of the inputs."""

        def __init__(self) -> None:
            self._coming = calibration()

        def get_next(self) -> Any:
            batch = next(self._coming, None)
            return None if batch is None else dict(zip(names, batch, strict=True))

    return Reader()


def _session(path: Path) -> Any:
    ort = load("onnxruntime", REMEDY)
    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as e:
        raise Unavailable(
            f"{path.name}: onnxruntime's CPU provider cannot run it: {_said(e)}"
        ) from None


def runner(path: Path) -> Callable[[Batch], Any]:
    """Return what runs a file on a batch and gives its first output."""
    session = _session(path)
    names = [i.name for i in session.get_inputs()]
    return lambda batch: session.run(None, dict(zip(names, batch, strict=True)))[0]


def described(
    path: Path, float32: Path, precision: str, calibration: str | None, items: int
) -> EdgeModel:
    """Return what a file is, without its agreement."""
    return EdgeModel(
        precision=precision,
        opset=_opset(path),
        model_bytes=size_of(path),
        float32_bytes=size_of(float32),
        depthwise_frac=_depthwise(float32),
        calibration=calibration if precision == "static" else None,
        calibration_items=items if precision == "static" else 0,
        agreement=None,
    )


def _opset(path: Path) -> int:
    """Return the opset of the standard operators of a file."""
    onnx = load("onnx", REMEDY)
    imports = onnx.load(str(path), load_external_data=False).opset_import
    return max((int(i.version) for i in imports if i.domain in ("", "ai.onnx")), default=0)


def size_of(path: Path) -> int:
    """Return the bytes of a file with those of its weights beside it."""
    beside = path.with_name(path.name + ".data")
    return os.path.getsize(path) + (os.path.getsize(beside) if beside.exists() else 0)


def _depthwise(path: Path) -> float:
    onnx = load("onnx", REMEDY)
    graph = onnx.load(str(path), load_external_data=False).graph
    shapes = {w.name: tuple(w.dims) for w in graph.initializer}
    found = []
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) > 1:
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            weights = shapes.get(node.input[1], ())
            found.append(groups > 1 and len(weights) > 1 and weights[1] == 1)
    return sum(found) / len(found) if found else 0.0
