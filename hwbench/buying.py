"""A way to carry out a plan, bought in a way: the price with its spread, or why there is none."""

from dataclasses import dataclass
from datetime import date

from hwbench import presets
from hwbench.costing import Hosted, OnDemand, Owned, Purchase, Reserved, Spot
from hwbench.errors import BadInput, UnknownName
from hwbench.estimate_figures import Assumption
from hwbench.estimate_plan import Money
from hwbench.estimated import Price
from hwbench.instance import Instance
from hwbench.instances import OLD_DAYS
from hwbench.montecarlo import Factor

# Standard deviations of ln(price): lists move little, old ones more, spot prices all the time.
LIST_LOG, OLD_LOG, SPOT_LOG = 0.02, 0.10, 0.20
STATED = "--usd-per-h"  # the source of a price that the user says: it has no spread


@dataclass(frozen=True, kw_only=True)
class Bought:
    """A purchase with the price frozen; `purchase` is None with the reason where it has none."""

    option: str
    purchase: Purchase | None
    reason: str | None = None
    price: Price | None = None
    factors: tuple[Factor, ...] = ()
    interruptions_per_h: float = 0.0
    assumptions: tuple[Assumption, ...] = ()
    warnings: tuple[str, ...] = ()


def rented(instance: Instance, option: str, money: Money, today: date) -> Bought:
    """Return an instance bought on demand, spot or reserved; it cannot be had otherwise.

    Raises BadInput, UnknownName for interruptions that cannot be.
    """
    if option == "on-demand":
        return _on_demand(instance, today)
    if option == "spot":
        return _spot(instance, money, today)
    if option == "reserved":
        return _reserved(instance, money, today)
    return Bought(
        option=option,
        purchase=None,
        reason=f"a rented machine cannot be {option}: of this machine say --on machine",
    )


def _price(instance: Instance, usd_per_h: float, today: date, said: str | None = None) -> Price:
    """Return a price frozen: the catalogue's with its date, or what the user `said` today."""
    since = today if said else instance.date
    return Price(
        usd_per_h=usd_per_h,
        as_of=str(since),
        source=said or instance.source,
        region=instance.region,
        age_days=max(0, (today - since).days),
    )


def _old(instance: Instance, today: date) -> tuple[str, ...]:
    from hwbench.instances import age_warning

    warning = age_warning(instance, today)
    return (warning,) if warning else ()


def _moved(name: str, instance: Instance, today: date, sigma: float) -> Factor:
    old = (today - instance.date).days > OLD_DAYS
    return Factor.of_sigma(name, max(sigma, OLD_LOG) if old else sigma)


def _on_demand(instance: Instance, today: date) -> Bought:
    return Bought(
        option="on-demand",
        purchase=OnDemand(
            usd_per_h=instance.usd_per_h,
            billing_s=instance.granularity_s or 1.0,
            minimum_s=instance.minimum_s or 0.0,
        ),
        price=_price(instance, instance.usd_per_h, today),
        factors=()
        if instance.source == STATED
        else (_moved(f"price of {instance.provider}", instance, today, LIST_LOG),),
        assumptions=_billing(instance),
        warnings=_old(instance, today),
    )


def _billing(instance: Instance) -> tuple[Assumption, ...]:
    if instance.granularity_s is not None:
        return ()
    return (
        Assumption(
            name="billing", value=1.0, unit="s", source="by the second: the provider's is not known"
        ),
    )


def _spot(instance: Instance, money: Money, today: date) -> Bought:
    usd = money.spot_usd_per_h or instance.spot_usd_per_h
    if usd is None:
        return Bought(
            option="spot",
            purchase=None,
            reason="its spot price is not known: --spot-usd-per-h X gives one,"
            " `hwbench instances update` fetches them",
        )
    rate, note = interruptions(money.interruptions)
    own = money.spot_usd_per_h is not None
    return Bought(
        option="spot",
        purchase=Spot(
            usd_per_h=usd,
            billing_s=instance.granularity_s or 1.0,
            minimum_s=instance.minimum_s or 0.0,
        ),
        price=_price(instance, usd, today, "--spot-usd-per-h" if own else None),
        factors=() if own else (_moved("spot prices", instance, today, SPOT_LOG),),
        interruptions_per_h=rate,
        assumptions=(note, *_restart(money), *_billing(instance)),
        warnings=() if own else _old(instance, today),
    )


def _restart(money: Money) -> tuple[Assumption, ...]:
    return (
        Assumption(
            name="coming back after an interruption",
            value=money.restart_s,
            unit="s",
            source="--restart; checkpoints by Daly's interval",
        ),
    )


