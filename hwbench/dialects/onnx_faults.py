"""What onnxruntime says of a file that it cannot run, in a line with what to do."""

import re

from hwbench.errors import one_line

_UNKNOWN_OP = re.compile(r"([\w.]+:\w+)\(-?\d+\) is not a registered function/op")
_NO_KERNEL = re.compile(
    r"(?:Could not find an implementation for|Failed to find kernel for) ([\w.]+)"
)
_NODE = re.compile(r"running (\w+) node")
_OP = re.compile(r"Op \((\w+)\)")


def said(text: str, version: str) -> str:
    """Return what is wrong with a file, in the words of the one who gave it."""
    flat = one_line(text).partition(" failed:")[2] or one_line(text)  # without the file's name
    if "ValidateOpsetForDomain" in flat or "opset" in flat.lower():
        return (
            f"needs an opset that onnxruntime {version} does not have: export it with an older one"
            " (opset_version=), or take a newer onnxruntime"
        )
    unknown = _UNKNOWN_OP.search(flat)
    if unknown:
        return (
            f"has an operator that onnxruntime {version} does not know, {unknown[1]}: it needs its"
            " library of custom operators, or an export without it"
        )
    no_kernel = _NO_KERNEL.search(flat)
    if no_kernel:
        return (
            f"has an operator without a kernel in onnxruntime's CPU provider, {no_kernel[1]}:"
            " export it in another type"
        )
    node = _NODE.search(flat) or _OP.search(flat)
    if "dimension" in flat.lower() or "ShapeInference" in flat or "shape" in flat.lower():
        where = f" at {node[1]}" if node else ""
        return (
            f"has shapes that contradict each other{where}: set the sizes that it leaves open"
            " (--shape NAME=N), or export it anew"
        )
    if node:
        return f"fails at {node[1]} in onnxruntime {version}: {flat[-120:]}"
    return f"cannot be run by onnxruntime {version}: {flat[:160]}"
