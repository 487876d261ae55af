"""`hwbench shortcuts`: is there a cheaper way than training from scratch, and by how much?"""

from pathlib import Path
from typing import Any

import click

from hwbench.cli import estimate as estimating
from hwbench.cli.learn_options import learn, learn_options, taken
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
_OF_STUDY = ("shortcut_names", "max_seconds")  # the rest is of each estimate


@click.command(epilog="Example: hwbench shortcuts --workload resnet18 --samples 50k --tasks 5")
@click.argument("records", nargs=-1, type=_PATH, metavar="[RECORD]...")
@workload_options
@click.option("--samples", type=Count(), metavar="N", help="Items of the dataset: 1.28M, 50k.")
@click.option("--tokens", type=Count(), metavar="N", help="Instead, of a language model.")
@click.option("--epochs", type=float, metavar="E", help="Of every shortcut, for the usual ones.")
@click.option(
    "--scratch-epochs",
    type=float,
    metavar="E",
    help="Of what has no usual ones, training from scratch first; default: 90.",
)
@click.option("--batch-size", type=Count(), metavar="B", help="Of a device; default: measured.")
@click.option("--runtime", metavar="R", shell_complete=names_of("runtimes"))
@click.option("--device", metavar="D", help="cpu, cuda:0, ...; default: the fastest measured.")
@click.option("--dtype", metavar="T")
@click.option(
    "--shortcut",
    "shortcut_names",
    multiple=True,
    metavar="S",
    shell_complete=names_of("shortcuts"),
    help="Only these, beside from_scratch.",
)
@estimating.TASKS
@estimating.HARDENED
@estimating.SEARCH
@click.option("--evaluation-frac", type=float, default=0.1, show_default=True, metavar="F")
@click.option("--level", type=float, default=0.9, show_default=True, help="Of intervals.")
@click.option(
    "--max-seconds",
    type=Duration(),
    metavar="S",
    help="Of measuring the steps here; with --learn of the whole command.",
)
@estimating.DATA
@estimating.WHERE
@estimating.MONEY
@estimating.HOW
@learn_options
@json_option
def command(as_json: bool, out: Path | None, **chosen: Any) -> int:
    """Compare cheaper ways to train: time, energy, cost, memory, and what each ratio is made of.

    The steps are measured side by side on this machine, unless a RECORD of `hwbench run --shortcut
    all` has them; the totals are of the usual epochs of each, which are assumed and say so.

    With --learn they are trained for real at growing sizes of a data set, and compared by what an
    accuracy takes: samples, time, energy, money.
    """
    from hwbench import shortcuts_file, shortcuts_view, store, watching
    from hwbench.render import printable

    own = taken(chosen)
    workload_of(chosen, needed=not (own and own["resume"]))
    if out is not None:
        store.check_writable(out)
    if own is not None:
        return learn(own, chosen, out, as_json, _compared)
    with watching.progress() as progress:
        done = _compared(chosen, chosen["max_seconds"], progress)
    if out is not None:
        shortcuts_file.save(done, out)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(shortcuts_view.text(done)))
    if out is not None:
        click.echo(f"kept in {out}", err=True)
    return 0


def _compared(chosen: dict[str, Any], max_seconds: float | None, progress: Any) -> Any:
    """Return the comparison of the steps."""
    from hwbench import shortcuts_study

    rest = {k: v for k, v in chosen.items() if k not in _OF_STUDY}
    asked = shortcuts_study.Asked(
        shortcuts=chosen["shortcut_names"],
        max_seconds=max_seconds,
        estimate=estimating.request_of({**rest, "shortcut": ()}),
    )
    return shortcuts_study.study(asked, progress)
