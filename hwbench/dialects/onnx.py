"""Networks as ONNX files, exported from their torch form."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from hwbench.dialects import torch as torch_dialect
from hwbench.dialects.libraries import load
from hwbench.dialects.torch_tensors import tensors, torch_dtype
from hwbench.units import BYTES_PER_GIB
from hwbench.workload import Config, Workload

REMEDY = "pip install 'hwbench-dl[onnx]'"

# A protobuf message holds 2 GiB; above half of that the weights go to a file beside it.
INLINE_BYTES = BYTES_PER_GIB


def export_workload(
    workload: Workload, config: Config, batch_size: int, dtype: str, path: str | os.PathLike[str]
) -> None:
    """Write the network in evaluation mode to `path`, with static shapes and its weights.

    float16 is the model halved, weights and arithmetic. Large weights lie beside the file, in
    `<path>.data`. Raises Unavailable without torch, onnx or onnxscript.
    """
    import numpy as np

    torch = load("torch", REMEDY)
    for name in ("onnx", "onnxscript"):
        load(name, REMEDY)
    drawn, _ = workload.batch(config, batch_size, np.random.default_rng(0))
    inputs = tensors(torch, drawn, dtype, torch.device("cpu"))
    model = torch_dialect.network(torch, workload, config).eval().to(torch_dtype(torch, dtype))
    size_bytes = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            model,
            inputs,
            os.fspath(path),
            dynamo=True,
            external_data=size_bytes > INLINE_BYTES,
            verbose=False,
        )


@contextmanager
def _quiet() -> Iterator[Any]:
    """Silence what the exporter tells of its own steps; its errors are raised, not printed."""
    names = ("torch.onnx", "onnxscript", "onnx_ir")
    before = {name: logging.getLogger(name).level for name in names}
    try:
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            # nn.LSTM sorts its own weights anew when it is traced: nothing of the model changes.
            warnings.filterwarnings("ignore", "The tensor attributes? .*_flat_weights", UserWarning)
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
