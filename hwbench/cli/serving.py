"""`hwbench serving`: prompts, tokens, a mix of requests, and dollars of a million tokens."""

import sys
from pathlib import Path
from typing import Any

import click

from hwbench.cli.options import Count, Depths, Duration, json_option, print_json

_PATH = click.Path(path_type=Path)
_POSITIVE = click.FloatRange(0.0, min_open=True)


@click.command(
    epilog="Example: hwbench serving gpt2_small --prompt 64-512 --output 128 --usd-per-h 0.4"
)
@click.argument("workload", metavar="MODEL")
@click.option("--prompt", default="512", show_default=True, metavar="N|A-B", help="Its tokens.")
@click.option("--output", default="128", show_default=True, metavar="N|A-B", help="Of an answer.")
@click.option(
    "--blocks",
    type=Depths(),
    metavar="K,...",
    help="Measure so many of its blocks, and tell the whole from the line: 1,2, or auto.",
)
@click.option(
    "--requests",
    type=_PATH,
    metavar="FILE",
    help="Requests as you see them, JSON lines of prompt and output: tokens, or texts.",
)
@click.option(
    "--batch-size",
    multiple=True,
    type=Count(),
    metavar="N",
    help="Requests decoded at once, up to the largest. Default: 1 to 8.",
)
@click.option(
    "--requests-per-s", multiple=True, type=_POSITIVE, metavar="F", help="Simulate this rate."
)
@click.option("--latency-bound", type=Duration(), metavar="DUR", help="Of the 90th percentile.")
@click.option("--usd-per-h", type=_POSITIVE, metavar="X", help="The price of this machine.")
@click.option(
    "--hosted-usd-per-m",
    type=_POSITIVE,
    metavar="Y",
    help="A hosted service's price of a million tokens: from which volume on is it dearer?",
)
@click.option(
    "--on",
    multiple=True,
    metavar="WHERE",
    help="Tell of instances too: PROVIDER:SKU, a glob such as 'aws:g6*', or all.",
)
@click.option("--catalog", type=_PATH, metavar="FILE", help="A company's own prices.")
@click.option("--device", default="cpu", show_default=True, metavar="D")
@click.option("--dtype", default="float32", show_default=True, metavar="T")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="CPU threads of a pass.")
@click.option("--out", type=_PATH, metavar="FILE", help="Keep it as JSON.")
@click.option("--force", is_flag=True, help="Measure even if a run is measuring here.")
@json_option
def command(as_json: bool, **chosen: Any) -> int:
    """Measure prompts and next tokens of a language model, and tell what serving it comes to.

    Keys and values are kept in a static cache. A mix of requests is simulated by continuous
    batching from the measured passes: latencies, the load that meets a bound, dollars.
    """
    from hwbench import serve_tokens, serving_view, watching
    from hwbench.render import printable

    sizes = chosen.pop("batch_size") or serve_tokens.BATCHES
    options = serve_tokens.Options(
        workload=chosen["workload"],
        prompt=chosen["prompt"],
        output=chosen["output"],
        requests=chosen["requests"],
        blocks=chosen["blocks"] or (),
        batch_sizes=tuple(sizes),
        requests_per_s=tuple(chosen["requests_per_s"]),
        latency_bound_s=chosen["latency_bound"],
        usd_per_h=chosen["usd_per_h"],
        hosted_usd_per_m=chosen["hosted_usd_per_m"],
        on=chosen["on"],
        catalog=chosen["catalog"],
        device=chosen["device"],
        dtype=chosen["dtype"],
        threads=chosen["threads"],
        out=chosen["out"],
        force=chosen["force"],
        argv=("hwbench", *sys.argv[1:]),
    )
    with watching.progress() as progress:
        done = serve_tokens.serve(options, progress)
    if as_json:
        print_json(done)
    else:
        click.echo(printable(serving_view.text(done)))
    return 0
