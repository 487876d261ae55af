"""What the energy of a record looks like as text: a table, and what is in it and what is not."""

from collections.abc import Sequence

from hwbench.energy import Band, Energy
from hwbench.measurement import Measurement
from hwbench.render import NOTHING, digits, half_width, prefixed, table

_COLUMNS = ("energy", "", "runtime", "J", "±", "net J", "W", "peak W", "by")
_PHASES = {"inference": "infer", "training": "train", "forward": "fwd", "backward": "bwd"}
_MODELLED = "~"


def energies(done: Sequence[Measurement]) -> str:
    """Return the table of the measurements that have an energy, or why none has."""
    with_energy = [m for m in done if m.energy_j is not None]
    if not with_energy:
        return _nothing(done)
    rows = [_row(m, m.energy_j) for m in with_energy if m.energy_j is not None]
    return "\n\n".join([table(_COLUMNS, rows), "\n".join(_legend(with_energy))])


def _nothing(done: Sequence[Measurement]) -> str:
    """Return the reason that most of them have; each has its own in the record."""
    reasons = [(m.energy_reason or "").partition(" (")[0].partition(";")[0] for m in done]
    if not any(reasons):
        return ""
    most = max(set(reasons), key=reasons.count)
    return f"energy: null: {most} (`hwbench doctor` says what is missing)"


def _row(m: Measurement, energy: Energy) -> tuple[str, ...]:
    """Return joules per item where the case has items, else per iteration."""
    shown = energy.per_item_j or Band(point=energy.point, low=energy.low, high=energy.high)
    items = m.work.items_per_iteration or 1
    net = None if energy.net_j is None else energy.net_j.point / (items if energy.per_item_j else 1)
    return (
        f"{m.name} b{m.batch_size}" if m.batch_size else m.name,
        _PHASES.get(m.phase, m.phase),
        m.runtime,
        prefixed_j(shown.point),
        half_width(shown.low, shown.high, shown.point),
        NOTHING if net is None else prefixed_j(net),
        NOTHING if m.power_w is None else digits(m.power_w.point),
        NOTHING if m.power_w is None or m.power_w.peak is None else digits(m.power_w.peak),
        _by(energy),
    )


def prefixed_j(value: float) -> str:
    """Return joules as people read them: `1.23 kJ`, `4.5 mJ`."""
    if value == 0 or abs(value) >= 1:
        return prefixed(value, "J").replace(" J", "")
    for factor, prefix in ((1e-3, "m"), (1e-6, "u"), (1e-9, "n")):
        if abs(value) >= factor:
            return f"{digits(value / factor)} {prefix}"
    return digits(value)


def _by(energy: Energy) -> str:
    """Return the parts of the total; a modelled one has a mark."""
    parts = [(name, energy.domains[name]) for name in energy.parts]
    return " ".join(f"{n}{'' if d.measured else _MODELLED}" for n, d in parts)


def _legend(shown: Sequence[Measurement]) -> list[str]:
    lines = ["J: per item, of a kernel per call, idle included; net: above idle; ±: half interval"]
    found = [m.energy_j for m in shown if m.energy_j is not None]
    meters = {f"{n} by {d.meter}" for e in found for n, d in e.domains.items() if n in e.parts}
    said = ", ".join(sorted(meters))
    measured = all(e.measured for e in found)
    lines.append(f"measured: {said}" if measured else f"{said}; {_MODELLED} modelled, not measured")
    missing = sorted({name for e in found for name in e.not_included})
    if missing:
        lines.append(f"not in it: {', '.join(missing)}")
    assumed = next((e.assumed_wall for e in found if e.assumed_wall), None)
    if assumed:
        lines.append(f"the whole machine, by {assumed.source}: {assumed.factor:g} times as much")
    return lines
