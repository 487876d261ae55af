"""Facts about devices and the machine they are in. Unknown is None."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Device:
    """One piece of silicon as a record lists it: `name` is `cpu`, `cuda:0`, `mps`."""

    name: str
    kind: str  # cpu | cuda | rocm | mps | xpu
    index: int
    model: str | None = None  # the maker's name for it
    memory_bytes: int | None = None
    driver: str | None = None
    power_limit_w: float | None = None
    compute_capability: str | None = None
    mig: bool | None = None
    other_processes: int | None = None  # foreign processes that hold memory on it
    datasheet: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """The processor. `cores` and `threads` are those that this process may use."""

    model: str | None
    cores: int
    threads: int
    isa: tuple[str, ...]
    base_hz: float | None = None
    governor: str | None = None
    cache_bytes: int | None = None  # the last level


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the record says of the machine and the software. `hostname` is hashed unless asked."""

    hostname: str
    machine_id: str  # the same for the same machine, tells nothing else
    os: str
    kernel: str
    python: str
    packages: dict[str, str]
    cpu: Cpu
    memory_bytes: int | None
    container: str | None = None
    virtualised: str | None = None
    load_1m: float | None = None
    cloud_instance: str | None = None
    git: str | None = None  # the commit of a checkout, `+` behind it if it was changed
    settings: dict[str, str] = field(default_factory=dict)  # thread counts and the like
