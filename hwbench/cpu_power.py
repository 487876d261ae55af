"""The power of a processor that tells none: from its TDP and how busy it is, and how wrong that is.

P = TDP x max(u, 0.1), u being the busy share of its threads. Against the recordings of five
machines with counters that a peer publishes (94 points of ten sweeps of load), this form was off
by 42 % in the mean and its total by -41..+64 % a machine; a constant half of the TDP by 73 %, a
cubic in u by 43 % and always too low. So it says what order of size, and no more.
Source: docs/methodology.md, "Modelled power".
"""

from dataclasses import dataclass

from hwbench.bounds import PositiveFloat, PositiveInt

FLOOR_FRAC = 0.1  # of the TDP, however idle
LOW, HIGH = 1 / 1.64, 1 / 0.59  # the truth as a multiple of the model, on those machines
BASIS = "TDP x max(utilisation, 0.1): a model, off by -41..+64 % on five machines with counters"


@dataclass(frozen=True, kw_only=True)
class CpuPower:
    """What the model of this machine's processor goes by.

    `tdp_w` is of the part of the processor that this machine has: all of it, or a virtual
    machine's share; `basis` says where it is from.
    """

    tdp_w: PositiveFloat
    threads: PositiveInt  # that the share has
    basis: str


def power_w(cpu: CpuPower, utilisation: float) -> float:
    """Return the modelled power at a busy share of 0..1."""
    return cpu.tdp_w * min(1.0, max(FLOOR_FRAC, utilisation))
