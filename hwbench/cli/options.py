"""What several commands share: `--json`, and names that complete themselves."""

from collections.abc import Callable
from typing import Any

import click

from hwbench.errors import BadInput

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Machine output on stdout, nothing else there."
)


def print_json(value: Any) -> None:
    """Print a value (dataclasses and all) as JSON on stdout."""
    import json

    from hwbench import codec

    click.echo(json.dumps(codec.encode(value), allow_nan=False, indent=1))


def names_of(kind: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Return a completion of the names of a kind of thing."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
        from hwbench import listing

        names = (item.name for item in listing.items(kind))
        return [n for n in names if n.startswith(incomplete)]

    return complete


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A time such as `90`, `90s`, `24h`, in seconds."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        from hwbench import quantity

        try:
            return value if isinstance(value, float) else quantity.duration_s(str(value))
        except BadInput as e:
            self.fail(str(e), param, ctx)


class Count(click.ParamType):  # type: ignore[type-arg]
    """A whole number of at least 1, such as `32` or `50k`."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        from hwbench import quantity

        try:
            return value if isinstance(value, int) else quantity.count(str(value))
        except BadInput as e:
            self.fail(str(e), param, ctx)


class Size(click.ParamType):  # type: ignore[type-arg]
    """A size of memory, such as `512MB`, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        from hwbench import quantity

        try:
            return value if isinstance(value, int) else quantity.size_bytes(str(value))
        except BadInput as e:
            self.fail(str(e), param, ctx)


class Pixels(click.ParamType):  # type: ignore[type-arg]
    """The size of an image, such as `500x375`."""

    name = "pixels"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Return width and height."""
        from hwbench import quantity

        try:
            return value if isinstance(value, tuple) else quantity.pixels(str(value))
        except BadInput as e:
            self.fail(str(e), param, ctx)


class Levels(click.ParamType):  # type: ignore[type-arg]
    """The levels of each hyperparameter of a grid, such as `3x3x2`."""

    name = "levels"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the levels."""
        from hwbench import quantity

        try:
            return value if isinstance(value, tuple) else quantity.levels(str(value))
        except BadInput as e:
            self.fail(str(e), param, ctx)


def workload_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--workload`, and `--model` in its place; `workload_of` reads them."""
    model = click.option(
        "--model",
        metavar="SPEC",
        help="A model of your own instead: timm:NAME, hf:NAME, FILE.py:FACTORY,"
        " package.module:factory.",
    )
    workload = click.option("--workload", metavar="W", shell_complete=names_of("workloads"))
    return workload(model(function))


def workload_of(chosen: dict[str, Any], *, needed: bool = True) -> str | None:
    """Take `model` out of the options and put what it names to `workload`; return that.

    A model of one's own is built in a child process, to find out what it is.
    """
    spec = chosen.pop("model")
    if spec is not None and chosen["workload"] is not None:
        raise click.UsageError("--workload and --model are two networks: give one of them")
    if spec is not None:
        from hwbench import model_naming
        from hwbench.child import Child
        from hwbench.render import printable

        (chosen["workload"],) = model_naming.named(
            [spec], Child, note=lambda text: click.echo(printable(text), err=True)
        )
    if needed and chosen["workload"] is None:
        raise click.UsageError("Missing option '--workload'.", click.get_current_context())
    workload: str | None = chosen["workload"]
    return workload


image_px_option = click.option(
    "--image-px",
    type=Pixels(),
    metavar="WxH",
    help="Of generated images, like yours: 500x375 unless said.",
)


AUTO = 0  # what `--batch-size auto` is as a number


class BatchSize(Count):
    """A batch size, or `auto`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; `AUTO` for auto."""
        return AUTO if value in ("auto", AUTO) else super().convert(value, param, ctx)


class Depths(click.ParamType[tuple[int, ...]]):
    """Numbers of blocks, or `auto`."""

    name = "blocks"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers in order; that of auto is `AUTO`."""
        if isinstance(value, tuple):
            return value
        if value == "auto":
            return (AUTO,)
        parts = str(value).split(",")
        if not all(p.strip().isdecimal() and int(p) > 0 for p in parts):
            self.fail(f"{value!r} is not auto, nor numbers of blocks such as 2,4", param, ctx)
        return tuple(sorted({int(p) for p in parts}))
