"""Measurements under edge profiles as text: what fits, what int8 costs, the device itself."""

from collections.abc import Sequence

from hwbench import sustained_view
from hwbench.edge_facts import DTYPES, PRECISIONS, QUANTISED, Band, EdgeFacts, OnDevice, Share
from hwbench.edge_figures import BASIS, per_wh
from hwbench.edge_limits import NO_PROCESS, TOO_LARGE
from hwbench.measurement import Measurement
from hwbench.pareto import pareto
from hwbench.render import NOTHING, count, digits, half_width, size, table, wrapped
from hwbench.render import seconds as duration
from hwbench.units import S_PER_H

OPERATORS = 4  # that are named
_COLUMNS = ("", "precision", "p50", "±", "p90", "memory", "file", "energy", "agree", "fits")
_DEVICE_COLUMNS = ("on the device", "latency", "inferences/Wh", "rate held", "battery")
# Instructions that multiply bytes: with none of them int8 has no arithmetic of its own.
BYTE_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "dotprod")


def text(done: Sequence[Measurement], isa: Sequence[str]) -> str:
    """Return the tables of what was measured, and of what is scaled to the devices.

    `isa` are the instruction sets of this machine's processor.
    """
    parts = []
    for name in dict.fromkeys(m.name for m in done):
        for profile in dict.fromkeys(_edge(m).profile for m in done if m.name == name):
            parts.append(_of(name, profile, [m for m in done if _is(m, name, profile)]))
    parts.append("\n".join(wrapped(line) for line in legend(done, isa)))
    return "\n\n".join(parts)


def _edge(m: Measurement) -> EdgeFacts:
    assert m.edge is not None
    return m.edge


def _is(m: Measurement, name: str, profile: str) -> bool:
    return (m.name, _edge(m).profile) == (name, profile)


def precision(m: Measurement) -> str:
    """Return how the file's numbers are kept."""
    found = _kind(m)
    return found if DTYPES[found] == found else f"int8 {found}"


def _kind(m: Measurement) -> str:
    return str(m.runtime_options.get(QUANTISED, "float32"))


def _of(name: str, profile: str, rows: Sequence[Measurement]) -> str:
    edge = _edge(rows[0])
    bound = f", p90 within {duration(edge.latency_bound_s)}" if edge.latency_bound_s else ""
    head = (
        f"{name} as on {profile}: {edge.threads} threads, a model in"
        f" {size(edge.memory_limit_bytes)}{bound}"
    )
    if any(m.status == "ok" for m in rows):
        head += "; measured on this machine"
    best = _best(rows)
    rows = sorted(rows, key=lambda m: (PRECISIONS.index(_kind(m)), m.runtime))
    several = len({m.runtime for m in rows}) > 1
    lines = [wrapped(head), _measured(rows, best, several)]
    lines += [
        wrapped(f"{_what(m, several)}: {m.reason}") for m in rows if m.status != "ok" and m.reason
    ]
    lines += [wrapped(f"{_what(m, several)}: {_operators(m)}") for m in rows if _edge(m).operators]
    made = sorted(rows, key=lambda m: _edge(m).model is not None)
    by_kind = {_kind(m): m for m in made}  # the device is the same by any runtime
    once = [by_kind[kind] for kind in PRECISIONS if kind in by_kind]
    if any((d := _edge(m).on_device) and not d.basis.startswith(BASIS) for m in rows):
        once = rows  # its record tells of each runtime
    minutes = sustained_view.text(rows, {m.id: _what(m, several) for m in rows})
    lines += [minutes] if minutes else []
    projected = [(m, d) for m in once if (d := _edge(m).on_device) is not None]
    if projected:
        told, apart = projected[0][1], once is rows and several
        shown = [_device_row(_what(m, apart), d) for m, d in projected]
        lines.append(table(_DEVICE_COLUMNS, shown))
        lines += [
            wrapped(f"{told.device}: {basis} ({told.source})")
            for basis in dict.fromkeys(d.basis for _, d in projected)
        ]
        lost = [(precision(m), d.flight_lost_frac) for m, d in projected]
        said = [f"{kind} {_share(band)}" for kind, band in lost if band is not None]
        if said:
            rate = f"{told.rate_per_s:g}/s"
            lines.append(wrapped(f"flight time lost at {rate}: {', '.join(said)}"))
    lines += [
        wrapped(f"{precision(m)} on the device: {why}")
        for m in once
        if (why := _edge(m).no_device) is not None
    ]
    return "\n".join(lines)


