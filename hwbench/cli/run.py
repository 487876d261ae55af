"""`hwbench run`: measure this machine and keep the record."""

import sys
from pathlib import Path
from typing import Any

import click

from hwbench.cli.meter_options import meter_options, wish_of
from hwbench.cli.options import (
    AUTO,
    BatchSize,
    Depths,
    Duration,
    Size,
    json_option,
    names_of,
    print_json,
)

_PATH = click.Path(path_type=Path)


@click.command(epilog="Example: hwbench run --profile quick --only '*resnet18*' --threads 2")
@click.option(
    "--profile",
    default="quick",
    show_default=True,
    shell_complete=names_of("profiles"),
    help="Which cases, and how they are visited (`hwbench list profiles`).",
)
@click.option("--only", multiple=True, metavar="GLOB", help="Only cases whose id matches.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="No cases whose id matches.")
@click.option(
    "--runtime", multiple=True, metavar="R", shell_complete=names_of("runtimes"), help="Runtimes."
)
@click.option("--device", multiple=True, metavar="D", help="Devices: cpu, cuda:0, ...")
@click.option("--dtype", multiple=True, metavar="T", help="float32, tf32, bfloat16, float16, int8.")
@click.option(
    "--batch-size",
    multiple=True,
    type=BatchSize(),
    metavar="N|auto",
    help="Of workloads; auto looks for the best and for the largest that fits.",
)
@click.option(
    "--model",
    multiple=True,
    metavar="SPEC",
    shell_complete=names_of("workloads"),
    help="Workloads instead of the profile's, or a model of your own: timm:NAME, hf:NAME,"
    " FILE.py:FACTORY, package.module:factory, model.onnx.",
)
@click.option(
    "--blocks",
    type=Depths(),
    metavar="K,...|auto",
    help="Cut the models to so many of their blocks, and tell the whole from the line: 2,4.",
)
@click.option(
    "--shape",
    multiple=True,
    metavar="NAME=N",
    help="A size that an ONNX file leaves open.",
)
@click.option(
    "--pretrained", is_flag=True, help="A model of timm or hf with the weights of their cache."
)
@click.option(
    "--shortcut",
    multiple=True,
    metavar="S|all",
    shell_complete=names_of("shortcuts"),
    help="Training by this shortcut too, beside the network's own step.",
)
@click.option(
    "--setting",
    multiple=True,
    metavar="S",
    shell_complete=names_of("settings"),
    help="Training with this setting too, beside the plain step: channels_last+fused.",
)
@click.option(
    "--hardening",
    multiple=True,
    metavar="SPEC",
    help="Robust or private training too: pgd-7, free-4, fast, private.",
)
@click.option(
    "--scenario",
    multiple=True,
    metavar="S",
    help="Inference as single_stream, multi_stream, offline or server; nothing else is run.",
)
@click.option(
    "--latency-bound",
    type=Duration(),
    metavar="DUR",
    help="What server's 99th percentile must stay within: 50ms, 2s.",
)
@click.option(
    "--edge-profile",
    multiple=True,
    metavar="P",
    shell_complete=names_of("edge-profiles"),
    help="Inference under a small device's limits, in float32 and int8: phone, drone, ...",
)
@click.option(
    "--memory",
    type=Size(),
    metavar="SIZE",
    help="What a model may take under an edge profile, instead of the profile's own: 512MB.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0.0, min_open=True),
    metavar="F",
    help="Inferences a second that an edge device's battery is told at.",
)
@click.option(
    "--device-record",
    type=_PATH,
    metavar="RECORD",
    help="Made on the edge profile's device: latencies there are told by it, not by peaks.",
)
@click.option(
    "--runtime-option",
    multiple=True,
    metavar="NAME=VALUE",
    help="How a runtime executes (`hwbench list runtimes`): graph=basic, provider=xnnpack, ...",
)
@click.option(
    "--against",
    metavar="SIDE",
    help="Visit each case by another side in turn: a revision, a checkout, a Python environment,"
    " NAME=VALUE, threads=N; then `hwbench compare RECORD`.",
)
@click.option(
    "--data",
    type=_PATH,
    metavar="PATH",
    help="Train on your data too: what a step waits for the loader, with 0, 1, ... processes.",
)
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads of each runtime.")
@click.option(
    "--processes",
    type=click.IntRange(1),
    metavar="N",
    help="Visit each case in N rounds, each in a fresh process.",
)
@click.option(
    "--precision",
    type=click.FloatRange(0.0, 0.5, min_open=True),
    metavar="X",
    help="Visit a case until half the interval of its median is X of it (default 0.01).",
)
@click.option(
    "--soak",
    type=Duration(),
    metavar="DUR",
    help="Run each case so long before every visit, for a warm device.",
)
@click.option(
    "--sustained",
    type=Duration(),
    metavar="DUR",
    help="Then run each network so long without a pause: does the device hold its speed?",
)
@click.option(
    "--max-seconds", type=Duration(), metavar="S", help="Of the whole run; the rest is left out."
)
@click.option(
    "--max-usd",
    type=click.FloatRange(0.0, min_open=True),
    metavar="X",
    help="What the run may cost on a rented machine: ends it, as --max-seconds does.",
)
@click.option(
    "--usd-per-h",
    type=click.FloatRange(0.0, min_open=True),
    metavar="Y",
    help="Its price; default: the catalogue's of the cloud instance that this is.",
)
@meter_options
@click.option("--out", type=_PATH, metavar="FILE", help="The record; default: in results/.")
@click.option("--resume", type=_PATH, metavar="FILE", help="Finish a record or its .jsonl journal.")
@click.option("--dry-run", is_flag=True, help="Only say which cases there are and how long.")
@click.option("--force", is_flag=True, help="Run even if another run is measuring here.")
@click.option("--hostname", is_flag=True, help="Put the host's name into the record, not its hash.")
@json_option
def command(profile: str, dry_run: bool, as_json: bool, resume: Path | None, **chosen: Any) -> int:
    """Measure training and inference on this machine and keep the record.

    Every case is visited in rounds, in child processes; its answer is checked before it is timed.
    Ctrl-C keeps all that is finished, and --resume goes on from there.
    """
    from hwbench import model_spec, views, watching
    from hwbench import run as verb
    from hwbench.render import printable
    from hwbench.selection import Selection

    options = verb.Options(
        profile=profile,
        selection=Selection(
            only=chosen["only"],
            exclude=chosen["exclude"],
            runtimes=chosen["runtime"],
            devices=chosen["device"],
            dtypes=chosen["dtype"],
            batch_sizes=tuple(n for n in chosen["batch_size"] if n != AUTO),
            auto_batch=AUTO in chosen["batch_size"],
            models=model_spec.with_shapes(chosen["model"], chosen["shape"]),
            blocks=chosen["blocks"] or (),
            pretrained=chosen["pretrained"],
            shortcuts=chosen["shortcut"],
            settings=chosen["setting"],
            hardenings=chosen["hardening"],
            against=chosen["against"],
            threads=chosen["threads"],
            processes=chosen["processes"],
            max_seconds=_limit_s(chosen),
            precision=chosen["precision"],
            soak_s=chosen["soak"],
            runtime_options=chosen["runtime_option"],
            scenarios=chosen["scenario"],
            latency_bound_s=chosen["latency_bound"],
            edge_profiles=chosen["edge_profile"],
            model_memory_bytes=chosen["memory"],
            rate_per_s=chosen["rate"],
        ),
        energy=wish_of(chosen),
        data=chosen["data"],
        device_record=chosen["device_record"],
        sustained_s=chosen["sustained"],
        out=chosen["out"],
        resume=resume,
        force=chosen["force"],
        hostname=chosen["hostname"],
        argv=("hwbench", *sys.argv[1:]),
    )
    _refuse_with_resume(resume)
    if dry_run:
        plan = verb.make_plan(options)
        print_json(plan) if as_json else click.echo(views.plan(plan))
        return 0
    with watching.progress() as progress:
        outcome = verb.run(options, progress)
    if as_json:
        print_json(outcome.record)
    else:
        click.echo(printable(views.record(outcome.record)))
    click.echo(printable(views.ending(outcome)), err=True)
    return views.status(outcome)


def _limit_s(chosen: dict[str, Any]) -> float | None:
    """Return the smaller of --max-seconds and what --max-usd buys."""
    if chosen["usd_per_h"] is not None and chosen["max_usd"] is None:
        raise click.UsageError("--usd-per-h is the price for --max-usd: give both")
    if chosen["max_usd"] is None:
        limit: float | None = chosen["max_seconds"]
        return limit
    from hwbench import spending

    cap_s = spending.capped_s(chosen["max_usd"], chosen["usd_per_h"])
    return spending.shorter_s(chosen["max_seconds"], cap_s)


# What may stand beside --resume: the plan comes from the file.
_WITH_RESUME = ("resume", "force", "as_json", "hostname", "model", "pretrained")


def _refuse_with_resume(resume: Path | None) -> None:
    """Raise a usage error if an option beside --resume asks for another plan."""
    if resume is None:
        return
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if name not in _WITH_RESUME and source is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(
                f"--resume takes its plan from the file, so {parameter.opts[0]} cannot"
                " stand beside it: leave it out, or start a new run",
                context,
            )
