"""Times, money, energy and emissions of a training as people plan in them."""

from hwbench.estimated import Plan
from hwbench.render import count, digits
from hwbench.units import J_PER_KWH, S_PER_DAY, S_PER_H, S_PER_MIN


def duration(value: float) -> str:
    """Return a time as people plan in it: `40 s`, `25 min`, `7.2 h`, `3.1 d`."""
    if value < 120:
        return f"{digits(value)} s" if value else "0 s"
    if value < 2 * S_PER_H:
        return f"{value / S_PER_MIN:.0f} min"
    if value < 2 * S_PER_DAY:
        return f"{digits(value / S_PER_H)} h"
    return f"{digits(value / S_PER_DAY)} d"


def usd(value: float) -> str:
    """Return an amount of money."""
    if value and value < 0.01:
        return f"${value:.1g}"
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


def kwh(value: float) -> str:
    """Return joules as kWh, of little as Wh."""
    energy = value / J_PER_KWH
    return f"{digits(energy)} kWh" if energy >= 0.1 else f"{digits(energy * 1e3)} Wh"


def grams(value: float) -> str:
    """Return CO2 equivalents in g, kg or t."""
    if value < 1e3:
        return f"{digits(value)} g"
    return f"{digits(value / 1e3)} kg" if value < 1e6 else f"{digits(value / 1e6)} t"


def dataset(plan: Plan) -> str:
    """Return the size of a plan's dataset: its samples, and of sequences the tokens."""
    said = f"{plan.samples:,} samples"
    if plan.tokens_per_sample is None:
        return said
    tokens = plan.samples * plan.tokens_per_sample
    return f"{said} of {plan.tokens_per_sample:,} tokens, {count(tokens)} in all"
