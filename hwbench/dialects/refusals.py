"""Why a case is refused, where the reason is the same for every runtime."""

from collections.abc import Sequence

from hwbench.case import Case
from hwbench.dialects.libraries import family
from hwbench.edge_facts import QUANTISED


def common(case: Case, runtime: str, families: Sequence[str]) -> str | None:
    """Return why `runtime`, which runs on the device `families`, never runs `case`, or None."""
    if family(case.device) not in families:
        return f"{runtime} does not run on {case.device}, only on {', '.join(families)}"
    if case.dtype == "tf32" and family(case.device) != "cuda":
        return f"TF32 is a format of NVIDIA GPUs; {case.device} has none"
    if case.dtype == "float16" and case.phase == "training":
        return "float16 training needs loss scaling, which is not measured here; take bfloat16"
    if case.dtype == "int8" and case.phase == "backward":
        return "integers have no gradient"
    if case.dtype == "int8" and case.kind == "workload" and QUANTISED not in case.options:
        return "an int8 network is quantised under an edge profile: --edge-profile"
    return None
