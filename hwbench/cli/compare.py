"""`hwbench compare`: which cases are faster or slower in other records than in the base."""

import sys
from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import json_option, print_json

_PATH = click.Path(path_type=Path)


class Names(click.ParamType):  # type: ignore[type-arg]
    """Names between commas."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """Return the names."""
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(n.strip() for n in str(value).split(",") if n.strip()))


@click.command(epilog="Example: hwbench compare before.json after.json --only 'workload/*'")
@click.argument("records", nargs=-1, required=True, metavar="BASE [OTHER]...")
@click.option(
    "--threshold",
    type=float,
    default=0.03,
    show_default=True,
    metavar="F",
    help="A change that matters, of the time.",
)
@click.option("--only", multiple=True, metavar="GLOB", help="Cases by their id.")
@click.option(
    "--where",
    metavar="SQL",
    help="Cases by their columns, see hwbench export --columns: \"runtime = 'torch'\".",
)
@click.option(
    "--across",
    type=Names(),
    default=(),
    metavar="PARTS",
    help="Match cases on the rest of their id: runtime, device, dtype, batch, ...",
)
@click.option("--level", type=float, default=0.95, show_default=True, help="Of intervals.")
@click.option(
    "--usd-per-h",
    type=float,
    multiple=True,
    metavar="X",
    help="Of each record in their order; default: the catalogue's of its cloud instance.",
)
@click.option("--catalog", type=_PATH, metavar="FILE", help="A company's own prices.")
@click.option("--markdown", is_flag=True, help="For a pull request.")
@click.option("--out", type=_PATH, metavar="FILE", help="Keep the comparison.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@json_option
def command(as_json: bool, markdown: bool, out: Path | None, force: bool, **chosen: Any) -> int:
    """Compare records case by case: machines, instances, runtimes, versions, before and after.

    A case is faster or slower where its interval excludes 1, corrected for the number of cases, and
    the change is above --threshold. Records made one after the other carry the machine's drift.

    Exit status: 1 a case, or the geometric mean, is slower; 3 the mean's interval spans the
    threshold; 0 otherwise.
    """
    from hwbench import compare as verb
    from hwbench import compare_file, compare_view, store
    from hwbench.errors import BadInput
    from hwbench.render import printable

    if out is not None:
        if out.exists() and not force:
            raise BadInput(f"{out}: exists: --force writes over it")
        store.check_writable(out)
    asked = verb.Options(
        **chosen,
        argv=("hwbench", *sys.argv[1:]),
        note=lambda text: click.echo(text, err=True),
    )
    done = verb.compare(asked)
    for file in done.left_out:
        click.echo(printable(f"left out: {file.reason}"), err=True)
    if out is not None:
        compare_file.save(done, out)
    if as_json:
        print_json(done)
    elif markdown:
        click.echo(compare_view.markdown(done), nl=False)
    else:
        click.echo(printable(compare_view.text(done)))
    if out is not None:
        click.echo(f"kept in {out}", err=True)
    return verb.status(done)
