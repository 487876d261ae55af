"""The power over time of a record's pass for energy, or of a file of `hwbench power`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hwbench.energy import EnergyPass, PowerTrace
from hwbench.measurement import Record
from hwbench.power_record import Phase, PowerRecord
from hwbench.sensor import ChannelFacts

IDLE = "idle"
_SHORT = {"inference": "infer", "training": "train", "forward": "fwd", "backward": "bwd"}


@dataclass(frozen=True, kw_only=True)
class Traced:
    """What there is to draw of one input: channels with their traces, and named phases."""

    title: str
    channels: tuple[ChannelFacts, ...]
    traces: tuple[PowerTrace, ...]
    phases: tuple[Phase, ...]

    def of(self, channel: ChannelFacts) -> tuple[PowerTrace, ...]:
        """Return the traces of one channel, oldest first."""
        found = [t for t in self.traces if t.channel == channel.key]
        return tuple(sorted(found, key=lambda t: t.start_s))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield (time_s, channel, domain, power_w, measured, phase) of every step."""
        for facts in self.channels:
            for trace in self.of(facts):
                for n, watts in enumerate(trace.power_w):
                    at_s = trace.start_s + (n + 0.5) * trace.step_s
                    if watts is not None:
                        yield at_s, facts.key, facts.domain, watts, facts.measured, self._at(at_s)

    def _at(self, at_s: float) -> str:
        return next((p.name for p in self.phases if p.begin_s <= at_s < p.end_s), "")


def of(value: Record | PowerRecord) -> Traced:
    """Return the power over time of a record or a power file; no traces where none was read."""
    return _of_power(value) if isinstance(value, PowerRecord) else _of_record(value)


def _of_power(found: PowerRecord) -> Traced:
    what = " ".join(found.command) or "power"
    return Traced(
        title=f"{what}, {found.machine}, {found.created_utc[:10]}",
        channels=found.channels,
        traces=found.traces,
        phases=found.phases,
    )


def _of_record(record: Record) -> Traced:
    passes = [(IDLE, p) for p in record.idle]
    passes += [(_named(m), m.energy_pass) for m in record.measurements if m.energy_pass]
    phases = [phase for name, p in passes for phase in _phases(name, p)]
    known = {c.key: c for _, p in passes for c in p.channels}
    model = record.environment.cpu.model or "a processor without a name"
    return Traced(
        title=f"hwbench run --profile {record.profile}, {model}, {record.created_utc[:10]}",
        channels=tuple(known.values()),
        traces=tuple(t for _, p in passes for t in p.traces),
        phases=tuple(sorted(phases, key=lambda p: p.begin_s)),
    )


def _named(m: Any) -> str:
    batch = f" b{m.batch_size}" if m.batch_size else ""
    return f"{m.name}{batch} {_SHORT.get(m.phase, m.phase)} {m.runtime} {m.device} {m.dtype}"


def _phases(name: str, found: EnergyPass) -> Iterator[Phase]:
    for window in found.windows:
        yield Phase(name=name, begin_s=window.begin_s, end_s=window.end_s)
