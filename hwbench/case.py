"""A case: one kernel or workload at one shape, dtype, batch size, phase, scenario, runtime, device.

Its id names all that makes it what it is and nothing of the machine, so the same case has the same
id everywhere: `kind/name/phase/scenario/runtime/device/dtype/batch/shape[/option=value,...]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["kernel", "workload"]
Shape = Mapping[str, int]
OptionValue = str | int | float | bool

KERNEL_PHASES = ("forward", "backward")
# Options of a training case: another step than the network's own, and of how many tasks.
SHORTCUT, HARDENING, TASKS = "shortcut", "hardening", "tasks"
SIDE = "side"  # of a case that the other side of `run --against` is visited by
WORKLOAD_PHASES = ("inference", "training")


# Options whose values tell by themselves what they are of.
_PLAIN = (SHORTCUT, HARDENING, SIDE, "setting", "edge", "quantised")


def shown(options: Mapping[str, OptionValue]) -> str:
    """Return options in a few words, a space before each; '' for none."""
    return "".join(f" {v}" if k in _PLAIN else f" {k}={v}" for k, v in options.items())


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of a table. `batch_size` is None for a kernel, whose sizes are all in its shape.

    A workload without one is `auto`: its batch is looked for before the run.
    """

    kind: Kind
    name: str
    version: int
    phase: str  # kernel: forward | backward; workload: inference | training
    # kernel: hot | cold; training: train_step; inference: single_stream | offline, and where asked
    # for multi_stream | server
    scenario: str
    runtime: str
    device: str
    dtype: str
    batch_size: int | None = None
    shape: Shape = field(default_factory=dict)
    options: Mapping[str, OptionValue] = field(default_factory=dict)  # non-default ones only

    @property
    def id(self) -> str:
        """The stable name of the case, without the version, which is a field of its own."""
        parts = [
            self.kind,
            self.name,
            self.phase,
            self.scenario,
            self.runtime,
            self.device,
            self.dtype,
            self._batch(),
            ",".join(f"{k}={v}" for k, v in self.shape.items()) or "-",
        ]
        if self.options:
            parts.append(",".join(f"{k}={self.options[k]}" for k in sorted(self.options)))
        return "/".join(parts)

    @property
    def plain(self) -> "Case":
        """The case itself, whichever side visits it."""
        if SIDE not in self.options:
            return self
        return replace(self, options={k: v for k, v in self.options.items() if k != SIDE})

    @property
    def way(self) -> str | None:
        """The shortcut or hardening that its training step is of; None for the network's own."""
        found = self.options.get(SHORTCUT, self.options.get(HARDENING))
        return None if found is None else str(found)

    def _batch(self) -> str:
        if self.batch_size is not None:
            return str(self.batch_size)
        return "-" if self.kind == "kernel" else "auto"
