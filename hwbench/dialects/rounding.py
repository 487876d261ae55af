"""Rounding inputs to the dtype of a case, one rule for every framework."""

from typing import Any

INT8_SCALE = 16.0  # inputs of order 1 then fill some bits of -127..127


def storage(dtype: str) -> str:
    """Return the format in memory: TF32 is float32 with other matrix products."""
    return "float32" if dtype == "tf32" else dtype


def widened(array: Any) -> Any:
    """Return a copy of a NumPy array in float64, or in int64 if it holds integers."""
    import numpy as np

    return array.astype(np.int64 if np.issubdtype(array.dtype, np.integer) else np.float64)


def to_storage(array: Any, dtype: str) -> Any:
    """Return `array` in the NumPy format nearest to `dtype`; integers stay as they are.

    NumPy has no bfloat16: such an array comes as float32, for the framework to round.
    """
    import numpy as np

    if np.issubdtype(array.dtype, np.integer):
        return np.ascontiguousarray(array)
    if dtype == "int8":
        return np.clip(np.rint(array * INT8_SCALE), -127, 127).astype(np.int8)
    half_or_single = np.float16 if dtype == "float16" else np.float32
    return np.ascontiguousarray(array, dtype=np.float64 if dtype == "float64" else half_or_single)
