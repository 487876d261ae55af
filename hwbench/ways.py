"""What a row's figures are made of: the time of its parts, its power, its price, their spreads."""

from dataclasses import dataclass
from typing import Literal

from hwbench.estimate_figures import Assumption
from hwbench.estimated import Basis
from hwbench.montecarlo import Factor

# serial: a step waits for its batch; shared: workers decode beside it, on the same cores;
# beside: on cores that the step, on an accelerator, leaves free.
Overlap = Literal["serial", "shared", "beside"]


@dataclass(frozen=True, kw_only=True)
class LoaderTerm:
    """How long an item takes the loader: wall seconds with all its workers, and core-seconds."""

    item_s: float
    item_cpu_s: float
    overlap: Overlap
    cores: float
    step_cores: float  # that a step keeps busy; 0 on an accelerator
    factors: tuple[Factor, ...]


@dataclass(frozen=True, kw_only=True)
class PeakTerm:
    """The dense peak of one device in the step's number format; None: `source` says why."""

    flops_per_s: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class PowerTerm:
    """Watts of the machine while it steps and while it does not, as far as it is metered."""

    active_w: float
    idle_w: float
    peak_w: float | None
    factors: tuple[Factor, ...]
    measured: bool
    covers: str


@dataclass(frozen=True, kw_only=True)
class Ways:
    """A machine that the plan can be carried out on; times are of one device's batch."""

    name: str
    provider: str | None
    devices: tuple[str, ...]
    basis: Basis
    batch_size: int  # a device
    step_s: float
    step_factors: tuple[Factor, ...]
    floor: Factor  # of extrapolating at all, whatever the step
    loader: LoaderTerm | None
    setup_s: float
    compile_s: float
    start_factors: tuple[Factor, ...]
    evaluation_item_s: float  # the forward pass of one item on one device
    checkpoint_bytes: float
    write_bytes_per_s: float
    read_bytes_per_s: float | None  # of the disk, for the first time; None: not in the time
    io_factors: tuple[Factor, ...]
    memory_bytes: float | None  # of the host, which keeps files once read
    power: PowerTerm | None
    no_power: str | None
    room_bytes: float | None  # of the memory of one device that trains
    fits_memory: bool | None
    assumptions: tuple[Assumption, ...]
    peak: PeakTerm
    shards: int = 1  # that weights, gradients and moments are divided over
    warnings: tuple[str, ...] = ()
