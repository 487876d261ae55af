"""From a processor, or to one: what little can be said, and that no accuracy was measured for it.

All devices of the published table are GPUs. So from a CPU to a GPU the measured step counts for
nothing: the target's own published throughput of the nearest training is taken, by the ratio of
FLOPs per item. Between processors the ratio is that of the time which peak and bandwidth allow.
"""

import math
from dataclasses import dataclass

from hwbench import published_workloads, scaling_facts
from hwbench.data_sheet import DataSheet
from hwbench.published_workloads import Likeness, PublishedWorkload
from hwbench.scaled import Assumption, Scaled, Sighting, scaled, unknown
from hwbench.scaling_table import LogNormal, Table, precision_of

# Standard deviations of a logarithm [judgement: no accuracy measured].
FROM_CPU_SIGMA = 0.45
VENDOR_SIGMA = 0.30
BETWEEN_CPUS_SIGMA = 0.30
MOST_RATIO = 10.0  # of FLOPs per item, beyond which each factor of ten adds as much again


@dataclass(frozen=True)
class Work:
    """What is asked for; bytes and FLOPs are of one item, forward and backward together."""

    dtype: str
    flops_per_item: float | None
    bytes_per_item: float | None
    share_frac: float  # of the target's cores


def predict(
    source: Sighting, target: DataSheet, work: Work, like: Likeness, table: Table
) -> Scaled:
    """Return the throughput of a training where a processor is the source, the target or both."""
    if target.kind != "cpu":
        return _to_gpu(source, target, work, like, table)
    sigma = BETWEEN_CPUS_SIGMA if source.sheet.kind == "cpu" else FROM_CPU_SIGMA
    return _to_cpu(source, target, work, sigma)


def _to_gpu(
    source: Sighting, target: DataSheet, work: Work, like: Likeness, table: Table
) -> Scaled:
    said = "no accuracy measured for scaling from a CPU"
    basis = f"scaled from the {source.sheet.name}: {said}"
    precision = precision_of(work.dtype, like.same)
    if reason := scaling_facts.missing(target, precision, work.dtype):
        return unknown(reason, basis)
    if not work.flops_per_item:
        return unknown(f"the FLOPs per item of {source.workload} are not known", basis)
    near = published_workloads.nearest(like, work.flops_per_item)
    if near is None or near.flops_per_item is None:
        why = f"no published training is of the kind of {source.workload} ({like.kind})"
        return unknown(f"{why}: give its kind, or measure it on a GPU", basis)
    told = table.level(near.name, work.dtype, target)
    ratio = near.flops_per_item / work.flops_per_item
    log_ratio = told.mean + math.log(ratio / source.items_per_s)
    anchor = _anchor(near, told, target, table)
    sigma = _sigma(ratio, told, target, table)
    notes = (anchor, _flops(near))
    by = f"{basis}; by {anchor.value} {anchor.unit} of {near.name}, {anchor.source}"
    return scaled(source, log_ratio, sigma, by, notes)


def _sigma(ratio: float, told: LogNormal, target: DataSheet, table: Table) -> float:
    far = abs(math.log(ratio)) / math.log(MOST_RATIO)
    strange = target.vendor not in table.vendors or target.kind != "gpu"
    return math.hypot(FROM_CPU_SIGMA * max(1.0, far), told.sigma, VENDOR_SIGMA if strange else 0.0)


def _anchor(
    near: PublishedWorkload, told: LogNormal, target: DataSheet, table: Table
) -> Assumption:
    """Return the throughput that all rests on: published, or predicted from others' figures."""
    dates = [f.date for f in table.figures if f.sheet == target.name and f.workload == near.name]
    return Assumption(
        f"{near.name} on the {target.name}",
        f"{math.exp(told.mean):.4g}",
        f"{near.item}s/s",
        "published" if dates else "predicted from published figures of other devices",
        max(dates, default=None),
    )


def _flops(near: PublishedWorkload) -> Assumption:
    return Assumption(
        f"FLOPs per item of {near.name}",
        f"{near.flops_per_item:.4g}",
        "FLOP",
        near.flops_source,
        published_workloads.COMPILED,
    )


def _to_cpu(source: Sighting, target: DataSheet, work: Work, sigma: float) -> Scaled:
    basis = (
        f"scaled from the {source.sheet.name} by the peaks and bandwidths of data sheets: no"
        " accuracy measured for scaling to a CPU"
    )
    if work.dtype != source.dtype:
        return unknown(f"measured in {source.dtype}: measure it in {work.dtype}", basis)
    speeds = [
        _speed(source.sheet, source.share_frac, work),
        _speed(target, work.share_frac, work),
    ]
    for speed, sheet in zip(speeds, (source.sheet, target), strict=True):
        if speed is None:
            return unknown(f"the data sheet of the {sheet.name} lacks peak or bandwidth", basis)
    before, after = (speed or 1.0 for speed in speeds)
    if target.name == source.sheet.name and work.share_frac == source.share_frac:
        sigma = source.sigma_log
    note = Assumption(f"data sheet of {target.name}", "", "", target.source, target.date)
    return scaled(
        source, math.log(after / before), math.hypot(sigma, source.sigma_log), basis, (note,)
    )


def _speed(sheet: DataSheet, share_frac: float, work: Work) -> float | None:
    """Return the items/s that peak and bandwidth allow, or their geometric mean without bytes."""
    peak = sheet.peak_flops_per_s.get(work.dtype) or sheet.peak_flops_per_s.get("float32")
    bandwidth = sheet.bandwidth_bytes_per_s
    if not peak or not bandwidth:
        return None
    if work.flops_per_item and work.bytes_per_item:
        limits = work.flops_per_item / peak + work.bytes_per_item / bandwidth
        return share_frac / limits
    return share_frac * math.sqrt(peak * bandwidth)
