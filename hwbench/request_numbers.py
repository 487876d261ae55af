"""The numbers of an estimate's request: which of them cannot be."""

import math

from hwbench.errors import BadInput
from hwbench.estimate_request import Request

MOST_LEVEL = 0.999  # more than the draws can tell


def check(request: Request) -> None:
    """Raise BadInput naming the option, what was found and what it may be."""
    for option, value in _positive(request).items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise BadInput(f"{option} must be above 0, found {value:g}")
    for option, value in _not_negative(request).items():
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise BadInput(f"{option} must be 0 or more, found {value:g}")
    if request.pue is not None and not 1 <= request.pue < 10:
        raise BadInput(f"--pue is at least 1 (nothing on top) and below 10, found {request.pue:g}")
    for option, frac in _shares(request).items():
        if frac is not None and not 0 < frac <= 1:
            raise BadInput(f"{option} lies above 0 and is at most 1, found {frac:g}")
    for option, part in _parts(request).items():
        if part is not None and not 0 <= part < 1:
            raise BadInput(f"{option} is at least 0 and below 1, found {part:g}")
    if not 0 < request.level <= MOST_LEVEL:
        raise BadInput(f"--level lies above 0 and is at most {MOST_LEVEL}, found {request.level:g}")
    if request.curve_sizes < 2:
        raise BadInput(f"--curve-sizes is at least 2, found {request.curve_sizes}")


def _positive(request: Request) -> dict[str, float | None]:
    money = request.money
    return {
        "--samples": request.samples,
        "--tokens": request.tokens,
        "--epochs": request.epochs,
        "--steps": request.steps,
        "--batch-size": request.batch_size,
        "--deadline": request.deadline_s,
        "--budget": request.budget_usd,
        "--item-bytes": request.item_bytes,
        "--usd-per-h": money.usd_per_h,
        "--spot-usd-per-h": money.spot_usd_per_h,
        "--reserved-usd-per-h": money.reserved_usd_per_h,
        "--purchase-usd": money.purchase_usd,
        "--years": money.years,
        "--usd-per-mtoken": money.usd_per_mtoken,
        "--hosted-usd-per-h": money.hosted_usd_per_h,
        "--max-usd": request.max_usd,
    }


def _not_negative(request: Request) -> dict[str, float | None]:
    money = request.money
    return {
        "--electricity-usd-per-kwh": request.electricity_usd_per_kwh,
        "--evaluation-frac": request.evaluation_frac,
        "--opex-usd-per-year": money.opex_usd_per_year,
        "--interest": money.interest_frac,
        "--restart": money.restart_s,
        "--workers": request.workers,
        "--confirm": request.confirm,
        "--max-age": request.max_age_s,
    }


def _shares(request: Request) -> dict[str, float | None]:
    return {
        "--utilisation": request.money.utilisation_frac,
        "--target-accuracy": request.target_accuracy,
    }


def _parts(request: Request) -> dict[str, float | None]:
    return {
        "--residual": request.money.residual_frac,
        "--reserved-discount": request.money.reserved_discount_frac,
    }
