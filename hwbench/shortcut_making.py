"""From an estimate's rows of several shortcuts to their comparison: ratios, factors, ties.

Rows share the draws of what they share (the machine's speed, its drift, the loader), so a ratio is
taken draw by draw: what both have in common is in neither's interval.
"""

import itertools
import math
from collections.abc import Sequence

from hwbench import montecarlo, registry
from hwbench.estimated import Numbers, Row
from hwbench.row_making import Made
from hwbench.shortcut import Shortcut
from hwbench.shortcut_rows import Basis, Part, ShortcutRow, Times

SCRATCH = "from_scratch"


def rows(made: Sequence[Made], level: float) -> tuple[ShortcutRow, ...]:
    """Return the rows of a comparison, each held against those of its machine and purchase."""
    return tuple(_row(m, _beside(m, made), level) for m in made)


def _beside(of: Made, made: Sequence[Made]) -> list[Made]:
    place = (of.row.instance, of.row.purchase)
    return [m for m in made if (m.row.instance, m.row.purchase) == place]


def _row(m: Made, beside: Sequence[Made], level: float) -> ShortcutRow:
    row, scratch = m.row, next((b for b in beside if b.row.shortcut == SCRATCH), None)
    shortcut = m.recipe.shortcut if m.recipe else _known(row.shortcut)
    told = shortcut.measured
    theory = told.theory if told else None
    ratio = shortcut.step_ratio
    return ShortcutRow(
        shortcut=row.shortcut,
        instance=row.instance,
        purchase=row.purchase,
        time_s=row.time_s,
        energy_j=row.energy_j,
        cost_usd=row.cost_usd,
        co2_gco2e=row.co2_gco2e,
        one_off_s=row.terms_total_s.one_off if row.terms_total_s else None,
        step_s=row.terms.step_s if row.terms else None,
        step_ratio_to_scratch=Times(point=ratio.point, low=ratio.low, high=ratio.high),
        step_basis=basis_of(shortcut),
        step_rounds=told.rounds if told else None,
        theory_ratio=theory,
        measured_to_theory=ratio.point / theory if theory and told else None,
        memory_peak_bytes=told.memory_peak_bytes if told else None,
        parameters=told.parameters if told else None,
        trainable_parameters=told.trainable_parameters if told else None,
        epochs=row.epochs,
        epochs_basis=_epochs_basis(shortcut, m),
        ratio_to_scratch=_ratio(m, scratch, level),
        factors=_factors(m, scratch),
        ties=tuple(b.row.shortcut for b in beside if b is not m and _tied(m, b, level)),
        crossover_samples={
            b.row.shortcut: crossover(row, b.row) for b in beside if b is not m and b.row.curve
        },
        fits_memory=row.fits_memory,
        needs_pretrained=shortcut.pretrained,
        assumptions=row.assumptions,
        reasons=row.reasons,
        curve_samples=row.curve.samples if row.curve else (),
        curve_time_s=row.curve.time_s if row.curve else (),
    )


def _known(name: str) -> Shortcut:
    """Return the shortcut of a row without a recipe; of a hardening what it hardens."""
    shelf = registry.shortcuts()
    return shelf[name if name in shelf.items else SCRATCH]


def basis_of(shortcut: Shortcut) -> Basis:
    """Return where the ratio of a shortcut's step is from."""
    if shortcut.measured is not None:
        return "carried over" if shortcut.measured.carried else "measured"
    return "measured" if shortcut.known else "theory"


def _epochs_basis(shortcut: Shortcut, m: Made) -> str | None:
    plan = m.recipe.plan if m.recipe else None
    if plan is None:
        return None
    if plan.hardening is not None:
        return f"those of {SCRATCH}, by {plan.hardening}"
    if plan.steps is not None:
        return "--steps"
    if shortcut.epochs is not None and plan.epochs == shortcut.epochs.usual:
        e = shortcut.epochs
        return f"literature, {e.low:g} to {e.high:g}: {e.source}"
    if shortcut.epochs is None and plan.epochs == plan.scratch_epochs:
        return "--scratch-epochs"
    return "--epochs"


def _ratio(m: Made, scratch: Made | None, level: float) -> Times | None:
    import numpy as np

    if scratch is None or m.time_s is None or scratch.time_s is None:
        return None
    with np.errstate(invalid="ignore"):
        draws = m.time_s / scratch.time_s
    found = montecarlo.interval(draws[np.isfinite(draws)], level)
    return Times(point=found.point, low=found.low, high=found.high)


def _factors(m: Made, scratch: Made | None) -> tuple[Part, ...]:
    """Return what the ratio to training from scratch is the product of."""
    known = scratch is not None and scratch is not m and m.recipe is not None
    if not known or scratch is None or m.recipe is None:
        return ()
    own, other = m.row, scratch.row
    if not (own.time_s and other.time_s and own.epochs and other.epochs):
        return ()
    shortcut = m.recipe.shortcut
    step, epochs = 1 / shortcut.step_ratio.point, other.epochs / own.epochs
    whole = other.time_s.point / own.time_s.point
    basis = {"measured": "measured step", "carried over": "step measured elsewhere"}
    return (
        Part(name="step", times=step, basis=basis.get(basis_of(shortcut), "step by theory")),
        Part(name="epochs", times=epochs, basis=_epochs_basis(shortcut, m) or ""),
        Part(
            name="rest",
            times=whole / (step * epochs),
            basis="loader, evaluation, start, checkpoints, what is paid once",
        ),
    )


def _tied(a: Made, b: Made, level: float) -> bool:
    """Return whether two rows' times cannot be told apart: their ratio's interval holds 1."""
    import numpy as np

    if a.time_s is None or b.time_s is None:
        return False
    with np.errstate(invalid="ignore"):
        found = montecarlo.interval(a.time_s / b.time_s, level)
    return bool(found.low <= 1.0 <= found.high)


def crossover(a: Row, b: Row) -> float | None:
    """Return the samples at which one row's time overtakes the other's, None within their curves.

    Between two sizes both times are lines in logarithms.
    """
    if a.curve is None or b.curve is None:
        return None
    return crossing(a.curve.samples, a.curve.time_s, b.curve.time_s)


def crossing(samples: Sequence[int], first: Numbers, second: Numbers) -> float | None:
    """Return where two lines over `samples` cross, the first time; None where they never do."""
    gaps = [
        (math.log(n), math.log(x / y))
        for n, x, y in zip(samples, first, second, strict=True)
        if x and y
    ]
    for (n0, g0), (n1, g1) in itertools.pairwise(gaps):
        if g0 * g1 < 0:
            return math.exp(n0 + (n1 - n0) * g0 / (g0 - g1))
    return None
