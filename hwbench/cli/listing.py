"""`hwbench list`: what there is to run."""

from typing import TYPE_CHECKING

import click

from hwbench.cli.options import json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwbench import listing


def _kinds(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from hwbench import listing

    return [k for k in listing.kinds() if k.startswith(incomplete)]


_LONG = 60  # of a list: it is told in one line where all lists are asked for


def _rows(kind: str, items: "Sequence[listing.Item]", short: bool) -> list[tuple[str, str]]:
    if short and len(items) > _LONG:
        return [(f"{len(items)} of them", f"hwbench list {kind}")]
    return [(item.name, item.summary) for item in items] or [("-", "none in this version")]


@click.command(epilog="Example: hwbench list workloads")
@click.argument("kind", required=False, shell_complete=_kinds)
@json_option
def command(kind: str | None, as_json: bool) -> None:
    """List what there is to run; without KIND, everything.

    KIND is kernels, workloads, runtimes, meters, shortcuts, settings, profiles, edge-profiles or
    instances.
    """
    from hwbench import listing

    shown = [kind] if kind else list(listing.kinds())
    found = {k: listing.items(k) for k in shown}
    if as_json:
        print_json(found[kind] if kind else found)
        return
    # click's own two columns: rich's tables would double the time that this command takes.
    formatter = click.HelpFormatter()
    for k in shown:
        with formatter.section(k):
            formatter.write_dl(_rows(k, found[k], short=kind is None))
    click.echo(formatter.getvalue().rstrip())
    for k in shown:
        for name, why in listing.broken(k).items():
            click.echo(f"hwbench: {k}: {name} cannot be used: {why}", err=True)
