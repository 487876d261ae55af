"""Edge profiles, and what a measurement under one says: limits, quantisation, the device itself."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path

from hwbench.bounds import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)
from hwbench.errors import UnknownName

EDGE, QUANTISED = "edge", "quantised"  # options of a case
# Of which a file is made from float32's; int8 is as the runtime's own tools make it.
PRECISIONS = ("float32", "float16", "dynamic", "static")
DTYPES = {"float32": "float32", "float16": "float16", "dynamic": "int8", "static": "int8"}
_USUAL = ("float32", "dynamic", "static")
_FILE = Path(__file__).parent / "catalog" / "edge.toml"


@dataclass(frozen=True, kw_only=True)
class EdgeProfile:
    """A small device as a run imitates it, and what is known of the device itself.

    `threads`, `memory_bytes`, `spinning` and `arena` are the conditions of the run here; peaks,
    watts and battery are the device's own, for the projection. Null is what is not known.
    """

    name: str
    summary: str
    device: str
    threads: PositiveInt
    memory_bytes: PositiveInt  # that a model may take, beside the runtime's library
    precisions: tuple[str, ...] = _USUAL
    providers: tuple[str, ...] = ()  # of onnxruntime's, in this order, where its package has one
    spinning: bool = False  # threads that wait burn power
    arena: bool = True  # memory that onnxruntime keeps between runs
    latency_bound_s: PositiveFloat | None = None
    rate_per_s: PositiveFloat = 1.0  # inferences a second that a battery's life is told at
    runs_here: bool = True  # false: no process of a runtime fits it, only sizes are told
    peak_flops_per_s: Mapping[str, float] = field(default_factory=dict)  # dense, by precision
    utilisation_frac: tuple[float, float] | None = None  # of the peak: what networks reach
    depthwise_utilisation_frac: tuple[float, float] | None = None
    idle_w: float | None = None
    load_w: float | None = None
    battery_wh: float | None = None
    hover_w: float | None = None  # a drone's own
    source: str
    date: date


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of items with its interval, 95 %, by Wilson's score (Wilson 1927)."""

    point: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A quantised network against its float32 form on the same inputs.

    `error_frac` is the root mean square of the difference of outputs over that of the outputs.
    Of random weights it is told alone: which class comes first says nothing there.
    """

    items: PositiveInt
    error_frac: NonNegativeFloat
    top1_frac: Share | None  # of the items: the same class comes first
    accuracy_frac: Share | None  # of labelled items
    float32_accuracy_frac: Share | None
    mcnemar_p: Fraction | None  # two-sided, exact: are the two equally often right?
    only_float32_right: NonNegativeInt | None
    only_quantised_right: NonNegativeInt | None
    reason: str | None  # why figures are null


@dataclass(frozen=True, kw_only=True)
class EdgeModel:
    """An ONNX or .tflite file for the edge; `agreement` is null for float32 itself."""

    precision: str
    opset: NonNegativeInt | None  # null: a .tflite file has none, each operator has a version
    model_bytes: PositiveInt
    float32_bytes: PositiveInt
    depthwise_frac: Fraction  # of the convolutions' number that are depthwise
    calibration: str | None  # what activations' ranges are from
    calibration_items: NonNegativeInt
    agreement: Agreement | None


@dataclass(frozen=True, kw_only=True)
class OperatorTime:
    """Operators of a kind in a graph as it runs, optimised: their seconds in an inference."""

    operator: str
    provider: str  # what executes them
    seconds: NonNegativeFloat
    share_frac: Fraction
    calls: PositiveInt


@dataclass(frozen=True, kw_only=True)
class Band:
    """A figure with its interval, 90 %."""

    point: NonNegativeFloat
    low: NonNegativeFloat
    high: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class EdgeSighting:
    """A single inference as it was measured on a device itself."""

    name: str
    version: PositiveInt
    shape: dict[str, int]
    precision: str
    runtime: str
    latency_s: Band


@dataclass(frozen=True, kw_only=True)
class DeviceSightings:
    """What a record that was made on a device says (`--device-record`)."""

    record: str  # its id
    device: str  # the processor, as it calls itself
    cases: tuple[EdgeSighting, ...]


@dataclass(frozen=True, kw_only=True)
class OnDevice:
    """What the device itself would do, by what is published or a record made on one."""

    device: str
    basis: str
    latency_s: Band
    energy_j: Band | None  # of an inference, above the device's idle power
    rate_per_s: PositiveFloat
    keeps_up_frac: Fraction  # of the interval of latencies: that at which the rate can be held
    battery_h: Band | None
    flight_lost_frac: Band | None  # of a drone's flight time
    reason: str | None  # why figures are null
    source: str


@dataclass(frozen=True, kw_only=True)
class EdgeFacts:
    """Of a case under an edge profile: measured on this machine but for `on_device`."""

    profile: str
    threads: PositiveInt
    memory_limit_bytes: PositiveInt
    latency_bound_s: PositiveFloat | None
    model: EdgeModel | None = None
    model_memory_bytes: NonNegativeInt | None = None  # at the peak, beside the runtime's library
    cold_start_s: NonNegativeFloat | None = None  # load, session, first inference
    operators: tuple[OperatorTime, ...] = ()  # the longest first; by runtimes that tell
    on_device: OnDevice | None = None
    no_device: str | None = None


@cache
def profiles() -> Mapping[str, EdgeProfile]:
    """Return the profiles of `catalog/edge.toml` by name, in the order of the file."""
    data = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    found = {}
    for row in data["profile"]:
        for name in ("precisions", "providers", "utilisation_frac", "depthwise_utilisation_frac"):
            if name in row:
                row[name] = tuple(row[name])
        found[row["name"]] = EdgeProfile(**row)
    return found


def profile(name: str) -> EdgeProfile:
    """Return a profile; raise UnknownName with the near ones."""
    if name not in profiles():
        raise UnknownName("edge profile", name, profiles())
    return profiles()[name]
