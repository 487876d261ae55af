"""`hwbench estimate`: time, power, energy, cost and CO2 of a training, from a record."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import (
    Count,
    Duration,
    Levels,
    image_px_option,
    json_option,
    names_of,
    print_json,
    workload_of,
    workload_options,
)

_PATH = click.Path(path_type=Path)
_NUMBER = float


Function = Callable[..., Any]


def _options(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Return one decorator of many options, in this order."""

    def add(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return add


_PLAN = _options(
    workload_options,
    click.option("--samples", type=Count(), metavar="N", help="Items of the dataset: 1.28M, 50k."),
    click.option("--tokens", type=Count(), metavar="N", help="Instead, of a language model."),
    click.option("--epochs", type=_NUMBER, metavar="E", help="Passes over the dataset."),
    click.option("--steps", type=Count(), metavar="N", help="Instead of epochs."),
    click.option("--batch-size", type=Count(), metavar="B", help="Of a device; default: measured."),
    click.option("--runtime", metavar="R", shell_complete=names_of("runtimes")),
    click.option("--device", metavar="D", help="cpu, cuda:0, ...; default: the fastest measured."),
    click.option("--dtype", metavar="T"),
    click.option(
        "--shortcut",
        multiple=True,
        metavar="S",
        shell_complete=names_of("shortcuts"),
        help="A cheaper way than from_scratch; several make several rows.",
    ),
    click.option(
        "--evaluation-frac",
        type=_NUMBER,
        default=0.1,
        show_default=True,
        metavar="F",
        help="Items run over after each epoch, by the samples.",
    ),
)
DATA = _options(
    click.option("--data", type=_PATH, metavar="PATH", help="Your data, to measure the loader on."),
    click.option("--in-memory", is_flag=True, help="The data are read once, at the start."),
    image_px_option,
    click.option("--item-bytes", type=_NUMBER, metavar="N", help="Of an item on the disk."),
    click.option("--workers", type=click.IntRange(0), metavar="N", help="Of the loader."),
)
WHERE = _options(
    click.option(
        "--on",
        multiple=True,
        metavar="WHERE",
        help="machine (default), PROVIDER:SKU, a glob such as 'aws:p5*', or all.",
    ),
    click.option(
        "--purchase",
        "purchases",
        multiple=True,
        metavar="P",
        help="on-demand, spot, reserved, owned, hosted; several make several rows.",
    ),
    click.option("--catalog", type=_PATH, metavar="FILE", help="A company's own prices."),
    click.option("--records", "records_dir", type=_PATH, metavar="DIR", help="More records."),
    click.option("--region", metavar="R", help="Of the grid: FR, us-east-1, gcp:europe-west4."),
    click.option("--electricity-usd-per-kwh", type=_NUMBER, metavar="X"),
    click.option("--pue", type=_NUMBER, metavar="X", help="Default: by where it runs."),
    click.option("--embodied", metavar="KG", help="kg CO2e of making a device; adds its share."),
)
MONEY = _options(
    click.option("--usd-per-h", type=_NUMBER, metavar="X", help="Of this machine, rented."),
    click.option("--spot-usd-per-h", type=_NUMBER, metavar="X"),
    click.option(
        "--interruptions",
        default="some",
        show_default=True,
        metavar="RATE",
        help="Of a spot machine: a preset, or a number an hour.",
    ),
    click.option("--restart", "restart_s", type=Duration(), default="180s", show_default=True),
    click.option("--reserved-usd-per-h", type=_NUMBER, metavar="X"),
    click.option("--reserved-discount", type=_NUMBER, metavar="F", help="0.4: 40 % off."),
    click.option(
        "--utilisation", type=_NUMBER, default=0.7, show_default=True, metavar="F",
        help="Share of its hours that a reserved or owned machine works.",
    ),
    click.option("--purchase-usd", type=_NUMBER, metavar="X", help="What an owned machine cost."),
    click.option("--residual", type=_NUMBER, default=0.3, show_default=True, metavar="F"),
    click.option("--years", type=_NUMBER, default=3.0, show_default=True, metavar="Y"),
    click.option("--opex-usd-per-year", type=_NUMBER, default=0.0, metavar="X"),
    click.option("--interest", type=_NUMBER, default=0.0, metavar="F", help="A year's."),
    click.option("--usd-per-mtoken", type=_NUMBER, metavar="X", help="Of a hosted service."),
    click.option("--hosted-usd-per-h", type=_NUMBER, metavar="X"),
    click.option("--storage", default="gp3", show_default=True, metavar="PRESET"),
)  # fmt: skip
_ASK = _options(
    click.option("--deadline", "deadline_s", type=Duration(), metavar="DUR", help="24h, 3d."),
    click.option("--budget", "budget_usd", type=_NUMBER, metavar="USD"),
    click.option("--level", type=_NUMBER, default=0.9, show_default=True, help="Of intervals."),
    click.option(
        "--solve",
        type=click.Choice(["samples", "epochs", "batch-size"]),
        help="The most that keeps to the deadline and the budget.",
    ),
    click.option("--target-accuracy", type=_NUMBER, metavar="A", help="Samples by --curve."),
    click.option("--curve", type=_PATH, metavar="LEARN.json", help="Of `shortcuts --learn`."),
    click.option(
        "--confirm",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="How the N best are measured for ten minutes, and for how much.",
    ),
    click.option("--curve-sizes", type=click.IntRange(2, 500), default=25, show_default=True),
)
SEARCH = _options(
    click.option(
        "--search",
        type=click.Choice(["random", "grid", "successive-halving", "hyperband", "asha"]),
        help="Over hyperparameters: what all of its trials take, beside the one run.",
    ),
    click.option("--trials", type=Count(), metavar="N", help="Choices of the hyperparameters."),
    click.option("--grid", type=Levels(), metavar="3x3x2", help="Levels of each, of a grid."),
    click.option(
        "--eta", type=_NUMBER, metavar="X", help="Of a rung one in X goes on; default: 3."
    ),
    click.option(
        "--resource", type=_NUMBER, metavar="R", help="A full run by the shortest training."
    ),
    click.option("--parallel", type=Count(), metavar="N", help="Trials at a time; default: 1."),
    click.option(
        "--top",
        type=_NUMBER,
        metavar="F",
        help="Chance of a trial in the top share; default: 0.05.",
    ),
)
HARDENED = _options(
    click.option(
        "--adversarial",
        metavar="SPEC",
        help="Training that withstands moved inputs: pgd-7, free-4, fast.",
    ),
    click.option("--private", is_flag=True, help="DP-SGD, within --epsilon."),
    click.option("--epsilon", type=_NUMBER, metavar="E", help="Of --private: what may leak."),
    click.option("--delta", type=_NUMBER, metavar="D", help="Of --private; default: 1 / samples."),
)
TASKS = _options(
    click.option("--tasks", type=click.IntRange(), metavar="K", help="Several tasks, not one."),
    click.option(
        "--sharing",
        multiple=True,
        metavar="WAY",
        help="Of several tasks: separate, multitask, progressive, lora; default: all.",
    ),
)
HOW = _options(
    click.option("--no-measure", is_flag=True, help="Measure nothing, even if a record lacks it."),
    click.option(
        "--max-age",
        "max_age_s",
        type=Duration(),
        default="7d",
        show_default=True,
        metavar="DUR",
        help="Of this machine's records.",
    ),
    click.option("--max-usd", type=_NUMBER, metavar="X", help="That measuring here may cost."),
    click.option("--out", type=_PATH, metavar="FILE", help="Keep the estimate, for plots."),
)


@click.command(
    epilog="Example: hwbench estimate --workload resnet50 --samples 1.28M --epochs 90"
    " --on machine --on 'aws:g5*' --deadline 3d"
)
@click.argument("records", nargs=-1, type=_PATH, metavar="[RECORD]...")
@_PLAN
@HARDENED
@TASKS
@DATA
@WHERE
@MONEY
@_ASK
@SEARCH
@HOW
@json_option
def command(as_json: bool, out: Path | None, **chosen: Any) -> int:
    """Estimate time, power, energy, cost and CO2 of a training, with intervals.

    From the newest record of this machine, or the RECORDs named; what this machine's records lack
    is measured first. Other instances are scaled from it, and say so.
    """
    from hwbench import estimate as verb
    from hwbench import estimate_file, estimate_view, store, watching
    from hwbench.render import printable

    if out is not None:
        store.check_writable(out)
    workload_of(chosen)
    request = request_of(chosen)
    with watching.progress() as progress:
        done = verb.estimate(request, progress)
    if out is not None:
        estimate_file.save(done, out)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(estimate_view.text(done)))
    if out is not None:
        click.echo(f"kept in {out}", err=True)
    return 0


