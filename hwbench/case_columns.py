"""The columns of the table of cases that records make: what `--where` names and `export` writes.

Each is a function of a record, or of one of its measurements, as `record_shape` reads them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from hwbench import round_medians

if TYPE_CHECKING:  # it needs msgspec, the names of the columns do not
    from hwbench.record_shape import Measured, Read

Sql = Literal["VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DOUBLE[]"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: `record` gives the value of all rows of a record, `case` that of one row."""

    name: str
    what: str
    record: Callable[["Read"], Any] | None = None
    case: Callable[["Measured"], Any] | None = None
    type: Sql = "VARCHAR"


def _of(name: str, what: str, record: Callable[["Read"], Any], type: Sql = "VARCHAR") -> Column:
    return Column(name=name, what=what, record=record, type=type)


def _in(name: str, what: str, case: Callable[["Measured"], Any], type: Sql = "VARCHAR") -> Column:
    return Column(name=name, what=what, case=case, type=type)


def _at(name: str, what: str, place: str, type: Sql = "VARCHAR") -> Column:
    return Column(name=name, what=what, case=attrgetter(place), type=type)


def _band(name: str, what: str, figure: str, *, level: bool = False) -> list[Column]:
    """Return a figure of a measurement with its interval."""
    stem, _, unit = name.partition("_per_")
    stem, unit = (stem, f"per_{unit}") if unit else name.rsplit("_", 1)
    found = [
        _at(name, what, f"{figure}.point", "DOUBLE"),
        _at(f"{stem}_low_{unit}", "its interval", f"{figure}.low", "DOUBLE"),
        _at(f"{stem}_high_{unit}", "", f"{figure}.high", "DOUBLE"),
    ]
    if level:
        found.append(_at(f"{stem}_level", "of that interval", f"{figure}.level", "DOUBLE"))
    return found


def _options(m: "Measured") -> str | None:
    """Return the options as JSON has their values, a text without its quotes."""
    said = {
        k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in m.runtime_options.items()
    }
    return ",".join(f"{k}={v}" for k, v in sorted(said.items())) or None


def _warnings(m: "Measured") -> str | None:
    return "; ".join(f"{w.code}: {w.message}" for w in m.warnings) or None


def _rounds(m: "Measured") -> list[float]:
    """Return the medians by round; a record of before they were kept has its samples."""
    return m.rounds_s or list(round_medians.of(m.samples).values())


