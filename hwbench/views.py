"""What a plan, a record, the end of a run and the doctor's findings look like as text."""

from collections.abc import Sequence

from hwbench import depth_view, edge_view, loader_view, registry, sustained_view
from hwbench.case import SIDE, shown
from hwbench.device import Device
from hwbench.doctor import Findings
from hwbench.energy_views import energies
from hwbench.measurement import Measurement, Record
from hwbench.planning import Plan
from hwbench.render import (
    NOTHING,
    count,
    gib,
    half_width,
    prefixed,
    seconds,
    spread,
    table,
    wrapped,
)
from hwbench.run_outcome import Outcome
from hwbench.scenario_views import scenarios

_PHASES = {"forward": "fwd", "backward": "bwd"}
# What a mark behind a row means; the record says it in full.
_MARKS = {
    "noisy": ("n", "noisy"),
    "drifting": ("d", "drifting"),
    "throttled": ("t", "throttled"),
    "implausible": ("!", "implausible"),
    "partial": ("p", "fewer visits than planned"),
    "disturbed": ("o", "others used the machine meanwhile"),
    "meters_disagree": ("m", "two meters disagree"),
}

_NETWORK_COLUMNS = ("workload", "runtime", "infer/s", "±", "best", "train/s", "±", "best", "")
_KERNEL_COLUMNS = ("kernel", "", "runtime", "time", "±", "FLOP/s", "best", "B/s", "")


def plan(value: Plan) -> str:
    """Return the cases that a run would visit, and the expected time."""
    lines = [p.case.id + (f"   skipped: {p.skip}" if p.skip else "") for p in value.cases]
    n, rounds = len(value.runnable), value.protocol.rounds
    lines.append("")
    if value.protocol.data is not None:
        lines.append(f"then the trainings by a loop on {value.protocol.data.path}")
    lines.append(
        f"{n} cases x {rounds} visits, about {seconds(value.expected_s)}"
        " (from assumed speeds; the first run also makes references and ONNX exports)"
    )
    if value.protocol.sustained is not None:
        minutes = seconds(value.protocol.sustained.seconds)
        lines.append(f"then each network for {minutes} without a pause")
    terms = value.protocol.energy
    if terms is None:
        lines.append(f"energy: none: {value.protocol.no_energy}")
    else:
        lines.append(
            f"then their energy by {', '.join(terms.meters)}: {terms.windows} x"
            f" {seconds(terms.window_s)} each, the {' and '.join(terms.kinds)} cases"
        )
    return "\n".join(lines)


def record(value: Record) -> str:
    """Return the tables of a record, one pair for each device and dtype, and what did not run."""
    whole = [m for m in value.measurements if m.status == "ok"]
    edges = [m for m in value.measurements if m.edge is not None]
    if edges:
        return edge_view.text(edges, value.environment.cpu.isa)
    done = [m for m in whole if SIDE not in m.runtime_options]
    parts = []
    for device, dtype in dict.fromkeys((m.device, m.dtype) for m in done):
        here = [m for m in done if (m.device, m.dtype) == (device, dtype)]
        best = max((m.flops_per_s.point for m in here if m.flops_per_s), default=0.0)
        parts.append(f"{device}, {dtype}: best {prefixed(best, 'FLOP/s')}")
        networks = [m for m in here if m.kind == "workload" and m.serving is None]
        if networks:
            parts.append(table(_NETWORK_COLUMNS, _network_rows(networks, best)))
        kernels = [_kernel_row(m, best) for m in here if m.kind == "kernel"]
        if kernels:
            parts.append(table(_KERNEL_COLUMNS, kernels))
        served = [(m, "".join(sorted(c for c, _ in _marks(m)))) for m in here if m.serving]
        if served:
            parts.append(scenarios(served))
    if done:
        parts.append(_legend(done))
        parts.append(energies(done))
    parts.append(depth_view.text(value.depth_fits))
    parts.append(sustained_view.text(done, {m.id: _named(m) for m in done}))
    parts += [_on_data(m) for m in done if m.loader or m.loader_reason]
    found = [f"{m.name} {m.phase} {m.runtime}: {m.batch.message}" for m in done if m.batch]
    if found:
        parts.append("\n".join(["--batch-size auto:", *found]))
    others = [f"{m.status}: {m.id}\n  {m.reason}" for m in value.measurements if m.status != "ok"]
    if others:
        parts.append("\n".join(others))
    return "\n\n".join(filter(None, parts))


