"""`hwbench instances`: what can be rented, at what price, and how old that price is."""

from pathlib import Path

import click

from hwbench.cli.options import Duration, json_option, print_json

_SORTS = ("usd", "memory", "name", "usd-per-tflops")
_FILE = click.Path(path_type=Path)
_catalog = click.option(
    "--catalog", "file", type=_FILE, metavar="FILE", help="Your own prices, TOML or CSV: they win."
)
_positive = click.FloatRange(0.0, min_open=True)


class _Group(click.Group):
    """A group that says which of its commands come near."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones come near."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            from hwbench.errors import UnknownName

            raise UnknownName("command of instances", args[0], self.commands)
        return super().resolve_command(ctx, args)


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from hwbench import instances

    names = (i.name for i in instances.catalogue().instances)
    return [n for n in names if n.startswith(incomplete)]


@click.group(
    cls=_Group,
    invoke_without_command=True,
    epilog="Example: hwbench instances list --gpu H100",
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Say what can be rented to train on, at what price, and how old that price is.

    The prices are shipped, each with its source and date; `update` fetches newer ones and
    --catalog FILE takes your own. No other command needs a network.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command.command("list", epilog="Example: hwbench instances list --gpu H100 --sort usd")
@click.option("--gpu", metavar="NAME", help="With this accelerator: H100, A100-80GB, TPU.")
@click.option("--provider", metavar="P", help="Of this provider: aws, gcp, lambda.")
@click.option("--cpu-only", is_flag=True, help="Without an accelerator.")
@click.option("--min-memory-gib", type=_positive, metavar="N", help="Of the host.")
@click.option("--min-gpu-memory-gib", type=_positive, metavar="N", help="Of each accelerator.")
@click.option("--max-usd-per-hour", type=_positive, metavar="X", help="On demand.")
@click.option("--sort", type=click.Choice(_SORTS), default="usd", show_default=True)
@_catalog
@json_option
def list_(
    gpu: str | None,
    provider: str | None,
    cpu_only: bool,
    min_memory_gib: float | None,
    min_gpu_memory_gib: float | None,
    max_usd_per_hour: float | None,
    sort: str,
    file: Path | None,
    as_json: bool,
) -> None:
    """List instance types with their prices.

    usd-per-tflops is USD an hour for each TFLOP/s of the dense peak by data sheet: bfloat16 or
    float16 of accelerators, float32 of processors. No job reaches a peak.
    """
    from hwbench import instances_study as verb
    from hwbench import instances_view

    wish = verb.Wish(
        gpu=gpu,
        provider=provider,
        cpu_only=cpu_only,
        min_memory_bytes=_bytes(min_memory_gib),
        min_gpu_memory_bytes=_bytes(min_gpu_memory_gib),
        max_usd_per_h=max_usd_per_hour,
        sort=next(s for s in verb.SORTS if s == sort),
        file=file,
    )
    found = verb.listed(wish)
    for line in instances_view.left_out(found.problems):
        click.echo(f"hwbench: left out: {line}", err=True)
    if as_json:
        print_json(found)
    else:
        click.echo(instances_view.listing(found, by_peak=sort == "usd-per-tflops"))


def _bytes(gib: float | None) -> int | None:
    from hwbench.units import BYTES_PER_GIB

    return None if gib is None else round(gib * BYTES_PER_GIB)


@command.command(epilog="Example: hwbench instances show aws:p5.48xlarge")
@click.argument("name", shell_complete=_names)
@_catalog
@json_option
def show(name: str, file: Path | None, as_json: bool) -> None:
    """Show all that is known of an instance type, with its sources.

    NAME is such as aws:p5.48xlarge, p5.48xlarge or 'aws:p5*'.
    """
    from hwbench import instances_study as verb
    from hwbench import instances_view

    found = verb.shown(name, file)
    if as_json:
        print_json(found)
    else:
        click.echo("\n\n".join(instances_view.details(s) for s in found))


@command.command(epilog="Example: hwbench instances check ours.csv")
@click.argument("file", required=False, type=_FILE)
@json_option
def check(file: Path | None, as_json: bool) -> int:
    """Check the catalogue, or a FILE of your own: each wrong row with its line and reason.

    The exit status is 1 if something is wrong. Old prices are told and are no fault.
    """
    from hwbench import instances_study as verb
    from hwbench import instances_view

    found = verb.checked(file)
    if as_json:
        print_json(found)
    else:
        click.echo(instances_view.checked(found))
    return 1 if found.problems else 0


@command.command(epilog="Example: hwbench instances update --provider aws")
@click.option("--provider", "providers", multiple=True, metavar="P", help="Only this; repeatable.")
@click.option("--timeout", type=Duration(), default="60s", show_default=True, metavar="S")
@json_option
def update(providers: tuple[str, ...], timeout: float, as_json: bool) -> int:
    """Fetch newer prices with gpuhunt into the user's cache; the only command with a network.

    What cannot be fetched in time keeps its old prices, and the exit status is 1.
    """
    from hwbench import instances_study as verb
    from hwbench import instances_view

    found = verb.updated(providers, timeout)
    if as_json:
        print_json({"updates": found})
    for one in found:
        if not as_json or one.reason is not None:
            click.echo(instances_view.updated(one), err=one.reason is not None)
    return 1 if any(one.reason is not None for one in found) else 0
