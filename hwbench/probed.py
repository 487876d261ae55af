"""What a probe found out about a meter or a runtime. Unknown is None."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class MeterFacts:
    """A source of joules, and where it cannot be used, `why_not` with the `remedy`."""

    name: str
    domains: tuple[str, ...]  # gpu | cpu | dram | wall
    measured: bool  # False: modelled
    resolution_s: float | None = None
    why_not: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, kw_only=True)
class RuntimeFacts:
    """A runtime as probed: where it is not usable, `why_not` with the line that installs it."""

    name: str
    version: str | None = None
    devices: tuple[str, ...] = ()
    details: dict[str, str] = field(default_factory=dict)
    why_not: str | None = None
    remedy: str | None = None