def _named(m: Measurement) -> str:
    way = shown(m.runtime_options)
    phase = "infer" if m.phase == "inference" else "train"
    return f"{m.name} b{m.batch_size}{way}, {m.runtime}, {phase}"


def _on_data(m: Measurement) -> str:
    """Return a training on the user's data beside the same on made inputs."""
    head = f"{m.name} b{m.batch_size}, {m.runtime}, on --data"
    if m.loader is None:
        return wrapped(f"{head}: {m.loader_reason}")
    return f"{head}:\n{loader_view.text(m.loader)}"


def _legend(done: Sequence[Measurement]) -> str:
    """Say what the columns and the marks mean."""
    said = {code: name for m in done for code, name in _marks(m)}
    marks = "; ".join(f"{code} = {name}" for code, name in said.items())
    lines = [f"marks: {marks}"] if marks else []
    if any(m.serving is None for m in done):
        lines.insert(
            0,
            "/s: items per second; ±: half the interval of the median now (95 % from 5 visits on);"
            "\nbest: FLOP/s as a share of the best seen on that device in that dtype",
        )
    return "\n".join(lines)


def _network_rows(networks: Sequence[Measurement], best: float) -> list[tuple[str, ...]]:
    """Put inference and training of the same network side by side."""
    pairs: dict[tuple[str, str], dict[str, Measurement]] = {}
    for m in networks:
        way = shown(m.runtime_options)
        key = (f"{m.name} b{m.batch_size}{way}", m.runtime)
        pairs.setdefault(key, {})[m.phase] = m
    rows: list[tuple[str, ...]] = []
    for key, halves_of in sorted(pairs.items(), key=lambda item: item[0]):
        halves = [halves_of.get(phase) for phase in ("inference", "training")]
        cells = [cell for m in halves for cell in _rate(m, best)]
        codes = {code for m in halves if m for code, _ in _marks(m)}
        rows.append((*key, *cells, "".join(sorted(codes))))
    return rows


def _rate(m: Measurement | None, best: float) -> tuple[str, str, str]:
    if m is None or m.items_per_s is None:
        return NOTHING, "", ""
    return count(m.items_per_s.point), spread(m.items_per_s), _share(m, best)


def _kernel_row(m: Measurement, best: float) -> tuple[str, ...]:
    wall = m.wall_s
    return (
        f"{m.name} {_size(m)}" + (" cold" if m.scenario == "cold" else ""),
        _PHASES.get(m.phase, m.phase),
        m.runtime,
        seconds(wall.point if wall else None),
        half_width(wall.low, wall.high, wall.point) if wall else "",
        prefixed(m.flops_per_s.point if m.flops_per_s else None, ""),
        _share(m, best),
        prefixed(m.bytes_per_s.point if m.bytes_per_s else None, ""),
        "".join(sorted(code for code, _ in _marks(m))),
    )


def _size(m: Measurement) -> str:
    """Return the label of the kernel's shape, or its numbers if this version has no such one."""
    known = registry.kernels().items.get(m.name)
    labels = {tuple(s.items()): label for label, s in known.shapes.items()} if known else {}
    return labels.get(tuple(m.shape.items())) or ",".join(str(v) for v in m.shape.values())


def _share(m: Measurement, best: float) -> str:
    return f"{m.flops_per_s.point / best:.0%}" if m.flops_per_s and best else NOTHING


