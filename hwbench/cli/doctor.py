"""`hwbench doctor`: what this machine is and what can be measured on it."""

import click

from hwbench.cli.options import json_option, print_json


@click.command(epilog="Example: hwbench doctor --json")
@json_option
def command(as_json: bool) -> None:
    """Say what this machine is, what can be measured, and what is missing.

    For each thing missing: why, and the line that installs it. Nothing is changed.
    """
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
