"""The command line: parse, call one verb, render once, map errors to exit statuses."""

import importlib
import os
import sys

import click

import hwbench
from hwbench.errors import HwbenchError

# name -> module; a command is imported when it is called or when help lists it.
COMMANDS = {
    "doctor": "hwbench.cli.doctor",
    "list": "hwbench.cli.listing",
    "run": "hwbench.cli.run",
    "estimate": "hwbench.cli.estimate",
    "shortcuts": "hwbench.cli.shortcuts",
    "inspect": "hwbench.cli.inspect",
    "advise": "hwbench.cli.advise",
    "serving": "hwbench.cli.serving",
    "memory": "hwbench.cli.memory",
    "validate": "hwbench.cli.validate",
    "compare": "hwbench.cli.compare",
    "export": "hwbench.cli.export",
    "power": "hwbench.cli.power",
    "plot": "hwbench.cli.plot",
    "report": "hwbench.cli.report",
    "instances": "hwbench.cli.instances",
    "completion": "hwbench.cli.completion",
}

INTERRUPTED = 130


class Group(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command and return it."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which ones come near."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from hwbench.errors import UnknownName

            raise UnknownName("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: hwbench run --profile smoke",
)
@click.version_option(hwbench.__version__, prog_name="hwbench")
def cli() -> None:
    """How long, how much energy and how much money will this training take?

    hwbench measures training and inference on this machine - torch, jax, onnxruntime, on CPU and
    GPU - and keeps what it measured in a record that can be checked.
    """


def main() -> None:
    """Run the command line and exit with the contract's status."""
    sys.exit(status_of(sys.argv[1:]))


def status_of(arguments: list[str]) -> int:
    """Run one command and return its exit status; nothing but a message reaches the user."""
    output = sys.stdout
    try:
        result = cli.main(args=arguments or ["--help"], prog_name="hwbench", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.ClickException as e:
        where = getattr(e, "ctx", None)
        command = where.command_path if where else "hwbench"
        return _say(f"{e.format_message()} (see `{command} --help`)", e.exit_code)
    except HwbenchError as e:
        return _say(str(e), e.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", INTERRUPTED)
    except SystemExit:
        # click has put a silent stream here if the reader of our output is gone: no error.
        if sys.stdout is not output:
            return 0
        raise
    except Exception as e:
        if os.environ.get("HWBENCH_TRACEBACK"):
            raise
        return _say(
            f"internal error: {type(e).__name__}: {e}; please report it with the output of"
            " the same command under HWBENCH_TRACEBACK=1",
            1,
        )


def _say(message: str, status: int) -> int:
    """Print one line for the user and return the status."""
    click.echo(f"hwbench: {' '.join(message.split())}", err=True)
    return status
