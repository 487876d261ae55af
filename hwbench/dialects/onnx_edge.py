"""ONNX files for the edge: quantised by onnxruntime, and held against their float32 form."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwbench.dialects.libraries import load
from hwbench.edge_facts import Agreement, EdgeModel, Share
from hwbench.errors import BadInput, Unavailable, one_line

REMEDY = "pip install 'hwbench-dl[onnx]'"
ERRORS_ONLY = 3  # log_severity_level
Z = 1.959964  # of a normal's middle 95 %
RANDOM = "its weights are random: which class comes first says nothing of accuracy"
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


def agreement(
    float32: Path,
    quantised: Path,
    batches: Iterator[tuple[Batch, Any]],
    *,
    random: bool,
    no_labels: str | None,
) -> Agreement:
    """Run both on the same batches of (inputs, labels) and return how far they agree.

    `random`: the weights are nobody's, so that classes are not compared; `no_labels` says why
    there is no accuracy, None where labels are given.
    """
    import numpy as np

    one, other = _session(float32), _session(quantised)
    names = [i.name for i in one.get_inputs()]
    squares = difference = 0.0
    same = items = answers = 0
    rights: list[tuple[Any, Any]] = []
    classes = True
    for inputs, labels in batches:
        given = dict(zip(names, inputs, strict=True))
        wanted = np.asarray(one.run(None, given)[0], dtype="float64")
        found = np.asarray(other.run(None, given)[0], dtype="float64")
        squares += float(np.square(wanted).sum())
        difference += float(np.square(found - wanted).sum())
        items += len(wanted)
        classes = classes and wanted.ndim >= 2 and wanted.shape[-1] > 1
        if classes:
            first, second = wanted.argmax(-1), found.argmax(-1)
            same += int((first == second).sum())
            answers += first.size
            if no_labels is None and first.ndim == 1:
                rights.append((first == labels, second == labels))
    error = math.sqrt(difference / squares) if squares > 0 else float(difference > 0)
    if random or not classes:
        why = RANDOM if random else "its output is no row of classes"
        return _agreed(items, error, None, None, why)
    right = None
    if rights:
        right = tuple(np.concatenate(part) for part in zip(*rights, strict=True))
    return _agreed(items, error, same / max(1, answers), right, no_labels)


def _agreed(items: int, error: float, top1: float | None, right: Any, why: str | None) -> Agreement:
    only_one = only_other = None
    if right is not None:
        one, other = right
        only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    return Agreement(
        items=items,
        error_frac=error,
        top1_frac=None if top1 is None else share(top1, items),
        accuracy_frac=None if right is None else share(float(right[1].mean()), items),
        float32_accuracy_frac=None if right is None else share(float(right[0].mean()), items),
        mcnemar_p=None if only_one is None or only_other is None else mcnemar(only_one, only_other),
        only_float32_right=only_one,
        only_quantised_right=only_other,
        reason=why,
    )


def share(point: float, n: int) -> Share:
    """Return a share of n items with Wilson's score interval at 95 % (Wilson 1927, JASA 22).

    Of several answers an item, as tokens are, n counts items: those of one item go together.
    """
    z2 = Z * Z / n
    middle = (point + z2 / 2) / (1 + z2)
    half = Z / (1 + z2) * math.sqrt(point * (1 - point) / n + z2 / (4 * n))
    return Share(point=point, low=max(0.0, middle - half), high=min(1.0, middle + half))


def mcnemar(b: int, c: int) -> float:
    """Return the two-sided exact p of McNemar's test: b and c pairs of which one alone is right.

    Under the hypothesis that both are equally often right, min(b, c) is binomial (b + c, 1/2)
    (McNemar 1947; the exact form of Dietterich 1998).
    """
    n = b + c
    if n == 0:
        return 1.0
    tail = sum(math.comb(n, k) for k in range(min(b, c) + 1))
    return float(min(1.0, 2 * tail / 2**n))
