"""Dollars of a million tokens on a machine at a price an hour, beside a hosted service's price."""

from hwbench.estimate_value import Estimate, reciprocal
from hwbench.tokens import Load, TokenCost, TokenEnergy
from hwbench.units import S_PER_H

HOURS_PER_MONTH = 730.0
MILLION = 1e6


def cost(
    usd_per_h: float | None,
    hosted_usd_per_m: float | None,
    at: Load | None,
    most_per_s: Estimate,
    tokens: float,
    output_tokens: float,
) -> TokenCost | None:
    """Return the cost at a load, or where none was asked of a machine that is always full.

    `tokens` are those of a request, prompt and answer; None without a price. What is asked is
    served whatever the machine's speed, as long as it keeps up: then the cost is exact.
    """
    if usd_per_h is None:
        return None
    full = at is None or not at.keeps_up
    served = most_per_s.point if full or at is None else at.requests_per_s

    def per_million(each: float) -> Estimate:
        def dollars(rate: float) -> float:
            return usd_per_h / (rate * each * S_PER_H) * MILLION

        low, high = (most_per_s.high, most_per_s.low) if full else (served, served)
        return Estimate(
            point=dollars(served), low=dollars(low), high=dollars(high), level=most_per_s.level
        )

    even = reach = None
    why = "no price of a hosted service was given: --hosted-usd-per-m"
    if hosted_usd_per_m is not None:
        even = usd_per_h * HOURS_PER_MONTH / hosted_usd_per_m * MILLION
        reach = most_per_s.point * tokens * S_PER_H * HOURS_PER_MONTH >= even
        why = ""
    return TokenCost(
        usd_per_h=usd_per_h,
        requests_per_s=served,
        usd_per_m_tokens=per_million(tokens),
        usd_per_m_output_tokens=per_million(output_tokens),
        hosted_usd_per_m_tokens=hosted_usd_per_m,
        break_even_tokens_per_month=even,
        within_reach=reach,
        reason=why or None,
    )


def energy(
    power_w: float | None, covers: str, most_per_s: Estimate, tokens: float
) -> TokenEnergy | None:
    """Return what a full machine of this mean power takes for a million tokens; None without it."""
    if power_w is None:
        return None
    each = reciprocal(power_w * MILLION / tokens, most_per_s)
    return TokenEnergy(power_w=power_w, covers=covers, joules_per_m_tokens=each)
