"""Where a program's arrays lie in the processor's memory: never at one and the same page offset."""

from typing import Any

PAGE = 4096
APART = 1088  # 17 lines of a cache: no two of the first dozen arrays come near each other


def placed(array: Any, number: int) -> Any:
    """Return a copy of a NumPy array that begins at an offset of its own within a page of memory.

    Large arrays all begin at the same one otherwise, and a load waits for an earlier store whose
    address ends in the same 12 bits (4 KiB aliasing, Intel's optimization manual): a step of AdamW
    on such arrays took almost twice as long.
    """
    import numpy as np

    raw = np.empty(array.nbytes + 2 * PAGE, dtype=np.uint8)
    start = -raw.ctypes.data % PAGE + (number + 1) * APART % PAGE
    found = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    found[...] = array
    return found
