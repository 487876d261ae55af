"""The whole of a network from fewer of its blocks, which are all alike: t = fixed + block x depth.

All depths are visited in every round, so a round gives a line of its own, and what the machine does
from round to round is common to its points. The whole is told by the line through the medians of
all rounds, which a disturbed one does not move; how sure, by how the rounds' own lines scatter
(Student). The line itself errs, since caches hold a shallow network and not a deep one: an interval
is never narrower than MODEL_FRAC, which is assumed (docs/language-models.md).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hwbench import parameter_bytes, registry, stats
from hwbench.depth import DepthFit, DepthMemory, line, parted
from hwbench.estimate_value import Estimate
from hwbench.measurement import Measurement, Work
from hwbench.units import ITEM_BYTES

LEVEL = 0.90
MODEL_FRAC = 0.03  # half of the narrowest interval: the line's own error [assumed]
SINGLE_LOG = 0.10  # of a single visit; methodology, as of a step's
LEAST = 2  # depths
Key = tuple[str, str, str, str, str, int]


def fits(measurements: Sequence[Measurement]) -> tuple[DepthFit, ...]:
    """Return the fit of each network in each phase that was measured at two depths or more."""
    families: dict[Key, dict[int, Measurement]] = {}
    for m in measurements:
        own, depth = parted(m.name)
        usable = m.status == "ok" and m.wall_s is not None and m.serving is None
        if depth is not None and usable and m.batch_size and not m.runtime_options:
            key = (own, m.phase, m.runtime, m.device, m.dtype, m.batch_size)
            families.setdefault(key, {})[depth] = m
    return tuple(
        _fit(key, dict(sorted(cuts.items())))
        for key, cuts in families.items()
        if len(cuts) >= LEAST and max(cuts) < _layers(key[0])
    )


def _layers(name: str) -> int:
    """Return the blocks of a network; 0 for one that is not known here, or has none."""
    network = registry.networks().items.get(name)
    return network.variant.config.get("layers", 0) if network else 0


def _fit(key: Key, cuts: Mapping[int, Measurement]) -> DepthFit:
    name, phase, runtime, device, dtype, batch_size = key
    layers = _layers(name)
    depths = list(cuts)
    points = [_point(m) for m in cuts.values()]
    fixed, block = line(depths, points)
    missed = [(fixed + block * d) / t - 1 for d, t in zip(depths, points, strict=True)]
    residual = math.sqrt(sum(e * e for e in missed) / len(missed))
    wall, rounds = _whole(cuts, layers, fixed + block * layers, residual)
    energy, why = _energy(cuts, layers)
    return DepthFit(
        name=name,
        phase=phase,
        runtime=runtime,
        device=device,
        dtype=dtype,
        batch_size=batch_size,
        layers=layers,
        measured=tuple(depths),
        fixed_s=fixed,
        block_s=block,
        wall_s=wall,
        residual_frac=residual,
        memory=_memory(name, cuts, layers),
        energy_j=energy,
        energy_reason=why,
        method=f"the line through the medians of {len(depths)} depths; its interval by the lines of"
        f" {rounds} rounds, and 3 % for the line itself",
    )


def _point(m: Measurement) -> float:
    assert m.wall_s is not None
    return m.wall_s.point


def _whole(
    cuts: Mapping[int, Measurement], layers: int, point: float, residual: float
) -> tuple[Estimate, int]:
    """Return the time of the whole with its interval, and of how many rounds it is."""
    depths = list(cuts)
    rounds = [m.rounds_s for m in cuts.values()]
    n = min(map(len, rounds))
    ahead = []
    for number in range(n):
        fixed, block = line(depths, [r[number] for r in rounds])
        if (whole := fixed + block * layers) > 0:
            ahead.append(math.log(whole))
    centre, spread = math.log(max(point, 1e-12)), MODEL_FRAC
    if len(ahead) > 1:
        t = stats.student_t(LEVEL, len(ahead) - 1)
        spread = math.hypot(spread, t * stats.standard_deviation(ahead) / math.sqrt(len(ahead)))
    else:
        spread = math.hypot(spread, *_reached(cuts, layers, point))
    # What the line misses at its own depths grows with the distance that it is carried over.
    reach = layers / max(depths)
    spread = math.hypot(spread, stats.normal_quantile(LEVEL) * residual * reach)
    return (
        Estimate(
            point=math.exp(centre),
            low=math.exp(centre - spread),
            high=math.exp(centre + spread),
            level=LEVEL,
        ),
        len(ahead) or n,
    )


def _reached(cuts: Mapping[int, Measurement], layers: int, point: float) -> list[float]:
    """Return how far the whole goes with each cut's time at the end of its interval, by the point.

    It is for a single round, which tells nothing of how lines scatter: a visit is not known better
    than to SINGLE_LOG, whatever its samples say.
    """
    depths, times = list(cuts), [_point(m) for m in cuts.values()]
    found = []
    for n, m in enumerate(cuts.values()):
        assert m.wall_s is not None
        far = max(math.log(m.wall_s.high / m.wall_s.point), SINGLE_LOG)
        fixed, block = line(depths, [*times[:n], times[n] * math.exp(far), *times[n + 1 :]])
        found.append(abs((fixed + block * layers) / point - 1))
    return found


def _memory(name: str, cuts: Mapping[int, Measurement], layers: int) -> DepthMemory | None:
    """Return the peak of the whole: the deepest cut's, and what each further block takes.

    A block takes its weights, in training with gradient and moments, which is known; and the
    activations that were counted. A line through the peaks themselves would tell less: allocators
    keep what was freed, and a shallow network's peak lies in another part of its step.
    """
    found = {
        d: peak
        for d, m in cuts.items()
        if m.memory_peak_bytes and (peak := m.memory_peak_bytes.device or m.memory_peak_bytes.host)
    }
    if len(found) < LEAST:
        return None
    shallow, deep = min(found), max(found)
    block = _block_bytes(name, cuts[deep])
    kept = [cuts[d].kept_bytes for d in (shallow, deep)]
    if kept[0] is not None and kept[1] is not None:
        block += (kept[1] - kept[0]) / (deep - shallow)
    fixed = found[deep] - block * deep
    return DepthMemory(
        fixed_bytes=fixed,
        block_bytes=block,
        whole_bytes=max(0, round(fixed + block * layers)),
        residual_frac=abs((fixed + block * shallow) / found[shallow] - 1),
    )


def _block_bytes(name: str, m: Measurement) -> float:
    """Return the bytes of a block's weights as a case holds them, with gradients and moments."""
    network = registry.networks()[name]
    period = network.variant.config.get("period", 1)
    one, two = ({**network.variant.config, "layers": n * period} for n in (1, 2))
    count = network.workload.parameters
    weights = (count(two) - count(one)) / period
    if m.phase == "training":  # float32 whatever the step computes in
        return float(weights * parameter_bytes.WORD_BYTES * (2 + parameter_bytes.moments_of(name)))
    return float(weights * ITEM_BYTES[m.dtype])


