"""The files that RECORD arguments name: paths, and globs by name."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench.errors import BadInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A file; one that a glob matched need not be a record, one that was named must be."""

    path: Path
    by_glob: bool


def named(given: Sequence[str]) -> list[Named]:
    """Return the files in the order given, those of a glob by name and without those before them.

    Raises BadInput for a glob that no file matches.
    """
    found: list[Named] = []
    seen: set[Path] = set()
    for text in given:
        if Path(text).exists() or not glob.has_magic(text):
            found.append(Named(path=Path(text), by_glob=False))
        else:
            matches = sorted(glob.glob(text, recursive=True))
            if not matches:
                raise BadInput(f"{text}: no file matches it")
            found += [Named(path=p, by_glob=True) for m in matches if (p := Path(m)) not in seen]
        seen = {f.path for f in found}
    return found
