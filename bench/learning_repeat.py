"""Whether a study of real trainings, made twice, ranks alike what is more than a fifth apart.

`python -m bench.learning_repeat A.json B.json`: samples and time to the target accuracy, as the two
files of `hwbench shortcuts --learn` have them, and every pair that either tells more than 20 %
apart and the other ranks the other way.
"""

import argparse
import itertools
from pathlib import Path

from hwbench import shortcuts_file

APART = 1.2
Ranks = dict[str, dict[str, float]]


def ranks(path: Path) -> Ranks:
    """Return samples and seconds to the target by shortcut."""
    found: Ranks = {"samples": {}, "time_s": {}}
    for curve in shortcuts_file.load(path).curves:
        target = curve.to_target
        for what, by in found.items():
            figure = getattr(target, what, None)
            if figure is not None:
                by[curve.shortcut] = figure.point
    return found


def turned(one: dict[str, float], two: dict[str, float]) -> list[tuple[str, str]]:
    """Return the pairs more than a fifth apart in a file that the other ranks otherwise."""
    return [
        (a, b)
        for a, b in itertools.combinations(sorted(set(one) & set(two)), 2)
        if any(max(f[a], f[b]) / min(f[a], f[b]) > APART for f in (one, two))
        and (one[a] < one[b]) != (two[a] < two[b])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs=2, type=Path)
    one, two = map(ranks, parser.parse_args().files)
    for what in one:
        print(f"| to the target, {what} | first | second |\n|---|---|---|")
        for name in one[what]:
            print(f"| {name} | {one[what][name]:,.1f} | {two[what].get(name, float('nan')):,.1f} |")
        pairs = turned(one[what], two[what])
        print(f"ranked the other way, of those more than 20 % apart: {pairs or 'none'}\n")


if __name__ == "__main__":
    main()
