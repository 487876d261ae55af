"""Lengths of prompts and answers: `512`, or `64-1024`, equally often at each scale between."""

import math
import random
from dataclasses import dataclass

from hwbench.errors import BadInput


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


def parse(option: str, text: str) -> Lengths:
    """Return the lengths of a text; raise BadInput for what is none."""
    low, dash, high = text.partition("-")
    parts = [low, high] if dash else [low, low]
    if not all(p.isdecimal() and int(p) > 0 for p in parts) or int(parts[0]) > int(parts[1]):
        raise BadInput(f"{option} {text}: is no number of tokens, nor a range such as 64-1024")
    return Lengths(least=int(parts[0]), most=int(parts[1]))
