"""What the table of cases reads of a record's JSON; all else in it is passed over.

msgspec fills these and checks their types. None holds a cycle: the collector need not look.
"""

from typing import Any

from msgspec import Struct


class Cpu(Struct, gc=False):
    """Of the environment."""

    model: str | None = None
    cores: int | None = None


class Environment(Struct, gc=False):
    """Of a record."""

    cpu: Cpu
    hostname: str | None = None
    os: str | None = None
    memory_bytes: int | None = None
    cloud_instance: str | None = None


class Terms(Struct, gc=False):
    """Of the protocol."""

    threads: int
    against: str | None = None


class Device(Struct, gc=False):
    """Of a record."""

    name: str
    model: str | None = None


class Warned(Struct, gc=False):
    """Of a measurement."""

    code: str
    message: str


class Visits(Struct, gc=False):
    """Of a measurement."""

    done: int


class Sample(Struct, gc=False):
    """Of a measurement."""

    loops: int
    wall_s: float
    round: int
    disturbed: str | None = None


class Hours(Struct, gc=False):
    """Where a mean of hours will lie."""

    low: float
    high: float
    level: float


class Ahead(Struct, gc=False):
    """Where a mean of minutes will lie."""

    low: float | None = None
    high: float | None = None
    hours: Hours | None = None


class Wall(Struct, gc=False):
    """Time per iteration."""

    point: float
    low: float
    high: float
    level: float
    mean: float
    predictive: Ahead


class Work(Struct, gc=False):
    """Of an iteration."""

    items_per_iteration: int | None = None
    flops_per_iteration: int | None = None
    bytes_per_iteration: int | None = None
    parameters: int | None = None


class Band(Struct, gc=False):
    """A figure with its interval."""

    point: float
    low: float | None = None
    high: float | None = None


class Energy(Struct, gc=False):
    """Joules per iteration."""

    point: float
    low: float | None = None
    high: float | None = None
    level: float | None = None
    measured: bool | None = None
    parts: list[str] = []


class Power(Struct, gc=False):
    """Of a measurement."""

    point: float


class Memory(Struct, gc=False):
    """Peaks."""

    host: int | None = None
    device: int | None = None


class Measured(Struct, gc=False):
    """A case."""

    id: str
    kind: str
    name: str
    version: int
    phase: str
    scenario: str
    runtime: str
    device: str
    dtype: str
    status: str
    work: Work
    visits: Visits
    shape: dict[str, int]
    runtime_options: dict[str, Any]
    batch_size: int | None = None
    reason: str | None = None
    verdict: str | None = None
    warnings: list[Warned] = []
    setup_s: float | None = None
    first_iteration_s: float | None = None
    rounds_s: list[float] = []
    samples: list[Sample] = []
    samples_cut: int = 0  # how many `record_parts` passed over
    wall_s: Wall | None = None
    latency_s: dict[str, float | None] = {}
    items_per_s: Band | None = None
    flops_per_s: Band | None = None
    bytes_per_s: Band | None = None
    energy_j: Energy | None = None
    energy_reason: str | None = None
    power_w: Power | None = None
    memory_peak_bytes: Memory | None = None
    # Not of the JSON: see `case_columns.prepare`.
    place: int = 0
    device_model: str | None = None


class Read(Struct, gc=False):
    """A record."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    profile: str
    environment: Environment
    protocol: Terms
    devices: list[Device]
    measurements: list[Measured]
    # Not of the JSON.
    path: str = ""
    size: int = 0
    mtime_ns: int = 0
