"""How much of n devices' speed a training keeps: published, pooled, or a rule of thumb.

Efficiency is throughput of n devices / (n x throughput of one), each device with a batch of its
own. The published figures are of one machine; beyond eight devices there is only judgement.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hwbench import published_workloads, stats
from hwbench.data_sheet import DataSheet
from hwbench.errors import BadInput
from hwbench.published import Figure

PUBLISHED_SIGMA, POOLED_SIGMA, JUDGED_SIGMA = 0.05, 0.10, 0.20  # at least; of a logarithm
NODE, MOST = 8, 64  # devices of one machine; of the rules of thumb
INSIDE = {"linked": 0.95, "PCIe": 0.85}  # up to 8 [judgement]
BETWEEN = {"linked": 0.90, "PCIe": 0.80}  # up to 64, over InfiniBand or Ethernet [judgement]
LINKED = ("SXM", "GB200", "GB300", "GH200", "MI250", "MI3", "TPU")  # NVLink and its like
SHARDED_VOLUME = 1.5
SOURCE = "Lambda deeplearning-benchmark v1 (NGC 22.09), v2 (2024-25)"


class Efficiency(NamedTuple):
    """A share of linear scaling; `sigma_log` of its logarithm; None with the reason in `basis`."""

    point: float | None
    sigma_log: float | None
    basis: str
    source: str


def interconnect(device: str) -> str:
    """Return `linked` or `PCIe`, by the name of a device's sheet."""
    return "linked" if any(word in device for word in LINKED) else "PCIe"


def efficiency(
    device: DataSheet,
    n_devices: int,
    workload: str,
    figures: Iterable[Figure],
    kind: str | None = None,
) -> Efficiency:
    """Return the efficiency of `n_devices` of a kind, each with a batch of its own.

    By the published figures of the device for trainings like this one, else by those of all
    devices with that interconnect, else by a rule of thumb. Raise BadInput below one device.
    """
    if n_devices < 1:
        raise BadInput(f"asked for {n_devices} devices, found that a training needs one: give 1 up")
    if n_devices == 1:
        return Efficiency(1.0, 0.0, "one device", "")
    shares = _shares(figures, published_workloads.likeness(workload, kind))
    inside = _inside(device, min(n_devices, NODE), shares)
    return inside if n_devices <= NODE else _beyond(device, n_devices, inside)


def sharded(plain: Efficiency) -> Efficiency:
    """Return the efficiency with weights, gradients and moments divided over the devices.

    It moves 1.5 times the bytes of plain data parallelism (ZeRO, arXiv:1910.02054, 7.2.2), so what
    a step waits for them is taken to be 1.5 times as long; how well that is hidden is judgement.
    """
    if plain.point is None or plain.sigma_log is None:
        return plain
    waits = SHARDED_VOLUME * (1 / plain.point - 1)
    return Efficiency(
        1 / (1 + waits),
        math.hypot(plain.sigma_log, JUDGED_SIGMA),
        f"{plain.basis}; sharded: 1.5 times the communication",
        f"{plain.source}, ZeRO (arXiv:1910.02054, 7.2.2)",
    )


Shares = dict[int, list[float]]  # logarithms of efficiencies, by number of devices


def _shares(figures: Iterable[Figure], like: published_workloads.Likeness) -> Mapping[str, Shares]:
    """Return the published efficiencies of each device: of the network, its family or its kind."""
    known = [f for f in figures if not f.left_out]
    single = {_key(f): f.items_per_s for f in known if f.n_devices == 1}
    found: dict[str, Shares] = defaultdict(lambda: defaultdict(list))
    names = _alike(like, {f.workload for f in known if f.n_devices > 1})
    for f in known:
        if f.n_devices > 1 and f.workload in names and _key(f) in single:
            share = f.items_per_s / (f.n_devices * single[_key(f)])
            found[f.sheet][f.n_devices].append(math.log(share))
    return found


def _key(f: Figure) -> tuple[str, str, str, str]:
    return f.source, f.device, f.workload, f.dtype


def _alike(like: published_workloads.Likeness, names: set[str]) -> set[str]:
    """Return the nearest trainings among `names`; all of them where nothing is like it."""
    for attribute in ("name", "family", "kind"):
        wanted = like.same if attribute == "name" else getattr(like, attribute)
        near = {n for n in names if getattr(published_workloads.PUBLISHED[n], attribute) == wanted}
        if near:
            return near
    return names


def _inside(device: DataSheet, n_devices: int, shares: Mapping[str, Shares]) -> Efficiency:
    """Return the efficiency in one machine."""
    own, link = shares.get(device.name), interconnect(device.name)
    if own:
        basis = f"published for the {device.name}"
        at = min((n for n in own if n >= n_devices), default=max(own))
        return _of(own, n_devices, _spread(own[at], PUBLISHED_SIGMA), basis)
    alike = [s for name, s in shares.items() if interconnect(name) == link]
    enough = [s for s in alike if max(s) >= n_devices] or alike
    if not enough or device.vendor != "NVIDIA":
        basis = f"assumed for {link} devices of one machine: judgement"
        return Efficiency(INSIDE[link], JUDGED_SIGMA, basis, "judgement")
    each = [_at(s, n_devices) for s in enough]
    pooled = {n_devices: each}
    basis = f"published for {len(each)} other {link} devices"
    return _of(pooled, n_devices, _spread(each, POOLED_SIGMA), basis)


def _spread(logs: Sequence[float], least: float) -> float:
    return max(least, stats.standard_deviation(logs) if len(logs) > 1 else 0.0)


def _at(shares: Shares, n_devices: int) -> float:
    """Return the mean logarithm at a number of devices, linear in log2 n between the published."""
    told = sorted((math.log2(n), sum(v) / len(v)) for n, v in shares.items())
    points = [(0.0, 0.0), *told]
    x = math.log2(n_devices)
    above = next((i for i, p in enumerate(points) if p[0] >= x), len(points) - 1)
    (x0, y0), (x1, y1) = points[above - 1], points[above]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _of(shares: Shares, n_devices: int, sigma: float, basis: str) -> Efficiency:
    """Return the efficiency at n; beyond what is published, continued and wider."""
    point = min(1.0, math.exp(_at(shares, n_devices)))
    if n_devices > max(shares):
        sigma += POOLED_SIGMA * math.log2(n_devices / max(shares))
        basis += f" up to {max(shares)}, continued"
    return Efficiency(point, sigma, basis, SOURCE)


def _beyond(device: DataSheet, n_devices: int, inside: Efficiency) -> Efficiency:
    """Return the efficiency of several machines: that of one, by the rules' loss between them."""
    if n_devices > MOST or inside.point is None or inside.sigma_log is None:
        return Efficiency(None, None, f"nothing is known of more than {MOST} devices", "")
    link = interconnect(device.name)
    point = inside.point * BETWEEN[link] / INSIDE[link]
    sigma = math.hypot(inside.sigma_log, JUDGED_SIGMA)
    basis = f"{NODE}: {inside.basis}; between machines assumed x {BETWEEN[link] / INSIDE[link]:.2f}"
    return Efficiency(point, sigma, basis, f"{inside.source}, judgement")
