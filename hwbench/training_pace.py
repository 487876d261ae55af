"""How fast a training goes while it steps, and what share of its devices' peak that is.

MFU: the FLOPs that the network needs, 3 x forward, a second of all devices, by their dense peak in
the step's number format (Chowdhery et al. 2022, PaLM, appendix B). HFU counts what is computed
again too.
"""

import math

from hwbench import registry
from hwbench.data_made import kind_of
from hwbench.data_sheet import DataSheet
from hwbench.estimated import Pace, Plan
from hwbench.shortcut import Shortcut
from hwbench.ways import PeakTerm, Ways

BEST_MFU = 0.563
BEST_SOURCE = "Megatron-LM, 1 T parameters"


def peak_of(sheet: DataSheet, dtype: str, share: float = 1.0) -> PeakTerm:
    """Return the dense peak of a device, or of a share of a processor; why not, where unknown."""
    known = sheet.peak_flops_per_s.get(dtype)
    if known is None:
        return PeakTerm(flops_per_s=None, source=f"no dense {dtype} peak of the {sheet.name}")
    part = "" if share >= 1 else f", {share:.0%} of its cores"
    return PeakTerm(
        flops_per_s=known * share,
        source=f"the {sheet.name}'s dense {dtype} peak{part} ({sheet.source})",
    )


def tokens_of(workload: str) -> int | None:
    """Return the tokens of an item of a network; None for one that takes none."""
    network = registry.networks()[workload]
    return network.variant.config.get("seq") if kind_of(network) == "tokens" else None


def pace(way: Ways, plan: Plan, shortcut: Shortcut, step_s: float) -> Pace | None:
    """Return the pace of a way's steps, each `step_s` long; None where that is not known."""
    if not 0 < step_s < math.inf:
        return None
    network = registry.networks()[plan.workload]
    items = way.batch_size * len(way.devices) / step_s
    flops = network.workload.work(network.variant.config, "training", way.batch_size) / step_s
    mfu, why = None, way.peak.source
    if plan.hardening is not None or shortcut.build is not None:
        why = f"the step of {plan.hardening or shortcut.name} computes something else"
    elif not flops:
        why = f"the FLOPs of {plan.workload} are not known"
    elif way.peak.flops_per_s is not None:
        mfu = flops / way.peak.flops_per_s
    return Pace(
        items_per_s=items,
        tokens_per_s=None if plan.tokens_per_sample is None else items * plan.tokens_per_sample,
        mfu_frac=mfu,
        hfu_frac=mfu,  # nothing is computed again: a plan has no checkpointed activations
        peak_flops_per_s=way.peak.flops_per_s,
        peak=way.peak.source,
        reason=None if mfu is not None else why,
    )


def warnings(way: Ways, told: Pace | None) -> tuple[str, ...]:
    """Return that a scaled step is faster than trainings are known to be, by its MFU."""
    if way.basis != "scaled" or told is None or not told.mfu_frac or told.mfu_frac <= BEST_MFU:
        return ()
    return (
        f"{way.name}: an MFU of {told.mfu_frac:.0%} is above the best that is published of large"
        f" trainings, {BEST_MFU:.0%} ({BEST_SOURCE}): the scaled step is likely too fast",
    )
