"""What a maker states of a device: its memory, its bandwidth, its dense peaks, its power."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

SheetKind = Literal["gpu", "tpu", "accelerator", "soc", "edge", "cpu"]
Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, kw_only=True)
class DataSheet:
    """The facts of one device (of one socket, for a processor); None is what is not published.

    Peaks are dense, never the sparse figure of an advertisement, in multiply-adds counted as two,
    by the dtype that a case names: float32 (without tensor cores), tf32, float16 (float32
    accumulation), bfloat16, float8, int8 (operations).
    """

    name: str  # A100-SXM-80GB
    vendor: str
    kind: SheetKind
    year: int
    memory_bytes: int | None = None
    bandwidth_bytes_per_s: float | None = None
    peak_flops_per_s: Mapping[str, float] = field(default_factory=dict)
    tdp_w: float | None = None
    idle_w: float | None = None
    cores: int | None = None  # processors and boards
    trains: bool = True  # False: made for inference alone
    form: str = ""  # SXM5, PCIe card, socket
    source: str
    date: date
    confidence: Confidence
    notes: str = ""
