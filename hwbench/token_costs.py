"""Dollars of a million tokens on a machine at a price an hour, beside a hosted service's price."""

from hwbench.estimate_value import Estimate
from hwbench.tokens import Load, TokenCost
from hwbench.units import S_PER_H

HOURS_PER_MONTH = 730.0
MILLION = 1e6
SPREAD = 0.05  # of the requests a second that are simulated [assumed]


def cost(
    usd_per_h: float | None,
    hosted_usd_per_m: float | None,
    at: Load | None,
    most_per_s: float,
    tokens: float,
    output_tokens: float,
) -> TokenCost | None:
    """Return the cost at a load, or where none was asked of a machine that is always full.

    `tokens` are those of a request, prompt and answer; None without a price.
    """
    if usd_per_h is None:
        return None
    served = most_per_s if at is None else min(at.requests_per_s, most_per_s)

    def per_million(each: float) -> Estimate:
        point = usd_per_h / (served * each * S_PER_H) * MILLION
        # What is asked is served whatever the machine's speed, as long as it keeps up.
        wide = SPREAD if at is None or not at.keeps_up else 0.0
        return Estimate(point=point, low=point * (1 - wide), high=point * (1 + wide), level=0.9)

    even = reach = None
    why = "no price of a hosted service was given: --hosted-usd-per-m"
    if hosted_usd_per_m is not None:
        even = usd_per_h * HOURS_PER_MONTH / hosted_usd_per_m * MILLION
        reach = most_per_s * tokens * S_PER_H * HOURS_PER_MONTH >= even
        why = ""
    return TokenCost(
        usd_per_h=usd_per_h,
        usd_per_m_tokens=per_million(tokens),
        usd_per_m_output_tokens=per_million(output_tokens),
        hosted_usd_per_m_tokens=hosted_usd_per_m,
        break_even_tokens_per_month=even,
        within_reach=reach,
        reason=why or None,
    )