def interruptions(text: str) -> tuple[float, Assumption]:
    """Return interruptions an hour by a preset's name or a number; raise BadInput, UnknownName."""
    try:
        rate = float(text)
    except ValueError:
        try:
            preset = presets.interruption(text)
        except UnknownName as e:
            raise BadInput(f"--interruptions: {e}, or a rate an hour such as 0.01") from None
        note = Assumption(
            name="interruptions",
            value=preset.value,
            unit="1/h a machine",
            source=preset.source,
            date=str(preset.date),
        )
        return preset.value, note
    if not 0 <= rate < 60:
        raise BadInput(f"--interruptions is a rate an hour from 0 to 60, found {rate:g}")
    return rate, Assumption(
        name="interruptions", value=rate, unit="1/h a machine", source="--interruptions"
    )


def _reserved(instance: Instance, money: Money, today: date) -> Bought:
    usd, source = money.reserved_usd_per_h, "--reserved-usd-per-h"
    stated = usd is not None
    if usd is None and money.reserved_discount_frac is not None:
        usd = instance.usd_per_h * (1 - money.reserved_discount_frac)
        source = f"--reserved-discount {money.reserved_discount_frac:g} of the price on demand"
    if usd is None:
        return Bought(
            option="reserved",
            purchase=None,
            reason="its reserved price is not known: --reserved-usd-per-h X, or"
            " --reserved-discount 0.4",
        )
    notes = (
        Assumption(name="reserved price", value=usd, unit="USD/h", source=source),
        Assumption(
            name="utilisation",
            value=money.utilisation_frac,
            unit="fraction of all hours",
            source="--utilisation",
        ),
    )
    return Bought(
        option="reserved",
        purchase=Reserved(
            usd_per_h=usd, years=money.years, utilisation_frac=money.utilisation_frac
        ),
        price=_price(instance, usd, today, source if stated else None),
        assumptions=notes,
        warnings=() if stated else _old(instance, today),
    )


def owned(
    money: Money, electricity_usd_per_kwh: float | None, pue: float, idle_w: float | None
) -> Bought:
    """Return this machine as the user's own: electricity, and what it cost where that is known."""
    if electricity_usd_per_kwh is None:
        return Bought(
            option="owned",
            purchase=None,
            reason="no price of electricity was given: --electricity-usd-per-kwh X",
        )
    bought = money.purchase_usd
    notes = [
        Assumption(
            name="electricity",
            value=electricity_usd_per_kwh,
            unit="USD/kWh",
            source="--electricity-usd-per-kwh",
        )
    ]
    if bought is None:
        notes.append(
            Assumption(
                name="purchase",
                value=None,
                unit="USD",
                source="not given (--purchase-usd X): the cost is the electricity alone",
            )
        )
    else:
        notes += [
            Assumption(name="purchase", value=bought, unit="USD", source="--purchase-usd"),
            Assumption(
                name="residual value",
                value=money.residual_frac,
                unit="of the purchase",
                source="--residual",
            ),
            Assumption(name="life", value=money.years, unit="years", source="--years"),
            Assumption(
                name="utilisation",
                value=money.utilisation_frac,
                unit="fraction of all hours",
                source="--utilisation",
            ),
        ]
    purchase = Owned(
        purchase_usd=bought or 0.0,
        residual_usd=(bought or 0.0) * money.residual_frac,
        years=money.years,
        utilisation_frac=money.utilisation_frac if bought else 1.0,
        opex_usd_per_year=money.opex_usd_per_year,
        electricity_usd_per_kwh=electricity_usd_per_kwh,
        pue=pue,
        idle_w=idle_w or 0.0 if bought else 0.0,
        interest_frac=money.interest_frac,
    )
    return Bought(option="owned", purchase=purchase, assumptions=tuple(notes))


def hosted(money: Money) -> Bought:
    """Return a service that trains for the user, by its tokens or its hours."""
    if (money.usd_per_mtoken is None) == (money.hosted_usd_per_h is None):
        return Bought(
            option="hosted",
            purchase=None,
            reason="a hosted service has one price: --usd-per-mtoken X, or --hosted-usd-per-h X",
        )
    return Bought(
        option="hosted",
        purchase=Hosted(usd_per_mtoken=money.usd_per_mtoken, usd_per_h=money.hosted_usd_per_h),
        assumptions=(
            Assumption(
                name="price of the service",
                value=money.usd_per_mtoken or money.hosted_usd_per_h,
                unit="USD/million tokens" if money.usd_per_mtoken else "USD/h",
                source="--usd-per-mtoken" if money.usd_per_mtoken else "--hosted-usd-per-h",
            ),
        ),
    )
