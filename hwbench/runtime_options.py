"""How a runtime executes, by `--runtime-option NAME=VALUE`: each way is a case of its own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from hwbench import registry
from hwbench.case import Case
from hwbench.errors import BadInput, UnknownName


def check(asked: Sequence[str], runtimes: Sequence[str]) -> None:
    """Raise BadInput, or UnknownName with the near ones, for what none of the runtimes takes.

    `runtimes` are those asked for; none: all that there are.
    """
    shelf = registry.runtimes()
    have = {name: shelf[name].options for name in runtimes or shelf.items}
    for name, value in map(_parted, asked):
        takers = {r: options[name] for r, options in have.items() if name in options}
        if not takers:
            every = dict.fromkeys(n for options in have.values() for n in options)
            if not every:
                raise BadInput(
                    f"--runtime-option {name}={value}: {', '.join(have)} has no such options:"
                    " onnxruntime, openvino and litert have"
                )
            raise UnknownName("runtime option", name, every)
        if not any(value in values for values in takers.values()):
            raise BadInput(
                f"--runtime-option {name}={value}: is none of its values:"
                f" {', '.join(next(iter(takers.values())))}"
            )
    names = [name for name, _ in map(_parted, asked)]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice:
        raise BadInput(f"--runtime-option {twice}: is given twice: make a run of each")


def _parted(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise BadInput(f"--runtime-option {text}: is not NAME=VALUE, such as graph=basic")
    return name, value


def applied(cases: Iterable[Case], asked: Sequence[str]) -> Iterator[Case]:
    """Yield the cases, those of runtimes that have an option with its value."""
    wanted = list(map(_parted, asked))
    for case in cases:
        options = registry.runtimes()[case.runtime].options if wanted else {}
        own = {name: value for name, value in wanted if value in options.get(name, ())}
        yield replace(case, options={**case.options, **own}) if own else case