def _energy(cuts: Mapping[int, Measurement], layers: int) -> tuple[Estimate | None, str | None]:
    found = {d: m.energy_j for d, m in cuts.items() if m.energy_j is not None}
    if len(found) < LEAST:
        why = next((m.energy_reason for m in cuts.values() if m.energy_reason), None)
        return None, why or "fewer than two depths have a measured energy"
    depths = list(found)
    ends = {
        end: max(0.0, f + b * layers)
        for end in ("point", "low", "high")
        for f, b in [line(depths, [getattr(e, end) for e in found.values()])]
    }
    if ends["point"] <= 0:
        return None, "the line of its energy falls below zero"
    wide = MODEL_FRAC * ends["point"]
    low = min(ends["low"], ends["point"]) - wide
    return (
        Estimate(
            point=ends["point"],
            low=max(low, 1e-12),
            high=max(ends["high"], ends["point"]) + wide,
            level=LEVEL,
        ),
        None,
    )


def whole(m: Measurement, fit: DepthFit, work: Work) -> Measurement:
    """Return the whole network as a measurement would tell it, from `m`, its deepest cut.

    Times grow with the step, memory and energy are the fit's; samples are left out, for none were
    taken. It is for estimates, whose basis says that it was told by blocks.
    """
    assert m.wall_s is not None
    times = fit.wall_s.point / m.wall_s.point
    wall = m.wall_s
    scaled = replace(
        wall,
        point=fit.wall_s.point,
        low=fit.wall_s.low,
        high=fit.wall_s.high,
        level=fit.wall_s.level,
        mean=wall.mean * times,
        method=fit.method,
    )
    energy = m.energy_j
    if energy is not None and fit.energy_j is not None:
        energy = replace(
            energy, point=fit.energy_j.point, low=fit.energy_j.low, high=fit.energy_j.high
        )
    memory = m.memory_peak_bytes
    if memory is not None and fit.memory is not None:
        held = fit.memory.whole_bytes
        on_device = memory.device is not None
        memory = replace(
            memory,
            host=memory.host if on_device else held,
            device=held if on_device else None,
        )
    return replace(
        m,
        id=m.id.replace(m.name, fit.name),
        name=fit.name,
        work=work,
        samples=(),
        rounds_s=(),
        wall_s=scaled,
        first_iteration_s=None if m.first_iteration_s is None else m.first_iteration_s * times,
        setup_s=None if m.setup_s is None else m.setup_s * fit.layers / max(fit.measured),
        energy_j=energy,
        energy_reason=m.energy_reason if energy is not None else fit.energy_reason,
        memory_peak_bytes=memory,
        trend=None,
    )
