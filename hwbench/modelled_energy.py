"""The energy of a case where no meter tells of its processor: modelled, and labelled so."""

from dataclasses import replace

from hwbench import cpu_power
from hwbench.energy import REST, Band, DomainEnergy, Energy, Power, assumed_wall, scaled
from hwbench.measurement import Measurement, Protocol


def modelled(m: Measurement, protocol: Protocol) -> Measurement:
    """Return the measurement with the modelled energy of its processor, where a model knows it.

    It goes by how busy the case kept the processor while it was timed; the model's floor is what
    an idle processor takes.
    """
    busy = m.conditions.own_cpu_frac if m.conditions else None
    cpu = protocol.cpu_power
    if m.device != "cpu" or m.wall_s is None:
        return m
    if cpu is None or busy is None:
        why = protocol.no_cpu_power if cpu is None else "how busy it kept the processor is unknown"
        joined = "; ".join(filter(None, (m.energy_reason, why and f"no model either: {why}")))
        return replace(m, energy_reason=joined)
    share = min(1.0, busy * protocol.threads / cpu.threads)
    watts, idle_w = cpu_power.power_w(cpu, share), cpu_power.power_w(cpu, 0.0)
    band = _ranged(watts * m.wall_s.mean)
    net = Band(
        point=band.point - idle_w * m.wall_s.mean,
        low=(watts - idle_w) * m.wall_s.mean * cpu_power.LOW,
        high=(watts - idle_w) * m.wall_s.mean * cpu_power.HIGH,
    )
    items = m.work.items_per_iteration
    missing = ("dram", REST)
    return replace(
        m,
        energy_j=Energy(
            point=band.point,
            low=band.low,
            high=band.high,
            level=None,
            domains={
                "cpu": DomainEnergy(
                    energy_j=band.point,
                    low_j=band.low,
                    high_j=band.high,
                    meter="cpu-model",
                    measured=False,
                    idle_w=idle_w,
                    net_j=net,
                )
            },
            measured=False,
            idle_w=idle_w,
            basis=f"cpu modelled: {cpu_power.BASIS}; {cpu.basis}, {share:.0%} busy; not in it:"
            f" {', '.join(missing)}",
            parts=("cpu",),
            idle_j=idle_w * m.wall_s.mean,
            net_j=net,
            per_item_j=scaled(band, 1 / items) if items else None,
            energy_delay_js=band.point * m.wall_s.mean,
            not_included=missing,
            assumed_wall=assumed_wall(band.point, ("cpu",), protocol.wall_factor),
        ),
        energy_reason=None,
        power_w=Power(
            point=watts, low=watts * cpu_power.LOW, high=watts * cpu_power.HIGH, peak=None
        ),
    )


def _ranged(point: float) -> Band:
    return Band(point=point, low=point * cpu_power.LOW, high=point * cpu_power.HIGH)
