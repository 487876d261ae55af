"""The options of the commands that read meters, and what they ask for."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hwbench.cli.options import names_of

if TYPE_CHECKING:
    from hwbench.energy_planning import EnergyWish

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--meter",
        multiple=True,
        metavar="M",
        shell_complete=names_of("meters"),
        help="Only these meters (`hwbench doctor` says which work); none: read none.",
    ),
    click.option(
        "--wall-meter",
        metavar="FILE|cmd:COMMAND",
        help="A wall meter: a file of `time,watts` lines, or a command that prints them.",
    ),
    click.option(
        "--wall-meter-offset",
        type=float,
        default=0.0,
        metavar="S",
        help="How far the wall meter's clock is ahead of this machine's.",
    ),
    click.option(
        "--cpu-tdp",
        type=click.FloatRange(0.0, 5000.0, min_open=True),
        metavar="W",
        help="TDP of the part of the processor that this machine has, for the power model.",
    ),
    click.option(
        "--wall-factor",
        type=click.FloatRange(1.0, 10.0),
        metavar="X",
        help="Assume the whole machine to take X times what its metered parts take.",
    ),
)


def meter_options(command: F) -> F:
    """Give a command the options of meters."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wish_of(chosen: dict[str, Any]) -> "EnergyWish":
    """Return what the options ask for, and take them out of `chosen`."""
    from hwbench.energy_planning import EnergyWish

    return EnergyWish(
        meters=tuple(chosen.pop("meter")),
        wall=chosen.pop("wall_meter"),
        wall_offset_s=chosen.pop("wall_meter_offset"),
        cpu_tdp_w=chosen.pop("cpu_tdp"),
        wall_factor=chosen.pop("wall_factor"),
    )
