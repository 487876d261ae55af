"""The step of a network that was measured by its blocks alone, out of a record."""

import math
from dataclasses import dataclass, replace

from hwbench import depth, depth_fit, registry, stats
from hwbench.depth import DepthFit
from hwbench.estimate_figures import Assumption
from hwbench.measurement import Measurement, Record
from hwbench.montecarlo import Factor


@dataclass(frozen=True, kw_only=True)
class Told:
    """The whole network as its cuts tell it: `case` was never run."""

    case: Measurement
    fit: DepthFit
    factor: Factor
    assumption: Assumption
    evaluation_item_s: float | None


def whole_of(
    record: Record,
    workload: str,
    runtime: str | None,
    device: str | None,
    dtype: str | None,
    batch_size: int | None,
) -> Told | None:
    """Return the training of a network told by its blocks, the fastest; None without cuts."""
    fits = [
        f
        for f in record.depth_fits
        if (f.name, f.phase) == (workload, "training")
        and runtime in (None, f.runtime)
        and device in (None, f.device)
        and dtype in (None, f.dtype)
        and batch_size in (None, f.batch_size)
    ]
    if not fits:
        return None
    fit = max(fits, key=lambda f: f.batch_size / f.wall_s.point)
    deepest = depth.cut(fit.name, max(fit.measured))
    m = next(
        m
        for m in record.measurements
        if (m.name, m.phase, m.runtime, m.device, m.dtype, m.batch_size)
        == (deepest, fit.phase, fit.runtime, fit.device, fit.dtype, fit.batch_size)
        and not m.runtime_options
    )
    network = registry.networks()[fit.name]
    flops = network.workload.work(network.variant.config, "training", fit.batch_size)
    parameters = network.workload.parameters(network.variant.config)
    work = replace(m.work, flops_per_iteration=flops or None, parameters=parameters)
    measured = " and ".join(map(str, fit.measured))
    return Told(
        case=depth_fit.whole(m, fit, work),
        fit=fit,
        factor=Factor.of_sigma("depth from blocks", _sigma_log(fit)),
        assumption=Assumption(
            name="step of the whole network",
            value=fit.wall_s.point,
            unit="s",
            source=f"by blocks: {measured} of {fit.layers} were measured; {fit.method}",
            date=record.created_utc[:10],
        ),
        evaluation_item_s=_evaluation_item_s(record, fit),
    )


def _sigma_log(fit: DepthFit) -> float:
    z = stats.normal_quantile(fit.wall_s.level)
    return math.log(fit.wall_s.high / fit.wall_s.low) / 2 / z


def _evaluation_item_s(record: Record, fit: DepthFit) -> float | None:
    """Return the seconds an item of inference, by the same runtime, told by blocks too."""
    told = [
        f.wall_s.point / f.batch_size
        for f in record.depth_fits
        if f.phase == "inference"
        and (f.name, f.runtime, f.device, f.dtype) == (fit.name, fit.runtime, fit.device, fit.dtype)
    ]
    return min(told, default=None)
