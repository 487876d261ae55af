"""Networks as LiteRT files (`.tflite`), converted from their torch form."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from hwbench.dialects import caches, litert_session
from hwbench.dialects import torch as torch_dialect
from hwbench.dialects.libraries import load
from hwbench.dialects.torch_tensors import tensors
from hwbench.errors import Unavailable, one_line
from hwbench.workload import Config, Workload

# What converts and quantises. Their own pins (xdsl, and by it typing-extensions below 4.13) are of
# parts that are not used here, and go with nothing else: hence --no-deps, in two lines.
REMEDY = (
    "pip install 'hwbench-dl[litert,torch,jax]'; pip install --no-deps litert-torch==0.10.0"
    " litert-converter==0.5.0 ai-edge-quantizer==0.10.0 torchao==0.18.0 immutabledict==4.3.1"
    " (--no-deps: the typing-extensions that they pin goes with no current pydantic)"
)
TOLERANCE = 1e-3  # of a file's answer against torch's, both in float32


def export_workload(
    workload: Workload, config: Config, batch_size: int, dtype: str, path: str | os.PathLike[str]
) -> None:
    """Write the network in evaluation mode to `path`, with static shapes and its weights.

    Inputs of int64 become int32. Raises Unavailable without torch or the converter, for a dtype
    other than float32, and for a network that it cannot convert, or converts to another function:
    int8 files are made of this one and held against it alone.
    """
    import numpy as np

    if dtype != "float32":
        raise Unavailable(f"networks are converted to LiteRT in float32, not in {dtype}")
    torch = load("torch", REMEDY)
    drawn, _ = workload.batch(config, batch_size, np.random.default_rng(0))
    inputs = tensors(torch, drawn, dtype, torch.device("cpu"))
    model = torch_dialect.network(torch, workload, config).eval()
    with quiet():
        converter = load("litert_torch", REMEDY)
        try:
            with torch.no_grad():
                converter.convert(model, tuple(inputs)).export(os.fspath(path))
        except MemoryError:
            raise
        except Exception as e:  # of torch's export, of the lowering, of the C++ converter
            said = f"{type(e).__name__}: {one_line(str(e))[:200]}"
            raise Unavailable(f"litert_torch cannot convert {workload.name}: {said}") from e
    with torch.no_grad():
        wanted = model(*inputs).numpy()
    error = _error(Path(path), drawn, wanted)
    if not error <= TOLERANCE:
        raise Unavailable(
            f"litert_torch converts {workload.name} to something else: an error of {error:.2g}"
            " against torch"
        )


def _error(path: Path, drawn: Any, wanted: Any) -> float:
    """Return how far the file's first output is from torch's, relative to the largest of those."""
    import numpy as np

    try:
        made = litert_session.interpreter(path, caches.cpus())
        litert_session.put(made, drawn)
        made.invoke()
    except (RuntimeError, ValueError) as e:
        said = one_line(str(e))[:160]
        raise Unavailable(f"litert_torch makes a file that cannot be run: {said}") from e
    found = made.get_tensor(litert_session.outputs(made)[0]["index"])
    if found.shape != wanted.shape:
        return float("inf")
    return float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-30))


@contextmanager
def quiet() -> Iterator[Any]:
    """Silence what the converter and the quantiser tell of their own steps."""
    before = logging.root.manager.disable
    os.environ["LITERT_TORCH_SHOW_PROGRESS"] = "n"
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), litert_session.hushed():
            warnings.simplefilter("ignore")
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)
