"""`hwbench inspect`: what a network is made of, and where the time of its step goes."""

from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import Count, json_option, print_json, workload_of, workload_options

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench inspect --model timm:convnext_tiny --out parts.json")
@workload_options
@click.option("--batch-size", type=Count(), metavar="N", help="Default: the network's own.")
@click.option("--device", metavar="D", help="Default: cpu.")
@click.option("--dtype", metavar="T", help="float32 (default), tf32, bfloat16.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads of a step.")
@click.option("--data", type=_PATH, metavar="PATH", help="Your data: what a step waits for them.")
@click.option("--out", type=_PATH, metavar="FILE", help="Keep it as JSON, for hwbench plot layers.")
@click.option("--force", is_flag=True, help="Measure even if a run is measuring here.")
@json_option
def command(as_json: bool, **chosen: Any) -> int:
    """Take a training step apart: forward, backward, update; operators by kind; layers; memory.

    MFU is the share of the FLOP/s that this machine's best matrix product reaches in the same type.
    """
    from hwbench import inspect as verb
    from hwbench import inspect_view, watching
    from hwbench.render import printable

    workload_of(chosen)
    with watching.progress() as progress:
        done = verb.inspect(verb.Options(**chosen), progress)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(inspect_view.text(done)))
    return 0
