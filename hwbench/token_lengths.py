"""Lengths of prompts and answers: `512`, `64-1024` equally often at each scale, or a file's own."""

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench.errors import BadInput

POINTS = 5  # of lengths between the shortest and the longest prompt that are measured
FIELDS = ("prompt", "output")
WORDS = "texts were counted by words, of which a tokenizer makes more tokens: about 4 of 3"


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """From `least` to `most` tokens; uniform on a scale of logarithms."""

    least: int
    most: int

    @property
    def mean(self) -> float:
        """Return the mean number of tokens."""
        if self.least == self.most:
            return float(self.least)
        return (self.most - self.least) / math.log(self.most / self.least)

    def drawn(self, rng: random.Random) -> int:
        """Draw a length."""
        low, high = math.log(self.least), math.log(self.most)
        return min(self.most, max(self.least, round(math.exp(rng.uniform(low, high)))))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Of requests, prompt and answer: by ranges, or `pairs` that were seen."""

    prompt: Lengths
    output: Lengths
    pairs: tuple[tuple[int, int], ...] = ()
    note: str = ""

    @property
    def longest(self) -> int:
        """Return the most tokens of a request, prompt and answer."""
        if self.pairs:
            return max(p + o for p, o in self.pairs)
        return self.prompt.most + self.output.most

    @property
    def means(self) -> tuple[float, float]:
        """Return the mean tokens of a prompt and of an answer."""
        if not self.pairs:
            return self.prompt.mean, self.output.mean
        prompts, outputs = zip(*self.pairs, strict=True)
        return sum(prompts) / len(prompts), sum(outputs) / len(outputs)

    def drawn(self, rng: random.Random) -> tuple[int, int]:
        """Draw a request: one of those seen, or each part by its range."""
        if self.pairs:
            return rng.choice(self.pairs)
        return self.prompt.drawn(rng), self.output.drawn(rng)


def parse(option: str, text: str) -> Lengths:
    """Return the lengths of a text; raise BadInput for what is none."""
    low, dash, high = text.partition("-")
    parts = [low, high] if dash else [low, low]
    if not all(p.isdecimal() and int(p) > 0 for p in parts) or int(parts[0]) > int(parts[1]):
        raise BadInput(f"{option} {text}: is no number of tokens, nor a range such as 64-1024")
    return Lengths(least=int(parts[0]), most=int(parts[1]))


def of_file(path: Path) -> Sizes:
    """Return the requests of a JSON-lines file: `prompt` and `output`, tokens or texts.

    A text counts by its words, which is said. Raises BadInput with the line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise BadInput(f"--requests {path}: cannot be read: {e}") from None
    told = [_request(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    if not told:
        raise BadInput(f"--requests {path}: has no request: a line is {_example()}")
    pairs = tuple((p[0], o[0]) for p, o in told)
    words = any(by_words for request in told for _, by_words in request)
    return Sizes(
        prompt=_range([p for p, _ in pairs]),
        output=_range([o for _, o in pairs]),
        pairs=pairs,
        note=f"{len(pairs):,} requests of {path.name}, drawn as they are" + f"; {WORDS}" * words,
    )


def _range(values: Sequence[int]) -> Lengths:
    return Lengths(least=min(values), most=max(values))


def _request(path: Path, number: int, line: str) -> list[tuple[int, bool]]:
    """Return (tokens, whether words stand for them) of each part of a request."""
    where = f"--requests {path}: line {number}"
    try:
        found = json.loads(line)
    except ValueError as e:
        raise BadInput(f"{where}: is no JSON ({e}): a line is {_example()}") from None
    if not isinstance(found, dict):
        raise BadInput(f"{where}: is no object: a line is {_example()}")
    return [_tokens(where, name, found.get(name)) for name in FIELDS]


def _tokens(where: str, name: str, value: object) -> tuple[int, bool]:
    if isinstance(value, str) and value.split():
        return len(value.split()), True
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value, False
    raise BadInput(f"{where}: {name} is {value!r}, no number of tokens and no text: {_example()}")


def _example() -> str:
    return '{"prompt": 512, "output": 96}'


def sizes(prompt: str, output: str, file: Path | None) -> Sizes:
    """Return the lengths that were asked: a file's requests where one is given."""
    if file is not None:
        return of_file(file)
    return Sizes(prompt=parse("--prompt", prompt), output=parse("--output", output))


def mix(asked: Sizes, count: int, seed: tuple[int, int]) -> list[tuple[int, int]]:
    """Draw requests, prompt and answer, the same ones for a seed."""
    rng = random.Random(str(seed))
    return [asked.drawn(rng) for _ in range(count)]


def prompts_to_measure(drawn: Sequence[int]) -> tuple[int, ...]:
    """Return lengths of prompts that occur: the shortest, the longest, and quantiles between.

    Round ones would flatter: matrix products of 64 or 128 rows run faster than those of 71.
    """
    ordered = sorted(drawn)
    last = len(ordered) - 1
    found = {ordered[round(q * last / POINTS)] for q in range(POINTS + 1)}
    if len(found) == 1:  # one length: what is shorter is told with it
        n = ordered[0]
        found |= {max(1, n // 4), max(1, n // 2)}
    return tuple(sorted(found))


def notes(asked: Sizes) -> tuple[str, ...]:
    """Return what a reader must know of requests that were drawn."""
    parts = (("prompts", asked.prompt), ("answers", asked.output))
    ranges = [n for n, x in parts if x.least != x.most and not asked.pairs]
    found = ["weights are random and answers as long as was asked: what is said is of speed alone"]
    if asked.note:
        found.append(asked.note)
    if ranges:
        found.append(f"{' and '.join(ranges)} are drawn equally often at each scale between")
    return tuple(found)
