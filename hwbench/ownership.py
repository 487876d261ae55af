"""Owning a machine against renting another for the same work, as curves: over hours, and use."""

from dataclasses import dataclass

from hwbench.bounds import Fraction, NonNegativeFloat, PositiveFloat

Curve = tuple[NonNegativeFloat, ...]


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """Costs over hours of the owned machine's use in its life, and of a used hour over its use.

    Rented is what the other machine costs for the same work; its interval is of both trainings'
    times, that of owning of the power. Where they are equal is null with the reason.
    """

    owned: str
    rented: str
    level: Fraction
    life_h: PositiveFloat
    hours: tuple[PositiveFloat, ...]
    owned_usd: Curve  # the purchase less the residual value, and electricity
    owned_usd_low: Curve
    owned_usd_high: Curve
    rented_usd: Curve
    rented_usd_low: Curve
    rented_usd_high: Curve
    utilisation_frac: tuple[Fraction, ...]
    owned_usd_per_h: Curve  # interest, opex and idle power in it
    owned_usd_per_h_low: Curve
    owned_usd_per_h_high: Curve
    rented_usd_per_h: PositiveFloat
    rented_usd_per_h_low: PositiveFloat
    rented_usd_per_h_high: PositiveFloat
    equal_h: PositiveFloat | None
    equal_h_reason: str | None
    equal_frac: PositiveFloat | None  # of all hours
    equal_frac_reason: str | None
