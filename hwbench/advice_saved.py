"""What advised settings, and so many loading processes, save in a training of some size."""

import math

from hwbench import host, spending
from hwbench.advised import Advised, LoaderAdvice, Saved
from hwbench.advising import Found
from hwbench.units import S_PER_H


def of(
    found: Found,
    loader: LoaderAdvice | None,
    batch_size: int,
    samples: int | None,
    epochs: float,
    usd_per_h: float | None,
) -> tuple[Saved | None, str | None]:
    """Return the hours and dollars, or None and why they are not known.

    With data, plain is the loop that loads in its own process. Getting the settings ready
    (compilation) counts against them.
    """
    if samples is None:
        return None, "the size of the training was not given: --samples N [--epochs E]"
    used = used_of(found)
    if used is None and loader is None:
        return None, "no setting helps"
    steps = math.ceil(samples * epochs / batch_size)
    ratios, once_s = (1.0, 1.0, 1.0), 0.0
    if used is not None and used.ratio is not None:
        ratios = used.ratio.point, used.ratio.low, used.ratio.high
        once_s = max(0.0, (used.once_s or 0.0) - (found.plain.once_s or 0.0))
    plain_s = found.plain.step_s or 0.0
    before_s = loader.rows[0].step_s if loader else plain_s
    point, low, high = (
        (steps * _step_s(plain_s, ratio, loader) + once_s) / S_PER_H for ratio in ratios
    )
    whole = steps * before_s / S_PER_H
    price, why = _price(usd_per_h)
    return Saved(
        items=math.ceil(samples * epochs),
        plain_h=whole,
        advised_h=point,
        saved_h=whole - point,
        saved_low_h=whole - high,
        saved_high_h=whole - low,
        saved_usd=None if price is None else (whole - point) * price,
        usd_reason=why,
    ), None


def used_of(found: Found) -> Advised | None:
    """Return the row of the settings that are advised, None where none are."""
    rows = (*found.rows, *found.together)
    return next((r for r in rows if r.settings and r.settings == found.use), None)


def _step_s(plain_s: float, ratio: float, loader: LoaderAdvice | None) -> float:
    """Return a step with the settings; in a loop, no less than its loader alone takes."""
    if loader is None:
        return plain_s * ratio
    row = next(r for r in loader.rows if r.workers == loader.advised)
    return max(row.batch_s, row.step_s - plain_s * (1 - ratio))


def _price(asked: float | None) -> tuple[float | None, str | None]:
    if asked is not None:
        return asked, None
    known = spending.rented_as(host.environment().cloud_instance)
    price = known.usd_per_h if known else None
    return price, None if price is not None else "no price of this machine: --usd-per-h Y"
