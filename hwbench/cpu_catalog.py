"""How much of a processor this machine has, and its TDP: by the catalogue, or as it was given."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache

from hwbench import registry
from hwbench.cpu_power import CpuPower
from hwbench.device import Environment


@dataclass(frozen=True, kw_only=True)
class CpuRow:
    """One processor of the catalogue: `tdp_w`, `cores` and `threads` are of one socket."""

    name: str
    words: tuple[str, ...]
    tdp_w: float
    cores: int
    threads: int
    source: str
    date: date
    confidence: str

    def is_named(self, model: str) -> bool:
        """Return whether a model's name holds all the words, each whole."""
        plain = re.sub(r"\((?:R|TM)\)", "", model, flags=re.I)
        wanted = (rf"(?<![\w+-]){re.escape(word)}(?![\w+-])" for word in self.words)
        return all(re.search(w, plain, re.I) for w in wanted)


@cache
def rows() -> tuple[CpuRow, ...]:
    """Return the processors of the catalogue."""
    text = (registry.PACKAGE / "catalog" / "devices.toml").read_text(encoding="utf-8")
    found: Iterable[dict[str, object]] = tomllib.loads(text)["cpu"]
    return tuple(CpuRow(**{**r, "words": tuple(r["words"])}) for r in found)  # type: ignore[arg-type]


def lookup(environment: Environment, tdp_w: float | None) -> tuple[CpuPower | None, str | None]:
    """Return what a model of this machine's processor goes by, or None with the reason.

    `tdp_w` (`--cpu-tdp`) is of the share that this machine has, and wins.
    """
    cpu = environment.cpu
    if tdp_w is not None:
        basis = f"TDP {tdp_w:g} W as given (--cpu-tdp)"
        return CpuPower(tdp_w=tdp_w, threads=cpu.threads, basis=basis), None
    row = next((r for r in rows() if cpu.model and r.is_named(cpu.model)), None)
    if row is None:
        named = f"{cpu.model!r}" if cpu.model else "that tells no name"
        return None, f"the catalogue has no processor {named}: its TDP is not known"
    share, how = _share(environment, row)
    basis = (
        f"TDP {row.tdp_w:g} W of the {row.name} ({row.source}, {row.date}, confidence"
        f" {row.confidence}), {how}"
    )
    return CpuPower(tdp_w=row.tdp_w * share, threads=cpu.threads, basis=basis), None


def _share(environment: Environment, row: CpuRow) -> tuple[float, str]:
    """Return how many sockets' worth this machine has, and in words how that was counted.

    A virtual machine's CPU is a thread on most clouds; some give whole cores, which look the same
    from inside. A real machine whose cores have one thread each has the others switched off.
    """
    cpu = environment.cpu
    single = cpu.cores == cpu.threads and row.threads > row.cores
    if single and not environment.virtualised:
        return cpu.cores / row.cores, f"{cpu.cores} of its {row.cores} cores"
    note = " (each virtual CPU taken for a thread)" if single else ""
    return cpu.threads / row.threads, f"{cpu.threads} of its {row.threads} threads{note}"
