"""`hwbench advise`: which settings help this network on this machine."""

from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import (
    Count,
    Duration,
    json_option,
    names_of,
    print_json,
    workload_of,
    workload_options,
)

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench advise --model timm:resnet18 --samples 1M --epochs 10")
@workload_options
@click.option("--data", type=_PATH, metavar="PATH", help="Your data: how many processes to load.")
@click.option("--batch-size", type=Count(), metavar="N", help="Default: the network's own.")
@click.option("--device", metavar="D", help="Default: cpu.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads of a step.")
@click.option(
    "--setting",
    "settings",
    multiple=True,
    metavar="S",
    shell_complete=names_of("settings"),
    help="Try these alone; default: all.",
)
@click.option("--samples", type=Count(), metavar="N", help="Of the training: what is saved.")
@click.option("--epochs", type=float, default=1.0, show_default=True, metavar="E")
@click.option(
    "--usd-per-h", type=click.FloatRange(0.0, min_open=True), metavar="Y", help="Of this machine."
)
@click.option(
    "--seconds",
    type=Duration(),
    default="20s",
    show_default=True,
    metavar="DUR",
    help="Of the steps of each setting, with plain ones in turn.",
)
@click.option("--out", type=_PATH, metavar="FILE", help="Keep the advice as JSON.")
@click.option("--force", is_flag=True, help="Measure even if a run is measuring here.")
@json_option
def command(as_json: bool, **chosen: Any) -> int:
    """Say which settings make this training faster or smaller here, and what they save.

    Each is measured against the plain step in blocks of steps in turn: channels last, mixed
    precision, torch.compile, a fused optimiser, activations computed again, gradients of parts of a
    batch; then those that help together. The loss after the same steps must be as good.
    """
    from hwbench import advise as verb
    from hwbench import advise_view, watching
    from hwbench.render import printable

    workload_of(chosen)
    options = verb.Options(**chosen)
    with watching.progress() as progress:
        done = verb.advise(options, progress)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(advise_view.text(done)))
    return 130 if done.interrupted else 0
