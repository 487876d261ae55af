"""What a run knows so far: its visits by case, its passes for energy, and the record of them all.

Nothing is asked and nothing written here; `rounds.py` does both.
"""

from dataclasses import replace

from hwbench import (
    batch_fit,
    depth_fit,
    edge_figures,
    energy_figures,
    energy_pass,
    measurement,
    summary,
    sustained,
    verdicts,
)
from hwbench.edge_facts import EDGE
from hwbench.energy import EnergyPass, Window
from hwbench.journal import Header
from hwbench.measurement import Measurement, Record
from hwbench.outcomes import Spread
from hwbench.profile import ACCELERATOR, CPU, family
from hwbench.protocol import VisitResult

# Codes of what is no visit: of a loop on the user's data, of a case that ran for minutes.
LOADER, SUSTAINED = "loader", "sustained"
ENOUGH = 0.98  # of the minutes that were asked
SOAKED_S = 20.0  # of running before a visit, after which a device counts as warm


class Ledger:
    """The visits of one run. `made` counts those that were entered, not those it began with."""

    def __init__(self, header: Header, visits: tuple[VisitResult, ...], spread: Spread) -> None:
        """Begin with the `visits` of the part that is resumed."""
        self.header = header
        self.visits: dict[str, list[VisitResult]] = {p.case.id: [] for p in header.cases}
        self.energies: dict[str, VisitResult] = {}  # the pass for energy, by case
        self.loaders: dict[str, VisitResult] = {}  # the loop on the user's data, by case
        self.minutes: dict[str, list[VisitResult]] = {}  # the parts of running for minutes
        self.idles: list[EnergyPass] = []
        self.made = 0
        for visit in visits:
            self._sort_in(visit)
        self._surroundings = summary.Surroundings(spread=spread, unsoaked=_unsoaked(header))
        self.measured = {p.case.id: self._summarised(p.case.id) for p in header.cases}

    def enter(self, visit: VisitResult) -> None:
        """Add a visit, a pass for energy or a loop on the user's data, and make its case anew."""
        self._sort_in(visit)
        self.made += 1
        if visit.energy is None and visit.code not in (LOADER, SUSTAINED):
            self.measured[visit.id] = self._summarised(visit.id)

    def _sort_in(self, visit: VisitResult) -> None:
        if visit.code == LOADER:
            self.loaders[visit.id] = visit
        elif visit.code == SUSTAINED:
            self.minutes.setdefault(visit.id, []).append(visit)
        elif visit.energy is None:
            self.visits.setdefault(visit.id, []).append(visit)
        elif visit.id == energy_pass.IDLE:
            self.idles.append(visit.energy)
        else:
            self.energies[visit.id] = visit

    def _summarised(self, case_id: str) -> Measurement:
        planned = next(p for p in self.header.cases if p.case.id == case_id)
        seen = self.visits[case_id]
        return summary.measurement(planned, seen, self.header.protocol, self._surroundings)

    def _with_edge(self, m: Measurement) -> Measurement:
        if EDGE not in m.runtime_options:
            return m
        case = next(p.case for p in self.header.cases if p.case.id == m.id)
        facts = edge_figures.facts(
            case, m, self.visits[m.id], self.header.protocol, self.measured.values()
        )
        return replace(m, edge=facts)

    def _with_minutes(self, m: Measurement) -> Measurement:
        parts, terms = self.minutes.get(m.id), self.header.protocol.sustained
        if terms is None or not parts:
            return m
        ran: dict[int, list[Window]] = {}
        for part in parts:
            if part.energy is not None:
                ran.setdefault(part.process, []).extend(part.energy.windows)
        found = sustained.summarised(sustained.longest(list(ran.values())), terms.seconds)
        told = replace(m, sustained=found, sustained_reason=parts[-1].reason)
        return verdicts.with_minutes(told)

    def sustained_enough(self, case_id: str) -> bool:
        """Return whether a case ran for as long as was asked, or ended by itself."""
        m = self._with_minutes(self.measured[case_id])
        whole = m.sustained is not None and m.sustained.ran_s >= ENOUGH * m.sustained.asked_s
        return whole or m.sustained_reason is not None

    def _with_loader(self, m: Measurement) -> Measurement:
        found = self.loaders.get(m.id)
        m = self._with_edge(self._with_minutes(m))
        return replace(m, loader=found.loader, loader_reason=found.reason) if found else m

    def record(self, duration_s: float) -> Record:
        """Return the record of all that is finished."""
        head = self.header
        measured = [self._with_loader(self.measured[p.case.id]) for p in head.cases]
        measurements = verdicts.against_roofs(
            [
                energy_figures.with_energy(m, self.energies.get(m.id), self.idles, head.protocol)
                for m in measured
            ],
            _cache_bytes(head),
            {d.name: d.power_limit_w for d in head.devices},
        )
        return Record(
            schema=measurement.SCHEMA,
            id=head.id,
            created_utc=head.created_utc,
            hwbench_version=head.hwbench_version,
            profile=head.profile,
            argv=head.argv,
            duration_s=duration_s,
            protocol=head.protocol,
            environment=head.environment,
            devices=head.devices,
            meters=head.meters,
            measurements=measurements,
            batch_fits=batch_fit.fits(measurements),
            depth_fits=depth_fit.fits(measurements),
            idle=tuple(self.idles),
            models=head.models,
        )


def _unsoaked(header: Header) -> frozenset[str]:
    """Return the devices that grow hot in use and are not run warm first: GPUs, and laptops."""
    laptop = "power_source" in header.environment.settings
    hot = {d.name for d in header.devices if family(d.name) == ACCELERATOR or laptop}
    return frozenset(d for d in hot if header.protocol.soak_s.get(family(d), 0.0) < SOAKED_S)


def _cache_bytes(header: Header) -> dict[str, int | None]:
    """Return the size of each device's last-level cache, as far as it is known."""
    sizes: dict[str, int | None] = dict.fromkeys(
        (d.name for d in header.devices), verdicts.ACCELERATOR_CACHE_BYTES
    )
    return sizes | {CPU: header.environment.cpu.cache_bytes}
