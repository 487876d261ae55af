"""What a number in a record must satisfy, as annotations that `codec` and `json_schema` read."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True)
class Bound:
    """Limits of a number; that it is finite is asked for besides."""

    above: float | None = None
    least: float | None = None
    most: float | None = None


PositiveFloat = Annotated[float, Bound(above=0.0)]
NonNegativeFloat = Annotated[float, Bound(least=0.0)]
PositiveInt = Annotated[int, Bound(least=1)]
NonNegativeInt = Annotated[int, Bound(least=0)]
Fraction = Annotated[float, Bound(least=0.0, most=1.0)]