def fits(m: Measurement) -> bool | None:
    """Return whether a case keeps to its memory and bound; None where the latency has no p90."""
    if m.status != "ok":  # whatever else kept it from being visited says nothing of it
        return False if (m.reason or "").startswith((TOO_LARGE, NO_PROCESS)) else None
    edge = _edge(m)
    taken, p90 = edge.model_memory_bytes, m.latency_s.get("p90")
    if taken is not None and taken > edge.memory_limit_bytes:
        return False
    if edge.latency_bound_s is None:
        return True
    if m.sustained is not None and m.sustained.last_s.point > edge.latency_bound_s:
        return False
    return None if p90 is None else p90 <= edge.latency_bound_s


def able(m: Measurement) -> str:
    """Return whether a case fits, in a word."""
    unknown = "p90 unknown" if m.status == "ok" else NOTHING
    return {True: "yes", False: "no", None: unknown}[fits(m)]


def _best(rows: Sequence[Measurement]) -> set[str]:
    """Return the ids that no other beats in latency, memory and error together.

    One that lacks a figure is not compared.
    """
    found = pareto([_figures(m) for m in rows])
    return {m.id for m, best in zip(rows, found, strict=True) if best}


def _figures(m: Measurement) -> tuple[float | None, float | None, float | None]:
    edge = _edge(m)
    if m.status != "ok" or edge.model is None:
        return None, None, None
    error = edge.model.agreement.error_frac if edge.model.agreement else None
    if edge.model.precision == "float32":
        error = 0.0  # it is what the others are held to
    return m.wall_s.point if m.wall_s else None, edge.model_memory_bytes, error


def _measured(rows: Sequence[Measurement], best: set[str], several: bool) -> str:
    """Return the table, without energy where no meter told any."""
    columns, cells = list(_COLUMNS), [list(_row(m, m.id in best, several)) for m in rows]
    if any(m.energy_j is not None for m in rows):
        return table(columns, cells)
    at = columns.index("energy")
    shown = table([c for c in columns if c != "energy"], [r[:at] + r[at + 1 :] for r in cells])
    why = next((m.energy_reason for m in rows if m.status == "ok" and m.energy_reason), None)
    return shown if why is None else f"{shown}\n{wrapped(f'energy: null: {why}')}"


def _operators(m: Measurement) -> str:
    """Return the operators that take the most, those of other providers by their name."""
    found = _edge(m).operators
    told = [
        f"{o.operator} {o.share_frac:.0%}"
        + ("" if o.provider == "CPUExecutionProvider" else f" ({o.provider})")
        for o in found[:OPERATORS]
    ]
    rest = 1 - sum(o.share_frac for o in found[:OPERATORS])
    return ", ".join(told) + (f", the rest {rest:.0%}" if rest > 0.005 else "")


def _what(m: Measurement, several: bool) -> str:
    return f"{precision(m)}, {m.runtime}" if several else precision(m)


def _row(m: Measurement, best: bool, several: bool) -> tuple[str, ...]:
    edge = _edge(m)
    latency = [m.latency_s.get(p) for p in ("p50", "p90")]
    p50, p90 = (NOTHING if v is None else duration(v) for v in latency)
    energy = NOTHING if m.energy_j is None else f"{digits(m.energy_j.point)} J"
    return (
        "*" if best else "",
        _what(m, several),
        p50,
        "" if m.wall_s is None else half_width(m.wall_s.low, m.wall_s.high, m.wall_s.point),
        p90,
        NOTHING if edge.model_memory_bytes is None else size(edge.model_memory_bytes),
        NOTHING if edge.model is None else size(edge.model.model_bytes),
        energy,
        agrees(m),
        able(m),
    )


