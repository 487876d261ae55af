"""`hwbench plot`: figures of records."""

from pathlib import Path

import click

from hwbench.cli.options import json_option, print_json

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench plot power results/mine.json -o power.png")
@click.argument("kind", metavar="power|learning")
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option("-o", "--out", type=_PATH, metavar="FILE", help=".svg, .png or .pdf.")
@click.option("--csv", "table", type=_PATH, metavar="FILE", help="The numbers that are drawn.")
@json_option
def command(
    kind: str, inputs: tuple[Path, ...], out: Path | None, table: Path | None, as_json: bool
) -> None:
    """Draw what records hold: `power` over time with its phases, `learning` curves.

    INPUT is a record of `hwbench run`, or a file of `hwbench power --out`; for learning a file of
    `hwbench shortcuts --learn --out`.
    """
    from hwbench import plot as verb

    written = verb.plot(kind, inputs, out, table)
    if as_json:
        print_json({"written": [str(path) for path in written]})
    else:
        for path in written:
            click.echo(path)