PUBLIC: tuple[Column, ...] = (
    _of("file", "the name of the record's file", lambda r: r.path.rpartition("/")[2]),
    _of("record", "the record's id", lambda r: r.id),
    _of("created_utc", "when its run began, ISO 8601", lambda r: r.created_utc),
    _of("hwbench_version", "that made it", lambda r: r.hwbench_version),
    _of("profile", "smoke, quick, standard, full", lambda r: r.profile),
    _of("hostname", "hashed, unless --hostname", lambda r: r.environment.hostname),
    _of("os", "the operating system", lambda r: r.environment.os),
    _of("cpu", "the model of the processor", lambda r: r.environment.cpu.model),
    _of("cores", "of the processor", lambda r: r.environment.cpu.cores, "BIGINT"),
    _of("memory_bytes", "of the machine", lambda r: r.environment.memory_bytes, "BIGINT"),
    _of("instance", "of a cloud", lambda r: r.environment.cloud_instance),
    _of("threads", "that a case had", lambda r: r.protocol.threads, "BIGINT"),
    _at("device_model", "of the case's device", "device_model"),
    _at("id", "of the case", "id"),
    _at("kind", "kernel, workload", "kind"),
    _at("name", "of the kernel or workload", "name"),
    _at("version", "of the kernel or workload", "version", "BIGINT"),
    _at("phase", "forward, backward; inference, training", "phase"),
    _at("scenario", "hot, cold; offline, train_step, ...", "scenario"),
    _at("runtime", "torch, jax, onnxruntime, ...", "runtime"),
    _at("device", "cpu, cuda:0, ...", "device"),
    _at("dtype", "float32, bfloat16, ...", "dtype"),
    _at("batch_size", "of a workload", "batch_size", "BIGINT"),
    _in(
        "shape",
        "m=1024,n=1024",
        lambda m: ",".join(f"{k}={v}" for k, v in m.shape.items()) or None,
    ),
    _in("options", "that differ from the default", _options),
    _at("status", "ok, skipped, failed", "status"),
    _at("reason", "why it is not ok", "reason"),
    _at("verdict", "valid, noisy, throttled, drifting, implausible", "verdict"),
    _in("warnings", "what a reader must know of it", _warnings),
    _at("visits", "that were made", "visits.done", "BIGINT"),
    _in("samples", "that were taken", lambda m: len(m.samples) or m.samples_cut, "BIGINT"),
    *_band("wall_s", "seconds an iteration: the median now", "wall_s", level=True),
    _at("wall_mean_s", "their mean", "wall_s.mean", "DOUBLE"),
    _at(
        "wall_later_low_s",
        "where the mean of a later stretch will lie",
        "wall_s.predictive.low",
        "DOUBLE",
    ),
    _at("wall_later_high_s", "", "wall_s.predictive.high", "DOUBLE"),
    _in("latency_p50_s", "of single inferences", lambda m: m.latency_s.get("p50"), "DOUBLE"),
    _in("latency_p90_s", "", lambda m: m.latency_s.get("p90"), "DOUBLE"),
    _in(
        "latency_p99_s",
        "empty where too few were timed",
        lambda m: m.latency_s.get("p99"),
        "DOUBLE",
    ),
    _at("setup_s", "building the program", "setup_s", "DOUBLE"),
    _at("first_iteration_s", "compilation is in it", "first_iteration_s", "DOUBLE"),
    _at("items", "of an iteration", "work.items_per_iteration", "BIGINT"),
    _at("flops", "of an iteration, by formula", "work.flops_per_iteration", "BIGINT"),
    _at("bytes", "that it must move", "work.bytes_per_iteration", "BIGINT"),
    _at("parameters", "of the workload", "work.parameters", "BIGINT"),
    *_band("items_per_s", "throughput", "items_per_s"),
    *_band("flops_per_s", "achieved", "flops_per_s"),
    *_band("bytes_per_s", "achieved", "bytes_per_s"),
    *_band("energy_j", "joules an iteration", "energy_j", level=True),
    _at(
        "energy_measured",
        "false: modelled in part",
        "energy_j.measured",
        "BOOLEAN",
    ),
    _in(
        "energy_parts",
        "the domains that are added up",
        lambda m: "+".join(getattr(m.energy_j, "parts", ())) or None,
    ),
    _at("energy_reason", "why there is none", "energy_reason"),
    _at("power_w", "mean power", "power_w.point", "DOUBLE"),
    _at(
        "memory_peak_host_bytes",
        "of its process",
        "memory_peak_bytes.host",
        "BIGINT",
    ),
    _at(
        "memory_peak_device_bytes",
        "of its device",
        "memory_peak_bytes.device",
        "BIGINT",
    ),
)
# What `compare` needs beside them.
INNER: tuple[Column, ...] = (
    _of("path", "of the record's file, whole", lambda r: r.path),
    _of("size", "of the file, in bytes", lambda r: r.size, "BIGINT"),
    _of("mtime_ns", "of the file", lambda r: r.mtime_ns, "BIGINT"),
    _at("place", "of the case in its record, from 1", "place", "BIGINT"),
    _of("against", "the other side's name", lambda r: r.protocol.against),
    _of(
        "last_model",
        "of the last device that has one",
        lambda r: next((d.model for d in reversed(r.devices) if d.model), None),
    ),
    _in("warning", "the first", lambda m: m.warnings[0].message if m.warnings else None),
    _at("hours_low_s", "of a mean of hours", "wall_s.predictive.hours.low", "DOUBLE"),
    _at("hours_high_s", "", "wall_s.predictive.hours.high", "DOUBLE"),
    _at("hours_level", "", "wall_s.predictive.hours.level", "DOUBLE"),
    _in("rounds_s", "the median of each round", _rounds, "DOUBLE[]"),
)
COLUMNS = (*PUBLIC, *INNER)


_FIGURES = (
    "wall_s", "items_per_s", "flops_per_s", "bytes_per_s", "energy_j", "power_w",
    "memory_peak_bytes",
)  # fmt: skip
# Stands where there is no figure, so that a column need not ask.
_NOTHING: Any = SimpleNamespace(
    point=None, low=None, high=None, level=None, mean=None, measured=None, parts=(),
    host=None, device=None,
)  # fmt: skip
_NOTHING.predictive = _NOTHING.hours = _NOTHING


def public() -> tuple[str, ...]:
    """Return the names of the columns that a user sees."""
    return tuple(c.name for c in PUBLIC)


def prepare(r: "Read", path: str, size: int, mtime_ns: int) -> None:
    """Tell a record and its cases what is known of them from outside."""
    r.path, r.size, r.mtime_ns = path, size, mtime_ns
    models = {d.name: d.model for d in reversed(r.devices)}
    for place, m in enumerate(r.measurements, 1):
        m.place, m.device_model = place, models.get(m.device)
        for figure in _FIGURES:
            if getattr(m, figure) is None:
                setattr(m, figure, _NOTHING)
        if m.wall_s is not None and m.wall_s.predictive.hours is None:
            m.wall_s.predictive.hours = _NOTHING


def unsound(r: "Read") -> str | None:
    """Return what keeps a record that was read from the table; None where nothing does."""
    if not r.measurements:
        return "holds no case"
    if r.protocol.threads <= 0:
        return "protocol.threads must be above 0"
    return next((why for m in r.measurements if (why := _unsound(m))), None)


def _unsound(m: "Measured") -> str | None:
    wall, joules = m.wall_s, m.energy_j
    hours = wall.predictive.hours if wall else None
    if (m.status == "ok" and wall is None) or (wall is not None and not wall.point > 0):
        return f"{m.id}: wall_s must be above 0"
    if m.rounds_s and not min(m.rounds_s) > 0:
        return f"{m.id}: rounds_s must be above 0"
    if joules is not None and not joules.point >= 0:
        return f"{m.id}: energy_j must be at least 0"
    if wall and hours and not (hours.low > 0 and (wall.predictive.low or 0) > 0):
        return f"{m.id}: wall_s.predictive must be above 0"
    return None
