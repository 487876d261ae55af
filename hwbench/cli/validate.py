"""`hwbench validate`: train for real and hold the prediction against what happened."""

import sys
from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import (
    Count,
    Duration,
    image_px_option,
    json_option,
    names_of,
    print_json,
    workload_of,
    workload_options,
)

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench validate --workload resnet18 --minutes 3")
@click.argument("record", required=False, type=_PATH, metavar="[RECORD]")
@workload_options
@click.option(
    "--shortcut",
    metavar="S",
    shell_complete=names_of("shortcuts"),
    help="Train by it: linear_probe, lora, ...; default: from_scratch.",
)
@click.option("--minutes", type=float, default=3.0, show_default=True, help="Of training.")
@click.option("--batch-size", type=Count(), metavar="N", help="Default: the workload's own.")
@click.option("--runtime", metavar="R", help="torch (default), torch-compile, jax.")
@click.option("--device", metavar="D", help="Default: cpu.")
@click.option("--dtype", metavar="T", help="Default: float32.")
@click.option(
    "--data", type=_PATH, metavar="PATH", help="Your images or arrays; default: generated ones."
)
@click.option(
    "--samples", "items", type=Count(), metavar="N", help="Items of the data to generate."
)
@image_px_option
@click.option(
    "--in-memory", is_flag=True, help="Read and decode the data once, before the first step."
)
@click.option(
    "--workers",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Processes that read and decode beside the loop.",
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads of the loop.")
@click.option(
    "--spread",
    type=Duration(),
    default="180s",
    show_default=True,
    metavar="DUR",
    help="Over how long the visits are spread that the prediction is made from.",
)
@click.option("--out", type=_PATH, metavar="FILE", help="Default: in results/.")
@click.option("--force", is_flag=True, help="Run even if another run is measuring here.")
@json_option
def command(as_json: bool, in_memory: bool, spread: float, **chosen: Any) -> int:
    """Predict a training run from 20 seconds of it, then train for real and compare.

    The data are real files read by the real loader; evaluation and a checkpoint follow each epoch.
    The prediction is on the disk before the run begins. Exit status 1: the time fell outside the
    interval. What is learned of this machine's errors goes into its later intervals.

    With a RECORD, workload, batch size, runtime, device and dtype default to its best training
    case, and what it alone says of the steps is held against them too. Without one the network is
    resnet18 unless it is named.
    """
    from hwbench import rehearsing, validation_file, validation_view, watching
    from hwbench import validate as verb
    from hwbench.render import printable

    workload_of(chosen, needed=False)
    options = verb.Options(
        **chosen,
        residence="memory" if in_memory else "disk",
        terms=rehearsing.Terms(spread_s=spread, budget_s=min(spread, rehearsing.BUDGET_S)),
        argv=("hwbench", *sys.argv[1:]),
    )
    with watching.progress() as progress:
        done = verb.validate(options, progress)
    if as_json:
        print_json(validation_file.kept(done.validation))
    else:
        click.echo(printable(validation_view.text(done.validation)))
    click.echo(printable(validation_view.ending(done)), err=True)
    return validation_view.status(done)
