"""The contract of a meter: a source of joules. This version finds meters; it reads none yet.

A plug-in is one file in `hwbench/meters/` that exports `METER = Meter(...)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwbench.probed import MeterFacts


@dataclass(frozen=True, kw_only=True)
class Meter:
    """`probe()` says whether the meter can be used here, and if not why and what would help."""

    name: str
    summary: str
    probe: Callable[[], MeterFacts]
