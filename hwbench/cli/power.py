"""`hwbench power`: the meters live, or the energy of any command."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from hwbench.cli.meter_options import meter_options, wish_of
from hwbench.cli.options import Duration, json_option, print_json

INTERRUPTED = 130


@click.command(
    epilog="Example: hwbench power --electricity-usd-per-kwh 0.25 -- python train.py",
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
)
@click.option("--seconds", type=Duration(), metavar="N", help="How long; default: until Ctrl-C.")
@meter_options
@click.option("--pue", type=click.FloatRange(1.0, 5.0), metavar="X", help="Of the cost alone.")
@click.option(
    "--electricity-usd-per-kwh",
    "usd_per_kwh",
    type=click.FloatRange(0.0, 100.0, min_open=True),
    metavar="X",
    help="What the energy costs.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Keep it as JSON.")
@json_option
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
def command(
    seconds: float | None,
    pue: float | None,
    usd_per_kwh: float | None,
    out: Path | None,
    as_json: bool,
    argv: tuple[str, ...],
    **chosen: Any,
) -> int:
    """Watch the power meters, or tell the energy of a COMMAND while it runs.

    Each figure says by which meter it is, whether that measures or models, and how sure it is.
    With a COMMAND the exit status is the command's.
    """
    from hwbench import power as verb
    from hwbench import power_view

    wish = verb.Wish(
        energy=wish_of(chosen),
        command=argv,
        seconds=seconds,
        pue=pue,
        usd_per_kwh=usd_per_kwh,
        apart=as_json,
    )
    view = power_view.viewer(quiet=bool(argv) or as_json)
    with view or nullcontext():
        found = verb.measure(wish, view)
    if out is not None:
        _keep(found, out)
    if as_json:
        print_json(found)
    else:
        from hwbench.render import printable

        click.echo(printable(power_view.summary(found)), err=bool(argv))
    if found.interrupted:
        return INTERRUPTED
    return found.exit_status or 0


def _keep(found: Any, out: Path) -> None:
    from hwbench import codec, store
    from hwbench.errors import StorageFull

    try:
        store.write_whole(out, json.dumps(codec.encode(found), allow_nan=False) + "\n")
    except OSError as e:
        raise StorageFull(f"{out}: cannot be written: {e.strerror}") from None
    print(f"kept in {out}", file=sys.stderr)