def _marks(m: Measurement) -> list[tuple[str, str]]:
    """Return the marks of a row: its verdict unless valid, and its grave warnings."""
    found = [m.verdict or "", *(w.code for w in m.warnings)]
    return [_MARKS[code] for code in dict.fromkeys(found) if code in _MARKS]


def ending(outcome: Outcome) -> str:
    """Return how the run ended, where the record is, and what to do next."""
    measurements = outcome.record.measurements
    counts = {s: sum(m.status == s for m in measurements) for s in ("ok", "failed", "skipped")}
    said = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
    lines = [f"record: {outcome.path}  ({said}; {seconds(outcome.record.duration_s)})"]
    if outcome.record.protocol.against is not None:
        lines.append(f"the two sides: hwbench compare {outcome.path}")
    if outcome.message:
        lines.insert(0, f"hwbench: {outcome.message}")
    if outcome.ended in ("interrupted", "storage_full"):
        lines.append(
            f"all finished visits are kept; go on with: hwbench run --resume {outcome.path}"
        )
    elif outcome.ended == "out_of_time":
        lines.append(f"visits left out can be made up: hwbench run --resume {outcome.path}")
    return "\n".join(lines)


def status(outcome: Outcome) -> int:
    """Return the exit status of a run; one that was finished before has nothing to answer for."""
    if outcome.ended == "interrupted":
        return 130
    if outcome.ended == "storage_full":
        return 1
    return 1 if outcome.failed and outcome.visits_made else 0


def findings(value: Findings) -> str:
    """Return the doctor's findings as text."""
    env, cpu = value.environment, value.environment.cpu
    about = [
        ("CPU", f"{cpu.model or 'unknown'}, {cpu.cores} cores, {cpu.threads} threads"),
        ("ISA", " ".join(cpu.isa) or NOTHING),
        ("memory", gib(env.memory_bytes)),
        ("system", f"{env.os}, kernel {env.kernel}, Python {env.python}"),
        ("governor", cpu.governor or "unknown"),
        ("container", env.container or "none seen"),
        ("virtualised", env.virtualised or "no"),
        ("cloud", env.cloud_instance or "none seen"),
        ("load", NOTHING if env.load_1m is None else f"{env.load_1m:.2f}"),
    ]
    parts = [table(("machine", ""), about)]
    parts.append(
        table(("device", "model", "memory", "more"), [_device_row(d) for d in value.devices])
    )
    runtimes = [
        (
            r.name,
            r.version or NOTHING,
            " ".join(r.devices) or NOTHING,
            _details(r.details, r.why_not),
        )
        for r in value.runtimes
    ]
    parts.append(table(("runtime", "version", "devices", "more"), runtimes))
    meters = [
        (m.name, " ".join(m.domains) or NOTHING, "usable" if m.why_not is None else m.why_not)
        for m in value.meters
    ]
    parts.append(table(("meter", "domains", "state"), meters))
    advice = [
        (a.severity, a.topic, f"{a.what}: {a.why}" + (f"\n-> {a.remedy}" if a.remedy else ""))
        for a in value.advice
    ]
    if advice:
        parts.append(table(("advice", "on", "what, why, and what helps"), advice))
    return "\n\n".join(parts)


def _device_row(d: Device) -> tuple[str, ...]:
    more = {
        "driver": d.driver,
        "power limit": None if d.power_limit_w is None else f"{d.power_limit_w:.0f} W",
        "compute capability": d.compute_capability,
        "MIG": None if d.mig is None else ("on" if d.mig else "off"),
        "other processes": None if d.other_processes is None else str(d.other_processes),
    }
    text = ", ".join(f"{k} {v}" for k, v in more.items() if v is not None)
    return d.name, d.model or NOTHING, gib(d.memory_bytes), text or NOTHING


def _details(details: dict[str, str], why_not: str | None) -> str:
    return why_not or ", ".join(f"{k}: {v}" for k, v in details.items()) or NOTHING
