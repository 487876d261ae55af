"""What a run costs, by how the machine is had: rented by the hour, reserved, owned or hosted.

A term that is not known is None, with the reason; one that does not arise is 0. Prices are for one
machine, `nodes` of which run for the time; energies are of all of them together, at their plugs,
and the PUE adds what the building takes on top.
"""

from dataclasses import dataclass, replace

from hwbench.errors import BadInput
from hwbench.units import J_PER_KWH, S_PER_H
from hwbench.values import Values, floats, plain

H_PER_YEAR = 8760.0
H_PER_MONTH = 730.0
BYTES_PER_GB = 1e9
TOKENS_PER_MTOKEN = 1e6
W_PER_KW = 1e3
_HAIR = 1e-9  # of a billing unit: a rounding error begins no further one


@dataclass(frozen=True, kw_only=True)
class OnDemand:
    """A machine by the hour, billed in units of `billing_s`, for `minimum_s` at the least."""

    usd_per_h: Values
    billing_s: float = 1.0
    minimum_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Spot:
    """As `OnDemand`, at a price that moves; the run's time has its interruptions in it already."""

    usd_per_h: Values
    billing_s: float = 1.0
    minimum_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """A machine paid for `years`, used or not: a useful hour costs its price by `utilisation_frac`.

    `usd_per_h` is the reserved price of every hour of the years.
    """

    usd_per_h: Values
    years: float
    utilisation_frac: Values


@dataclass(frozen=True, kw_only=True)
class Owned:
    """A machine bought for `purchase_usd` and worth `residual_usd` after `years`.

    `idle_w` is what it draws at the plug between runs, 0 where it is switched off then;
    `opex_usd_per_year` has space, people and repairs in it, electricity only where its price is 0
    here. `interest_frac` is a year's, 0 for straight-line depreciation.
    """

    purchase_usd: Values
    residual_usd: Values
    years: float
    utilisation_frac: Values
    opex_usd_per_year: Values
    electricity_usd_per_kwh: Values
    pue: Values
    idle_w: Values
    interest_frac: Values = 0.0

    @property
    def usd_per_year(self) -> Values:
        """Return the capital's cost and the opex of a year, without electricity.

        With interest i the purchase is repaid by the capital recovery factor, i (1 + i)^Y /
        ((1 + i)^Y - 1), and the residual value is what its sinking fund, that less i, saves up.
        """
        factor = capital_recovery_frac(self.interest_frac, self.years)
        repaid = self.purchase_usd * factor
        return repaid - self.residual_usd * (factor - self.interest_frac) + self.opex_usd_per_year

    @property
    def fixed_usd_per_useful_h(self) -> Values:
        """Return `usd_per_year` by the hours of a year in which it works."""
        return self.usd_per_year / (H_PER_YEAR * self.utilisation_frac)

    def electricity_usd_per_h(self, power_w: Values) -> Values:
        """Return what an hour at this power costs, the building's share included."""
        return power_w / W_PER_KW * self.pue * self.electricity_usd_per_kwh


@dataclass(frozen=True, kw_only=True)
class Hosted:
    """A service that trains for us, by the million tokens or by the hour: one of the two."""

    usd_per_mtoken: Values | None = None
    usd_per_h: Values | None = None

    def __post_init__(self) -> None:
        """Refuse what has no price, or two."""
        if (self.usd_per_mtoken is None) == (self.usd_per_h is None):
            raise BadInput("a hosted service has one price, by the million tokens or by the hour")


Purchase = OnDemand | Spot | Reserved | Owned | Hosted


@dataclass(frozen=True, kw_only=True)
class Storage:
    """Bytes kept as long as the run lasts, by the GB (10^9 bytes) and month, and taken out once."""

    dataset_bytes: Values
    checkpoint_bytes: Values  # all that are kept at a time
    usd_per_gb_month: Values
    egress_bytes: Values = 0.0
    egress_usd_per_gb: Values = 0.0


@dataclass(frozen=True, kw_only=True)
class CostTerms:
    """The cost of a run in parts; `reason` says why a part is None."""

    compute_usd: Values | None
    storage_usd: Values | None
    electricity_usd: Values | None
    amortisation_usd: Values | None
    reason: str | None = None

    @property
    def total_usd(self) -> Values | None:
        """Return the sum, None where a part is not known."""
        parts = (
            self.compute_usd,
            self.storage_usd,
            self.electricity_usd,
            self.amortisation_usd,
        )
        known = [p for p in parts if p is not None]
        if len(known) < len(parts):
            return None
        # Of arrays of draws those that are nothing at all are not worth a pass.
        return sum(p for p in known if not (isinstance(p, float) and p == 0)) + 0.0


