"""Rows whose time cannot be told: of a machine nobody can scale to, and of a hosted service."""

from dataclasses import replace

from hwbench import buying, costing, registry
from hwbench.buying import Bought
from hwbench.errors import BadInput
from hwbench.estimate_figures import Figure
from hwbench.estimate_plan import Request
from hwbench.estimated import CostParts, Plan, Row
from hwbench.instance_ways import NoWay
from hwbench.row_making import Made
from hwbench.shortcut import Shortcut

FIGURES = ("time_s", "power_w", "energy_j", "cost_usd", "co2_gco2e")


def shortcuts(plan: Plan) -> list[tuple[Shortcut, Plan]]:
    """Return each shortcut with the plan in its epochs: the user's, else those usual for it.

    Raises BadInput for one that has none.
    """
    found = []
    for name in plan.shortcuts:
        shortcut = registry.shortcuts()[name]
        own = plan
        if plan.epochs is None and plan.steps is None:
            usual = shortcut.epochs.usual if shortcut.epochs else plan.scratch_epochs
            if usual is None:
                raise BadInput(f"how long {name} trains is missing: give --epochs E or --steps N")
            own = replace(plan, epochs=usual)
        found.append((shortcut, own))
    return found


def nothing(way: NoWay, bought: Bought, shortcut: Shortcut, plan: Plan) -> Made:
    """Return the row of a machine whose time cannot be told: every figure null, and why."""
    reasons = dict.fromkeys(FIGURES, way.reason)
    return Made(row=_empty(way.name, way.devices, bought, shortcut.name, reasons, plan))


def _empty(
    name: str,
    devices: tuple[str, ...],
    bought: Bought,
    shortcut: str,
    reasons: dict[str, str],
    plan: Plan,
) -> Row:
    return Row(
        instance=name,
        purchase=bought.option,
        shortcut=shortcut,
        devices=devices,
        basis=None,
        batch_size=None,
        epochs=plan.epochs,
        n_steps=None,
        time_s=None,
        power_w=None,
        energy_j=None,
        cost_usd=None,
        co2_gco2e=None,
        reasons=reasons,
        curve=None,
        terms=None,
        terms_total_s=None,
        cost_terms=None,
        assumptions=bought.assumptions,
        price=bought.price,
        fits_memory=None,
        energy_covers=None,
        meets_deadline=None if plan.deadline_s is None else False,
        meets_budget=None if plan.budget_usd is None else False,
    )


def hosted(request: Request, plan: Plan) -> list[Made]:
    """Return a service's rows, one a shortcut: what its tokens cost; not how long it takes."""
    return [_hosted(request, shortcut, own) for shortcut, own in shortcuts(plan)]


def _hosted(request: Request, shortcut: Shortcut, plan: Plan) -> Made:
    bought = buying.hosted(request.money)
    why = "a hosted service does not say"
    reasons = dict.fromkeys((n for n in FIGURES if n != "cost_usd"), why)
    row = _empty("hosted", (), bought, shortcut.name, reasons, plan)
    tokens = _tokens(plan)
    purchase = bought.purchase
    if purchase is None or tokens is None:
        lacking = bought.reason or f"{plan.workload} takes no tokens"
        return Made(row=replace(row, reasons={**reasons, "cost_usd": lacking}))
    terms = costing.cost(purchase, 0.0, tokens=tokens)
    usd = float(terms.total_usd)  # type: ignore[arg-type]
    parts = CostParts(compute_usd=usd, storage_usd=0.0, electricity_usd=0.0, amortisation_usd=0.0)
    row = replace(
        row,
        basis="modelled",
        cost_usd=Figure(point=usd, low=usd, high=usd, level=plan.level),
        cost_terms=parts,
        budget_chance=None if plan.budget_usd is None else float(usd <= plan.budget_usd),
        meets_budget=None if plan.budget_usd is None else usd <= plan.budget_usd,
    )
    return Made(row=row, cost_usd=usd)


def _tokens(plan: Plan) -> float | None:
    """Return the tokens that are trained on, None for a network that takes none."""
    seq = registry.networks()[plan.workload].variant.config.get("seq")
    if seq is None:
        return None
    if plan.epochs is not None:
        return float(plan.samples * seq * plan.epochs)
    assert plan.steps is not None
    return float(plan.steps * plan.batch_size * seq)
