"""What a run measures after its rounds: energy, then the loop on the user's data (`--data`)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hwbench import data_found, energy_pass, energy_planning, host, loader_search, registry
from hwbench.case import Case
from hwbench.dataset import Dataset
from hwbench.errors import BadInput, Unavailable
from hwbench.journal import Header
from hwbench.ledger import LOADER
from hwbench.measurement import Measurement
from hwbench.planning import Plan
from hwbench.probing import Spawn
from hwbench.protocol import VisitResult
from hwbench.run_terms import DataTerms

if TYPE_CHECKING:  # it makes use of this
    from hwbench.rounds import Rounds

SPARE = 3.0  # times what the loops are expected to take, before they are left out
ROUNDS_FRAC = 0.5  # of a time that the user named, at least, for the rounds
OPEN_S = 8.0  # of a loop: its process, its network, its data
TOO_LATE = "the run's time was up before its turn"


def energy(run: "Rounds") -> bool:
    """Measure the energy that is still to be measured; return whether time ran out."""
    terms = run.protocol.energy
    if terms is None:
        return False
    cases = [
        c
        for c in energy_planning.wanted(run.header.cases, terms)
        if run.ledger.measured[c.id].status == "ok" and c.id not in run.ledger.energies
    ]
    if not cases:
        return False
    run.progress.begin(len(cases), energy_pass.expected_s(terms, len(cases)))
    run.crew.end_all()
    began = run.clock()
    stage = energy_pass.Stage(
        terms=terms,
        asked=energy_planning.asked_again(run.protocol),
        asking=run.asking,
        progress=run.progress,
        keep=run.keep,
        left_s=lambda: terms.max_s - (run.clock() - began),
        start=run.start_meters,
        clock=run.clock,
        sleep=run.sleep,
    )
    return stage.go(cases)


def planned(plan: Plan, data: Path | None, max_seconds: float | None) -> Plan:
    """Return the plan with its loops on the user's data.

    Of `max_seconds`, where the user named a time for the whole, they take a part. Raises BadInput
    where the data are for none of the networks that are trained by a loop here, in the words that
    are of the first of them.
    """
    if data is None:
        return plan
    asked = trained(plan.runnable)
    if not asked:
        raise BadInput(
            f"--data {data}: no network is trained here by a runtime with a loop: --runtime torch"
        )
    found = [of_case(data, case) for case in asked]
    bad = [f for f in found if isinstance(f, BadInput)]
    if len(bad) == len(found):
        raise bad[0]
    took_s = expected_s(len(found) - len(bad))
    terms = DataTerms(path=str(data), max_s=SPARE * took_s)
    protocol = replace(plan.protocol, data=terms)
    if max_seconds is not None:
        whole_s = plan.protocol.max_seconds or max_seconds
        rounds_s = max(ROUNDS_FRAC * whole_s, whole_s - took_s)
        terms = replace(terms, max_s=max(1.0, whole_s - rounds_s))
        protocol = replace(protocol, data=terms, max_seconds=rounds_s)
    return replace(plan, protocol=protocol, expected_s=plan.expected_s + took_s)


def of_case(data: Path, case: Case) -> Dataset | BadInput:
    """Return the data for the network of a case, or what is wrong with them."""
    try:
        dataset = data_found.dataset_at(data, registry.networks()[case.name])
    except BadInput as e:
        return e
    except Unavailable as e:  # what reads them is not installed
        return BadInput(f"--data {data}: {e}")
    if (case.batch_size or 1) > dataset.items:
        return BadInput(
            f"--data {data}: a batch of {case.batch_size} is larger than its {dataset.items} items"
        )
    return dataset


def trained(cases: Sequence[Case]) -> list[Case]:
    """Return the plain trainings that a loop can make, each network and batch by one runtime."""
    found: dict[tuple[object, ...], Case] = {}
    for case in cases:
        plain = case.kind == "workload" and case.phase == "training" and not case.options
        if plain and registry.runtimes()[case.runtime].open_loop is not None:
            found.setdefault((case.name, case.device, case.dtype, case.batch_size), case)
    return list(found.values())


def expected_s(cases: int) -> float:
    """Return about how long the loops of so many networks take."""
    counts = len(loader_search.counts(host.environment().cpu.cores))
    visits_s = loader_search.ROUNDS * (loader_search.STEPS_S + loader_search.DRAIN_S)
    return cases * counts * (OPEN_S + visits_s)


def loaders(run: "Rounds", spawn: Spawn) -> bool:
    """Train on the user's data with 0, 1, ... processes that load; return whether time ran out."""
    terms = run.protocol.data
    if terms is None:
        return False
    cases = _left(run.header, run.ledger.measured, run.ledger.loaders)
    if not cases:
        return False
    run.progress.begin(len(cases), expected_s(len(cases)))
    run.crew.end_all()
    late, began = False, run.clock()
    for case in cases:
        if terms.max_s - (run.clock() - began) < expected_s(1):
            late = True
            run.keep(_said(case, TOO_LATE))
            continue
        found = of_case(Path(terms.path), case)
        run.keep(
            _searched(run, case, found, spawn)
            if isinstance(found, Dataset)
            else _said(case, str(found))
        )
    return late


def _left(
    header: Header, measured: dict[str, Measurement], done: dict[str, VisitResult]
) -> list[Case]:
    cases = trained([p.case for p in header.cases if p.skip is None])
    whole = [c for c in cases if measured[c.id].status == "ok"]
    return [c for c in whole if c.id not in done or done[c.id].reason == TOO_LATE]


def _searched(run: "Rounds", case: Case, dataset: Dataset, spawn: Spawn) -> VisitResult:
    wall = run.ledger.measured[case.id].wall_s
    assert wall is not None and case.batch_size is not None
    began = run.clock()
    found, why = loader_search.tried(
        case, dataset, wall.point, run.protocol.threads, run.progress, spawn
    )
    return replace(_said(case, why), loader=found, took_s=run.clock() - began)


def _said(case: Case, reason: str | None) -> VisitResult:
    return VisitResult(id=case.id, status="ok", round=0, process=0, code=LOADER, reason=reason)