def request_of(chosen: dict[str, Any]) -> Any:
    """Return the request of the options."""
    from hwbench.estimate_plan import Money, Request, SearchAsked

    money = Money(
        usd_per_h=chosen.pop("usd_per_h"),
        spot_usd_per_h=chosen.pop("spot_usd_per_h"),
        interruptions=chosen.pop("interruptions"),
        restart_s=chosen.pop("restart_s"),
        reserved_usd_per_h=chosen.pop("reserved_usd_per_h"),
        reserved_discount_frac=chosen.pop("reserved_discount"),
        utilisation_frac=chosen.pop("utilisation"),
        purchase_usd=chosen.pop("purchase_usd"),
        residual_frac=chosen.pop("residual"),
        years=chosen.pop("years"),
        opex_usd_per_year=chosen.pop("opex_usd_per_year"),
        interest_frac=chosen.pop("interest"),
        usd_per_mtoken=chosen.pop("usd_per_mtoken"),
        hosted_usd_per_h=chosen.pop("hosted_usd_per_h"),
        storage=chosen.pop("storage"),
        embodied=chosen.pop("embodied"),
    )
    adversarial, private = chosen.pop("adversarial", None), chosen.pop("private", False)
    if adversarial and private:
        raise click.UsageError("--adversarial and --private are two trainings: give one of them")
    search = SearchAsked(
        algorithm=chosen.pop("search", None),
        trials=chosen.pop("trials", None),
        grid=chosen.pop("grid", None) or (),
        eta=chosen.pop("eta", None),
        resource=chosen.pop("resource", None),
        parallel=chosen.pop("parallel", None),
        top_frac=chosen.pop("top", None),
    )
    in_memory, no_measure = chosen.pop("in_memory"), chosen.pop("no_measure")
    return Request(
        shortcuts=chosen.pop("shortcut"),
        residence="memory" if in_memory else "disk",
        measure=not no_measure,
        money=money,
        hardening="private" if private else adversarial,
        search=search,
        argv=("hwbench", *sys.argv[1:]),
        **chosen,
    )
