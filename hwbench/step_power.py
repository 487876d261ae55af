"""The power of a step, out of a record."""

from dataclasses import dataclass

from hwbench.measurement import Measurement


@dataclass(frozen=True, kw_only=True)
class StepPower:
    """Watts while the step runs and while nothing does, by the record's meters."""

    active_w: float
    low_w: float
    high_w: float
    idle_w: float | None
    peak_w: float | None
    measured: bool
    parts: tuple[str, ...]
    basis: str
    wall_factor: float | None  # the whole machine by its metered parts, where the user said it


def power_of(m: Measurement) -> tuple[StepPower | None, str | None]:
    """Return the power of a case by its energy, or why it is not known."""
    if m.energy_j is None or m.wall_s is None:
        return None, m.energy_reason or "the record has no energy of this case"
    e, per_s = m.energy_j, 1 / m.wall_s.mean
    known = m.power_w
    point = known.point if known else e.point * per_s
    return (
        StepPower(
            active_w=point,
            low_w=known.low if known else e.low * per_s,
            high_w=known.high if known else e.high * per_s,
            idle_w=e.idle_w,
            peak_w=known.peak if known else None,
            measured=e.measured,
            parts=e.parts,
            basis=e.basis,
            wall_factor=e.assumed_wall.factor if e.assumed_wall else None,
        ),
        None,
    )
