"""The columns of the table of cases that records make: what `--where` names and `export` writes.

Each is an SQL expression over a record `r` and one of its measurements `m`, as DuckDB reads them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column; `public` ones are written by `export` and may stand in `--where`."""

    name: str
    sql: str
    what: str
    public: bool = True


def _band(name: str, what: str, of: str, *, level: bool = False) -> list[Column]:
    """Return a figure with its interval."""
    ends = ["point", "low", "high", *(["level"] if level else [])]
    said = {"point": what, "low": "its interval", "high": "", "level": "of that interval"}
    stem, _, unit = name.partition("_per_")
    stem, unit = (stem, f"per_{unit}") if unit else name.rsplit("_", 1)
    return [
        Column(
            name={"point": name, "level": f"{stem}_level"}.get(e, f"{stem}_{e}_{unit}"),
            sql=f"{of}.{e}",
            what=said[e],
        )
        for e in ends
    ]


COLUMNS: tuple[Column, ...] = (
    Column(name="file", sql="parse_filename(r.path)", what="the name of the record's file"),
    Column(name="record", sql="r.id", what="the record's id"),
    Column(name="created_utc", sql="r.created_utc", what="when its run began, ISO 8601"),
    Column(name="hwbench_version", sql="r.hwbench_version", what="that made it"),
    Column(name="profile", sql="r.profile", what="smoke, quick, standard, full"),
    Column(name="hostname", sql="r.environment.hostname", what="hashed, unless --hostname"),
    Column(name="os", sql="r.environment.os", what="the operating system"),
    Column(name="cpu", sql="r.environment.cpu.model", what="the model of the processor"),
    Column(name="cores", sql="r.environment.cpu.cores", what="of the processor"),
    Column(name="memory_bytes", sql="r.environment.memory_bytes", what="of the machine"),
    Column(name="instance", sql="r.environment.cloud_instance", what="of a cloud"),
    Column(name="threads", sql="r.protocol.threads", what="that a case had"),
    Column(
        name="device_model",
        sql="list_filter(r.devices, lambda d: d.name = m.device)[1].model",
        what="of the case's device",
    ),
    Column(name="id", sql="m.id", what="of the case"),
    Column(name="kind", sql="m.kind", what="kernel, workload"),
    Column(name="name", sql="m.name", what="of the kernel or workload"),
    Column(name="version", sql="m.version", what="of the kernel or workload"),
    Column(name="phase", sql="m.phase", what="forward, backward; inference, training"),
    Column(name="scenario", sql="m.scenario", what="hot, cold; offline, train_step, ..."),
    Column(name="runtime", sql="m.runtime", what="torch, jax, onnxruntime, ..."),
    Column(name="device", sql="m.device", what="cpu, cuda:0, ..."),
    Column(name="dtype", sql="m.dtype", what="float32, bfloat16, ..."),
    Column(name="batch_size", sql="m.batch_size", what="of a workload"),
    Column(
        name="shape",
        sql="list_aggregate(list_transform(map_entries(m.shape),"
        " lambda e: e.key || '=' || e.value), 'string_agg', ',')",
        what="m=1024,n=1024",
    ),
    Column(
        name="options",
        sql="list_aggregate(list_transform(list_sort(map_entries(m.runtime_options)),"
        " lambda e: e.key || '=' || e.value), 'string_agg', ',')",
        what="that differ from the default",
    ),
    Column(name="status", sql="m.status", what="ok, skipped, failed"),
    Column(name="reason", sql="m.reason", what="why it is not ok"),
    Column(name="verdict", sql="m.verdict", what="valid, noisy, throttled, drifting, implausible"),
    Column(
        name="warnings",
        sql="list_aggregate(list_transform(m.warnings,"
        " lambda w: w.code || ': ' || w.message), 'string_agg', '; ')",
        what="what a reader must know of it",
    ),
    Column(name="visits", sql="m.visits.done", what="that were made"),
    Column(name="samples", sql="len(m.samples)", what="that were taken"),
    *_band("wall_s", "seconds an iteration: the median now", "m.wall_s", level=True),
    Column(name="wall_mean_s", sql="m.wall_s.mean", what="their mean"),
    Column(
        name="wall_later_low_s",
        sql="m.wall_s.predictive.low",
        what="where the mean of a later stretch will lie",
    ),
    Column(name="wall_later_high_s", sql="m.wall_s.predictive.high", what=""),
    Column(name="latency_p50_s", sql="m.latency_s['p50']", what="of single inferences"),
    Column(name="latency_p90_s", sql="m.latency_s['p90']", what=""),
    Column(name="latency_p99_s", sql="m.latency_s['p99']", what="empty where too few were timed"),
    Column(name="setup_s", sql="m.setup_s", what="building the program"),
    Column(name="first_iteration_s", sql="m.first_iteration_s", what="compilation is in it"),
    Column(name="items", sql="m.work.items_per_iteration", what="of an iteration"),
    Column(name="flops", sql="m.work.flops_per_iteration", what="of an iteration, by formula"),
    Column(name="bytes", sql="m.work.bytes_per_iteration", what="that it must move"),
    Column(name="parameters", sql="m.work.parameters", what="of the workload"),
    *_band("items_per_s", "throughput", "m.items_per_s"),
    *_band("flops_per_s", "achieved", "m.flops_per_s"),
    *_band("bytes_per_s", "achieved", "m.bytes_per_s"),
    *_band("energy_j", "joules an iteration", "m.energy_j", level=True),
    Column(name="energy_measured", sql="m.energy_j.measured", what="false: modelled in part"),
    Column(
        name="energy_parts",
        sql="list_aggregate(m.energy_j.parts, 'string_agg', '+')",
        what="the domains that are added up",
    ),
    Column(name="energy_reason", sql="m.energy_reason", what="why there is none"),
    Column(name="power_w", sql="m.power_w.point", what="mean power"),
    Column(name="memory_peak_host_bytes", sql="m.memory_peak_bytes.host", what="of its process"),
    Column(name="memory_peak_device_bytes", sql="m.memory_peak_bytes.device", what="of its device"),
    # What `compare` needs beside them.
    Column(name="path", sql="r.path", what="of the record's file, whole", public=False),
    Column(name="place", sql="r.place", what="of the case in its record", public=False),
    Column(name="schema", sql="r.schema", what="", public=False),
    Column(name="against", sql="r.protocol.against", what="", public=False),
    Column(
        name="last_model",
        sql="list_filter(r.devices, lambda d: d.model is not null)[-1].model",
        what="",
        public=False,
    ),
    Column(name="warning", sql="m.warnings[1].message", what="the first", public=False),
    Column(name="hours_low_s", sql="m.wall_s.predictive.hours.low", what="", public=False),
    Column(name="hours_high_s", sql="m.wall_s.predictive.hours.high", what="", public=False),
    Column(name="hours_level", sql="m.wall_s.predictive.hours.level", what="", public=False),
    Column(
        name="rounds_s",
        # The median of each round, of the samples that nothing disturbed, of all in need.
        sql="list_transform(list_sort(list_distinct(list_transform(m.samples, lambda s: s.round))),"
        " lambda n: coalesce("
        "list_median(list_transform(list_filter(m.samples, lambda s: s.round = n"
        " and s.disturbed is null), lambda s: s.wall_s / s.loops)),"
        " list_median(list_transform(list_filter(m.samples, lambda s: s.round = n),"
        " lambda s: s.wall_s / s.loops))))",
        what="",
        public=False,
    ),
)