def cost(
    purchase: Purchase,
    time_s: Values,
    *,
    nodes: Values = 1,
    energy_j: Values | None = None,
    tokens: Values | None = None,
    storage: Storage | None = None,
) -> CostTerms:
    """Return what a run of `time_s` on `nodes` machines costs.

    `energy_j` is asked by what is owned (all nodes, at their plugs, without PUE), `tokens` by what
    is hosted at a price for tokens. Electricity is in every rent already: 0, not unknown.
    """
    terms = _terms(purchase, time_s, nodes, energy_j, tokens)
    return replace(terms, storage_usd=storage_usd(storage, time_s) if storage else 0.0)


def _terms(
    purchase: Purchase,
    time_s: Values,
    nodes: Values,
    energy_j: Values | None,
    tokens: Values | None,
) -> CostTerms:
    hours = time_s / S_PER_H * nodes
    if isinstance(purchase, Owned):
        return _owned(purchase, hours, energy_j)
    if isinstance(purchase, Reserved):
        return _rent(purchase.usd_per_h / purchase.utilisation_frac * hours)
    if isinstance(purchase, Hosted):
        if purchase.usd_per_mtoken is None:
            return _rent(purchase.usd_per_h * hours)
        if tokens is None:
            return _rent(None, "the service charges by the token and the tokens are not known")
        return _rent(purchase.usd_per_mtoken * tokens / TOKENS_PER_MTOKEN)
    billed = billed_s(time_s, purchase.billing_s, purchase.minimum_s)
    return _rent(purchase.usd_per_h * billed / S_PER_H * nodes)


def _rent(compute_usd: Values | None, reason: str | None = None) -> CostTerms:
    return CostTerms(
        compute_usd=compute_usd,
        storage_usd=0.0,
        electricity_usd=0.0,
        amortisation_usd=0.0,
        reason=reason,
    )


def _owned(machine: Owned, hours: Values, energy_j: Values | None) -> CostTerms:
    """Return ((capital + opex) / (8760 u) + electricity, and that of its idle share) by the hours.

    Each useful hour answers for (1 - u) / u hours in which the machine waits for work.
    """
    electricity, reason = None, "the run's energy is not known, nor what its electricity costs"
    if energy_j is not None:
        usd_per_j = machine.pue * machine.electricity_usd_per_kwh / J_PER_KWH
        waiting = (1 - machine.utilisation_frac) / machine.utilisation_frac * hours
        electricity = energy_j * usd_per_j + machine.electricity_usd_per_h(machine.idle_w) * waiting
    return CostTerms(
        compute_usd=0.0,
        storage_usd=0.0,
        electricity_usd=electricity,
        amortisation_usd=machine.fixed_usd_per_useful_h * hours,
        reason=reason if electricity is None else None,
    )


def billed_s(time_s: Values, billing_s: float, minimum_s: float = 0.0) -> Values:
    """Return unit x ceil(T / unit), or the least that is billed where that is more."""
    import numpy as np

    (t,) = floats(time_s)
    return plain(np.maximum(minimum_s, billing_s * np.ceil(t / billing_s - _HAIR)))


def storage_usd(storage: Storage, time_s: Values) -> Values:
    """Return the GB-months over the run (a month of 730 h, no least time), and the egress."""
    kept = (storage.dataset_bytes + storage.checkpoint_bytes) / BYTES_PER_GB
    months = time_s / S_PER_H / H_PER_MONTH
    out = storage.egress_bytes / BYTES_PER_GB * storage.egress_usd_per_gb
    return kept * months * storage.usd_per_gb_month + out


def capital_recovery_frac(interest_frac: Values, years: float) -> Values:
    """Return i (1 + i)^Y / ((1 + i)^Y - 1), a year's payment by the loan; 1 / Y where i is 0."""
    import numpy as np

    (i,) = floats(interest_frac)
    grown = np.expm1(years * np.log1p(i))
    safe = np.where(grown > 0, grown, 1.0)
    return plain(np.where(grown > 0, i * (grown + 1) / safe, 1 / years))
