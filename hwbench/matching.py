"""Which cases `--only` and `--exclude` leave."""

import fnmatch
import re
from collections.abc import Collection, Mapping, Sequence

from hwbench.case import Case
from hwbench.errors import BadInput


def matching(cases: Mapping[str, Case], only: Sequence[str], exclude: Sequence[str]) -> list[Case]:
    """Keep what `--only` and `--exclude` leave; raise where a glob or the whole leaves nothing."""
    for option, globs in (("--only", only), ("--exclude", exclude)):
        for glob in globs:
            if not fnmatch.filter(cases, glob):
                raise BadInput(_no_match(option, glob, cases))
    chosen = [
        case
        for name, case in cases.items()
        if (not only or any(fnmatch.fnmatchcase(name, g) for g in only))
        and not any(fnmatch.fnmatchcase(name, g) for g in exclude)
    ]
    if not chosen:
        raise BadInput(
            "no case is left to run: --only, --exclude and the other options"
            " leave none of the profile's; see `hwbench run --dry-run`"
        )
    return chosen


def _no_match(option: str, glob: str, ids: Collection[str]) -> str:
    """Say that a glob matches nothing, with the ids that come nearest to it, word by word."""
    from difflib import SequenceMatcher

    words = [w for w in re.split(r"[*?/\[\]]+", glob) if w]
    likeness = {
        (word, part): SequenceMatcher(None, word, part).ratio()
        for word in words
        for part in {part for i in ids for part in i.split("/")}
    }

    def near(name: str) -> float:
        return sum(max(likeness[word, part] for part in name.split("/")) for word in words)

    shown = "  ".join(sorted(ids, key=near, reverse=True)[:3])
    return f"{option} {glob}: matches no case id of the profile; near: {shown}"
