"""`hwbench doctor`: what this machine is and what can be measured on it."""

import click

from hwbench.cli.options import json_option, print_json


@click.command(epilog="Example: hwbench doctor --json")
@click.option(
    "--tune-advice",
    is_flag=True,
    help="Only list settings that would make figures higher or steadier, with the command.",
)
@json_option
def command(tune_advice: bool, as_json: bool) -> None:
    """Say what this machine is, what can be measured, and what is missing.

    For each thing missing: why, and the line that installs it. Nothing is changed.
    """
    if tune_advice:
        _tune(as_json)
    else:
        _examine(as_json)


def _tune(as_json: bool) -> None:
    from hwbench import tuning, tuning_view

    found = tuning.examine()
    if as_json:
        print_json(found)
    else:
        click.echo(tuning_view.tuning(found))


def _examine(as_json: bool) -> None:
    from hwbench import doctor, host, registry, views
    from hwbench.child import Child
    from hwbench.probed import RuntimeFacts
    from hwbench.probing import probe

    def probed() -> tuple[RuntimeFacts, ...]:
        return tuple(probe(registry.runtimes().items, environment.cpu.cores, Child).values())

    environment = host.environment()
    findings = doctor.examine(probed, environment=environment)
    if as_json:
        print_json(findings)
    else:
        click.echo(views.findings(findings))