_BAND = "STRUCT(point DOUBLE, low DOUBLE, high DOUBLE)"
_MEASUREMENT = {
    "id": "VARCHAR", "kind": "VARCHAR", "name": "VARCHAR", "version": "BIGINT",
    "phase": "VARCHAR", "scenario": "VARCHAR", "runtime": "VARCHAR", "device": "VARCHAR",
    "dtype": "VARCHAR", "batch_size": "BIGINT", "shape": "MAP(VARCHAR, VARCHAR)",
    "runtime_options": "MAP(VARCHAR, VARCHAR)", "status": "VARCHAR", "reason": "VARCHAR",
    "verdict": "VARCHAR", "warnings": "STRUCT(code VARCHAR, message VARCHAR)[]",
    "visits": "STRUCT(done BIGINT)", "setup_s": "DOUBLE", "first_iteration_s": "DOUBLE",
    "samples": "STRUCT(loops BIGINT, wall_s DOUBLE, round BIGINT, disturbed VARCHAR)[]",
    "wall_s": "STRUCT(point DOUBLE, low DOUBLE, high DOUBLE, level DOUBLE, mean DOUBLE,"
    " predictive STRUCT(low DOUBLE, high DOUBLE,"
    " hours STRUCT(low DOUBLE, high DOUBLE, level DOUBLE)))",
    "latency_s": "MAP(VARCHAR, DOUBLE)",
    "work": "STRUCT(items_per_iteration BIGINT, flops_per_iteration BIGINT,"
    " bytes_per_iteration BIGINT, parameters BIGINT)",
    "items_per_s": _BAND, "flops_per_s": _BAND, "bytes_per_s": _BAND,
    "energy_j": "STRUCT(point DOUBLE, low DOUBLE, high DOUBLE, level DOUBLE, measured BOOLEAN,"
    " parts VARCHAR[])",
    "energy_reason": "VARCHAR", "power_w": "STRUCT(point DOUBLE)",
    "memory_peak_bytes": "STRUCT(host BIGINT, device BIGINT)",
}  # fmt: skip
# What is read of a record's JSON; the rest is passed over.
READ = {
    "schema": "VARCHAR", "id": "VARCHAR", "created_utc": "VARCHAR", "hwbench_version": "VARCHAR",
    "profile": "VARCHAR",
    "environment": "STRUCT(hostname VARCHAR, os VARCHAR, memory_bytes BIGINT,"
    " cloud_instance VARCHAR, cpu STRUCT(model VARCHAR, cores BIGINT))",
    "protocol": "STRUCT(threads BIGINT, against VARCHAR)",
    "devices": "STRUCT(name VARCHAR, model VARCHAR)[]",
    "measurements": f"STRUCT({', '.join(f'{k} {v}' for k, v in _MEASUREMENT.items())})[]",
}  # fmt: skip


def public() -> tuple[str, ...]:
    """Return the names of the columns that a user sees."""
    return tuple(c.name for c in COLUMNS if c.public)
