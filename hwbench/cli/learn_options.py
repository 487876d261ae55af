"""The options of `hwbench shortcuts --learn`, and what the command does with them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import print_json
from hwbench.errors import BadInput

_PATH = click.Path(path_type=Path)
DIGITS = "digits"

Function = Callable[..., Any]


class Sizes(click.ParamType):  # type: ignore[type-arg]
    """Sizes of a data set, such as `50,100,200` or `1k,2k`."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        """Return the numbers."""
        from hwbench import quantity

        try:
            if isinstance(value, tuple):
                return value
            return tuple(quantity.count(part) for part in str(value).split(","))
        except BadInput as e:
            self.fail(str(e), param, ctx)


class Shares(click.ParamType):  # type: ignore[type-arg]
    """Shares, such as `0,0.1,0.2`."""

    name = "shares"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} are no shares: write them as 0,0.1,0.2", param, ctx)


_OPTIONS = (
    click.option(
        "--learn",
        is_flag=True,
        help="Train for real, on --data (default: scikit-learn's digits): equal quality.",
    ),
    click.option(
        "--target-accuracy", type=float, metavar="A", help="Of --learn: what it takes to reach it."
    ),
    click.option("--seeds", type=int, metavar="N", help="Of --learn: at each size; default: 3."),
    click.option(
        "--sizes",
        type=Sizes(),
        metavar="N,N,...",
        help="Of --learn: of the data set, five at least; default: six, each twice the last.",
    ),
    click.option("--source", metavar="DATA", help="Of --learn: other data to pretrain on."),
    click.option(
        "--pretrained",
        metavar="FILE|timm:NAME|transformers:NAME",
        help="Of --learn: weights to start from, none are downloaded.",
    ),
    click.option(
        "--label-noise",
        type=Shares(),
        metavar="F,F,...",
        help="Of --learn: with such shares of wrong labels too.",
    ),
    click.option(
        "--poison",
        type=float,
        metavar="R",
        help="Of --learn: with a backdoor in that share of the data, and after screening.",
    ),
    click.option("--threads", type=click.IntRange(1), metavar="N", help="Of --learn."),
    click.option(
        "--resume", type=_PATH, metavar="FILE", help="Of --learn: go on with a .jsonl journal."
    ),
    click.option(
        "--force", is_flag=True, help="Of --learn: even if another run is measuring here."
    ),
)
# What only real trainings have, by the names of the parameters.
OWN = (
    "target_accuracy",
    "seeds",
    "sizes",
    "source",
    "pretrained",
    "label_noise",
    "poison",
    "threads",
    "resume",
    "force",
)
# What may stand beside --resume: the plan is the journal's.
WITH_RESUME = ("learn", "resume", "target_accuracy", "usd_per_h", "max_seconds", "force", "as_json")


def learn_options(function: Function) -> Function:
    """Add the options of real trainings."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def taken(chosen: dict[str, Any]) -> dict[str, Any] | None:
    """Take the options of real trainings out of `chosen`; None where none are asked for.

    Raises a usage error for one of them without --learn.
    """
    context = click.get_current_context()
    learn, own = chosen.pop("learn"), {name: chosen.pop(name) for name in OWN}
    given = [p for p in context.command.params if _given(context, p)]
    if not learn:
        for parameter in given:
            if parameter.name in OWN:
                raise click.UsageError(f"{parameter.opts[0]} is of --learn: give that too", context)
        return None
    if own["resume"] is not None:
        for parameter in given:
            if parameter.name not in WITH_RESUME:
                raise click.UsageError(
                    f"--resume takes its plan from the file, so {parameter.opts[0]} cannot stand"
                    " beside it: leave it out, or start a new study",
                    context,
                )
    return own


def _given(context: click.Context, parameter: click.Parameter) -> bool:
    name = parameter.name or ""
    source = context.get_parameter_source(name)
    said = source is click.core.ParameterSource.COMMANDLINE
    return said and context.params.get(name) != ()  # no RECORD counts as said too


def learn(
    own: dict[str, Any],
    chosen: dict[str, Any],
    out: Path | None,
    as_json: bool,
    steps_of: Callable[[dict[str, Any], float | None, Any], Any],
) -> int:
    """Train for real, print what came of it, and return the exit status.

    `steps_of(chosen, max_seconds, progress)` compares the steps; it is called where --samples or
    --tokens say of how many, and may take a third of the time.
    """
    from hwbench import learning_view, shortcuts_learn, shortcuts_view, watching
    from hwbench.render import printable

    began = time.perf_counter()
    asked = _asked(own, chosen)
    if asked.data == DIGITS:
        chosen["data"] = None  # it is no file of which a loader could be measured
    limit_s = chosen["max_seconds"]
    wanted = own["resume"] is None and (chosen["samples"] or chosen["tokens"])
    with watching.progress() as progress:
        steps = steps_of(chosen, limit_s and limit_s / 3, progress) if wanted else None
        options = shortcuts_learn.Options(
            asked=asked,
            out=out,
            resume=own["resume"],
            force=own["force"],
            argv=("hwbench", *sys.argv[1:]),
            steps=steps,
            spent_s=time.perf_counter() - began,
        )
        done = shortcuts_learn.learn(options, progress)
    if as_json:
        print_json(done.file)
    else:
        shown = [shortcuts_view.text(done.file)] if done.file.rows else []
        click.echo(printable("\n\n".join([*shown, learning_view.text(done.file)])))
    click.echo(printable(learning_view.ending(done.status, done.path)), err=True)
    return learning_view.exit_status(done.status)


def _asked(own: dict[str, Any], chosen: dict[str, Any]) -> Any:
    from hwbench.learning_asks import StudyAsked

    data = chosen["data"]
    return StudyAsked(
        workload=chosen["workload"] or "",
        data=DIGITS if data is None else str(data),
        source=own["source"],
        pretrained=own["pretrained"],
        shortcuts=chosen["shortcut_names"],
        target_accuracy=own["target_accuracy"],
        sizes=own["sizes"] or (),
        seeds=3 if own["seeds"] is None else own["seeds"],
        epochs=chosen["epochs"],
        scratch_epochs=chosen["scratch_epochs"],
        batch_size=chosen["batch_size"],
        device=chosen["device"],
        dtype=chosen["dtype"],
        threads=own["threads"],
        max_seconds=chosen["max_seconds"],
        label_noise=own["label_noise"] or (),
        poison=own["poison"],
        tasks=chosen["tasks"],
        sharing=chosen["sharing"],
        usd_per_h=chosen["usd_per_h"],
        level=chosen["level"],
    )
