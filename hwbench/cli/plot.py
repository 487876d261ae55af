"""`hwbench plot`: figures of records, estimates, comparisons and servings."""

from pathlib import Path

import click

from hwbench.cli.options import json_option, print_json

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench plot cost estimate.json -o cost.svg")
@click.argument("kind", metavar="KIND")
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option("-o", "--out", type=_PATH, metavar="FILE", help=".svg, .png or .pdf.")
@click.option("--csv", "table", type=_PATH, metavar="FILE", help="The numbers that are drawn.")
@click.option("--dark", is_flag=True, help="On a dark ground.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@json_option
def command(
    kind: str,
    inputs: tuple[Path, ...],
    out: Path | None,
    table: Path | None,
    dark: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Draw what a file holds; without -o or --csv in the terminal.

    \b
    cost, time, energy   over sizes of the dataset    `hwbench estimate --out`
    pareto               time against cost            `hwbench estimate --out`
    roofline, batch,     kernels, throughput,         `hwbench run`
    latency              percentiles
    break-even           owned against rented         `hwbench estimate --purchase owned`
    power                over time, with its phases   `hwbench run`, `hwbench power`
    learning             error against samples        `hwbench shortcuts --learn`

    time takes a file of `hwbench shortcuts --out` too.
    """
    from hwbench import plot as verb
    from hwbench.errors import BadInput

    for path in (out, table):
        if path is not None and path.exists() and not force:
            raise BadInput(f"{path}: exists: --force writes over it")
    from hwbench import chart_text

    written = verb.keep(kind, inputs, out, table, chart_text.say, dark=dark)
    if not written and not as_json:
        from hwbench.render import printable

        click.echo(printable(chart_text.text(verb.charts(kind, inputs))))
    if as_json:
        print_json({"written": [str(path) for path in written]})
    else:
        for path in written:
            click.echo(path)
