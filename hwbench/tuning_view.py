"""What `hwbench doctor --tune-advice` looks like as text."""

import textwrap

from hwbench.render import NOTHING, printable
from hwbench.tuning import Setting, Tuning

_WIDTH = 80
_TITLES = {True: "would help", False: "right already", None: "not told by this system"}


def tuning(value: Tuning) -> str:
    """Return the settings that would help, those that are right, and those not told."""
    parts = []
    for would_help, title in _TITLES.items():
        rows = [_setting(s) for s in value.settings if s.would_help is would_help]
        if rows:
            parts.append("\n".join([f"{title}:", *rows]))
    return printable("\n\n".join([*parts, value.note]))


def _setting(s: Setting) -> str:
    """Return a setting in lines of a terminal's width; the command is one line, to be copied."""
    told = f"{s.setting}: {s.found or NOTHING}; {s.why}"
    lines = [textwrap.fill(told, _WIDTH, initial_indent="  ", subsequent_indent="      ")]
    if s.command is not None:
        lines.append(f"      -> {s.command}")
    return "\n".join(lines)