def agrees(m: Measurement) -> str:
    """Return how int8 agrees with float32: in accuracy, in the first class, or by its error."""
    model = _edge(m).model
    if model is None or model.agreement is None:
        return NOTHING
    found = model.agreement
    if found.accuracy_frac is not None and found.float32_accuracy_frac is not None:
        change = 100 * (found.accuracy_frac.point - found.float32_accuracy_frac.point)
        p = f", p {found.mcnemar_p:.2g}" if found.mcnemar_p is not None else ""
        return f"{_within(found.accuracy_frac)} right ({change:+.1f}{p})"
    if found.top1_frac is not None:
        return f"{_within(found.top1_frac)} alike"
    return f"error {found.error_frac:.1%}"


def _within(share: Share) -> str:
    return f"{share.point:.0%} ({share.low:.0%} to {share.high:.0%})"


def _device_row(name: str, d: OnDevice) -> tuple[str, ...]:
    battery = NOTHING if d.battery_h is None else _hours(d.battery_h)
    return (
        name,
        f"{duration(d.latency_s.low)} to {duration(d.latency_s.high)}",
        NOTHING
        if d.energy_j is None
        else f"{count(per_wh(d.energy_j.high))} to {count(per_wh(d.energy_j.low))}",
        f"{d.rate_per_s:g}/s: {_held(d.keeps_up_frac)}",
        battery,
    )


def _held(share: float) -> str:
    return "yes" if share >= 1 else "no" if share <= 0 else f"{share:.0%} likely"


def _hours(band: Band) -> str:
    ends = [duration(h * S_PER_H) for h in (band.low, band.high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _share(band: Band) -> str:
    low, high = f"{band.low:.0%}", f"{band.high:.0%}"
    return low if low == high else f"{low} to {high}"


def _slow_dynamic(done: Sequence[Measurement]) -> bool:
    """Return whether dynamic int8 is slower than float32 in some profile."""
    times = {
        (_edge(m).profile, m.name, _kind(m)): m.wall_s.low
        for m in done
        if m.wall_s and m.runtime == "onnxruntime"
    }
    return any(
        low > times.get((profile, name, "float32"), low)
        for (profile, name, kind), low in times.items()
        if kind == "dynamic"
    )


def legend(done: Sequence[Measurement], isa: Sequence[str]) -> list[str]:
    """Return what must be known to read the table, a paragraph each."""
    models = [e.model for m in done if (e := m.edge) is not None and e.model is not None]
    lines = [
        "*: no other is as good in latency, memory and error; ±: half the interval of the median;"
        " memory: at the peak, beside the runtime's library; agree: with float32 on the same inputs"
    ]
    reasons = dict.fromkeys(x.agreement.reason for x in models if x.agreement)
    lines += [f"agree: {why}" for why in reasons if why is not None]
    judged = sorted({x.agreement.items for x in models if x.agreement})
    if judged:
        lines.append(f"compared with float32 on {' and '.join(map(str, judged))} items")
    said = dict.fromkeys(
        f"static int8 is calibrated on {x.calibration_items} of {x.calibration}"
        for x in models
        if x.calibration
    )
    lines += said
    if _slow_dynamic(done):
        lines.append(
            "int8 dynamic is slower than float32 by onnxruntime, which has no quick convolutions in"
            " it; it is for products, as of transformers"
        )
    if any(DTYPES[x.precision] == "int8" for x in models):
        found = [i for i in BYTE_PRODUCTS if i in isa]
        lines.append(
            f"int8 here: this processor multiplies bytes ({', '.join(found)})"
            if found
            else "int8 here: this processor has no instruction that multiplies bytes (VNNI, AMX,"
            " ARM dot products): int8 saves memory and seldom time; a device with one is quicker"
        )
    return lines
