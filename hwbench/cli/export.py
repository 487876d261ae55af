"""`hwbench export`: the cases of records as a table."""

from pathlib import Path

import click

from hwbench.cli.options import json_option, print_json

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench export 'results/*.json' --format csv -o cases.csv")
@click.argument("records", nargs=-1, metavar="RECORD...")
@click.option("--format", "form", metavar="csv|parquet", help="Default: as FILE is called.")
@click.option("-o", "--out", type=_PATH, metavar="FILE")
@click.option("--where", metavar="SQL", help="Cases by their columns: \"runtime = 'torch'\".")
@click.option("--columns", is_flag=True, help="List the columns, and write nothing.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def command(
    records: tuple[str, ...],
    form: str | None,
    out: Path | None,
    where: str | None,
    columns: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the cases of records as a table, a row each: for a spreadsheet, pandas or a database.

    RECORD is a path or, in quotes, a glob: thousands are read by columns, and once. Units are in
    the columns' names.
    """
    from hwbench import case_columns
    from hwbench import export as verb
    from hwbench.errors import BadInput
    from hwbench.render import printable, table

    if columns:
        named = [(c.name, c.what) for c in case_columns.PUBLIC]
        if as_json:
            print_json([{"name": name, "what": what} for name, what in named])
        else:
            click.echo(table(("column", "what"), named))
        return
    if not records:
        raise BadInput("export: name a RECORD, or a glob in quotes: 'results/*.json'")
    if out is None:
        raise BadInput("export: -o FILE names what to write: cases.csv, cases.parquet")
    if out.exists() and not force:
        raise BadInput(f"{out}: exists: --force writes over it")
    done = verb.export(records, out, form, where, note=lambda text: click.echo(text, err=True))
    for file in done.left_out:
        click.echo(printable(f"left out: {file.reason}"), err=True)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{done.rows:,} cases, {len(done.columns)} columns: {done.written}")
