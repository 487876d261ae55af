"""`hwbench completion`: the line that makes the shell complete commands and names."""

import click

from hwbench.cli.options import json_option, print_json

_LINES = {
    "bash": 'eval "$(_HWBENCH_COMPLETE=bash_source hwbench)"',
    "zsh": 'eval "$(_HWBENCH_COMPLETE=zsh_source hwbench)"',
    "fish": "_HWBENCH_COMPLETE=fish_source hwbench | source",
}
_FILES = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/config.fish"}


@click.command(epilog="Example: hwbench completion bash >> ~/.bashrc")
@click.argument("shell", type=click.Choice(list(_LINES)))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print the line that turns on completion in SHELL."""
    if as_json:
        print_json({"shell": shell, "line": _LINES[shell], "file": _FILES[shell]})
        return
    click.echo(_LINES[shell])
    click.echo(f"add this line to {_FILES[shell]}", err=True)
