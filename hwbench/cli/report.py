"""`hwbench report`: one page that defends a choice."""

from pathlib import Path

import click

from hwbench.cli.options import json_option, print_json

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench report estimate.json mine.json -o report.html")
@click.argument("inputs", nargs=-1, required=True, type=_PATH, metavar="INPUT...")
@click.option("-o", "--out", type=_PATH, metavar="FILE", help=".html, or .md.")
@click.option("--markdown", is_flag=True, help="To standard output, for a repository.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def command(
    inputs: tuple[Path, ...], out: Path | None, markdown: bool, force: bool, as_json: bool
) -> None:
    """Write one self-contained page: the answer, the options, the curves, what was assumed.

    INPUT is a file of `hwbench estimate --out`, `hwbench shortcuts --out` or `hwbench run`; two
    records or more are compared. The page asks no address for anything.
    """
    from hwbench import report as verb
    from hwbench import report_html, report_markdown, report_words, store
    from hwbench.errors import BadInput

    if out is None and not markdown:
        raise BadInput("where to? -o report.html, or --markdown")
    if out is not None:
        if out.suffix not in verb.SUFFIXES:
            raise BadInput(f"{out}: the end of the name is none of {', '.join(verb.SUFFIXES)}")
        if out.exists() and not force:
            raise BadInput(f"{out}: exists: --force writes over it")
        store.check_writable(out)
    page = report_words.page(verb.report(inputs))
    if markdown:
        click.echo(report_markdown.markdown(page), nl=False)
    if out is not None:
        made = report_html.html if out.suffix == ".html" else report_markdown.markdown
        store.write_whole(out, made(page))
        if as_json:
            print_json({"written": [str(out)]})
        else:
            click.echo(str(out), err=markdown)
