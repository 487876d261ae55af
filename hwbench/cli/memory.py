"""`hwbench memory`: what a network needs of memory, and on which devices it fits."""

from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import Count, json_option, names_of, print_json


@click.command(
    epilog="Example: hwbench memory llama_8b --seq 4096 --recipe lora --on H100-SXM-80GB"
)
@click.argument("workload", metavar="MODEL", shell_complete=names_of("workloads"))
@click.option("--recipe", multiple=True, metavar="R", help="full-mixed, lora, ...; default: all.")
@click.option("--on", "device", multiple=True, metavar="D", help="Devices of the catalogue.")
@click.option("--seq", type=Count(), metavar="N", help="Tokens of a sequence.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Keep it as JSON.")
@json_option
def command(as_json: bool, workload: str, seq: int | None, out: Path | None, **chosen: Any) -> int:
    """Tell what a network needs of memory, by formula: nothing of it is run, however large it is.

    MODEL is a workload, or hf:NAME, a model of transformers by its configuration.

    Weights, gradients and moments by recipe; activations as autograd keeps them, counted without
    memory; the largest micro-batch on each device, with checkpointing, or divided over several.
    """
    from hwbench import memory_plan, memory_view, watching
    from hwbench.render import printable

    options = memory_plan.Options(
        workload=workload, recipes=chosen["recipe"], devices=chosen["device"], seq=seq, out=out
    )
    with watching.progress() as progress:
        done = memory_plan.plan(options, progress)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(memory_view.text(done)))
    return 0
