"""LiteRT files for the edge: quantised by ai_edge_quantizer, and run to be compared."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hwbench.dialects import caches, litert_session, tflite_graph
from hwbench.dialects.libraries import load
from hwbench.dialects.litert import REMEDY, quiet
from hwbench.edge_facts import EdgeModel
from hwbench.errors import BadInput, Unavailable, one_line

Batch = tuple[Any, ...]


def quantise(
    path: Path, target: Path, precision: str, calibration: Callable[[], Iterator[Batch]]
) -> None:
    """Write the int8 form of a float32 file, `dynamic` or `static`, weights by channel.

    Dynamic: products take int8 weights and round activations as they come. Static: both, by the
    ranges over the calibration's batches; inputs and outputs stay float32. Raises BadInput for a
    file that cannot be made so, Unavailable without the quantiser.
    """
    with quiet():
        load("ai_edge_quantizer", REMEDY)
        make = load("ai_edge_quantizer.quantizer", REMEDY).Quantizer
        recipe = load("ai_edge_quantizer.recipe", REMEDY)
        try:
            if tflite_graph.read(path).int8:
                raise BadInput(f"{path.name}: is quantised already: float32 is it as it is")
            if precision == "dynamic":
                found = make(str(path), recipe.dynamic_wi8_afp32()).quantize(**_PLAIN)
            else:
                found = _static(make(str(path), recipe.static_wi8_ai8()), path, calibration)
            found.export_model(str(target), overwrite=True)
        except (MemoryError, BadInput):
            raise
        except Exception as e:  # whatever a file is that the quantiser does not take
            said = f"{type(e).__name__}: {one_line(str(e))[:160]}"
            raise BadInput(f"{path.name}: cannot be quantised ({precision}): {said}") from None


_PLAIN: dict[str, Any] = {"enable_progress_report": False, "enable_progress_bar": False}


def _static(quantizer: Any, path: Path, calibration: Callable[[], Iterator[Batch]]) -> Any:
    kinds = load("ai_edge_quantizer.qtyping", REMEDY).TFLOperationName
    for kind in (kinds.INPUT, kinds.OUTPUT):  # the same types as of onnxruntime's files
        quantizer.update_quantization_recipe(".*", kind, algorithm_key="no_quantize")
    made = litert_session.interpreter(path, caches.cpus())
    signatures = made.get_signature_list()
    if len(signatures) != 1:
        raise BadInput(
            f"{path.name}: has {len(signatures)} signatures: by one it would be calibrated"
        )
    (signature,) = signatures
    runner = made.get_signature_runner(signature)
    names = {d["index"]: name for name, d in runner.get_input_details().items()}
    given = [(names[d["index"]], d["dtype"]) for d in litert_session.inputs(made)]
    batches = [
        {name: value.astype(kind) for (name, kind), value in zip(given, batch, strict=True)}
        for batch in calibration()
    ]
    manager = load("ai_edge_quantizer.recipe_manager", REMEDY).RecipeManager()
    manager.load_quantization_recipe(quantizer.get_quantization_recipe())
    # The whole range of all batches, as onnxruntime takes it. Left to itself the quantiser takes a
    # moving average of each batch's range, and of batches of one cuts a good part off.
    calibrator = load("ai_edge_quantizer.calibrator", REMEDY).Calibrator(
        str(path),
        num_threads=caches.cpus(),
        qsv_update_func=load("ai_edge_quantizer.utils.qsv_utils", REMEDY).min_max_update,
    )
    calibrator.calibrate({signature: batches}, manager)
    return quantizer.quantize(calibrator.get_model_qsvs(), **_PLAIN)


def runner(path: Path) -> Callable[[Batch], Any]:
    """Return what runs a file on a batch and gives its first output."""
    try:
        made = litert_session.interpreter(path, caches.cpus())
    except (RuntimeError, ValueError) as e:
        raise Unavailable(f"{path.name}: litert cannot run it: {one_line(str(e))[:160]}") from None
    (first, *_) = litert_session.outputs(made)

    def run(batch: Batch) -> Any:
        litert_session.put(made, batch)
        made.invoke()
        return made.get_tensor(first["index"])

    return run


def described(
    path: Path, float32: Path, precision: str, calibration: str | None, items: int
) -> EdgeModel:
    """Return what a file is, without its agreement; it has no opset, each operator has its own."""
    return EdgeModel(
        precision=precision,
        opset=None,
        model_bytes=os.path.getsize(path),
        float32_bytes=os.path.getsize(float32),
        depthwise_frac=tflite_graph.read(float32).depthwise_frac,
        calibration=calibration if precision == "static" else None,
        calibration_items=items if precision == "static" else 0,
        agreement=None,
    )
