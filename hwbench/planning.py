"""From cases to a plan: which of them cannot run and why, what each does, how it is visited.

Nothing is measured here and no framework is imported; what the runtimes can use was probed before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hwbench import alternating, holding, own_models, registry, scenarios, sides, stopping
from hwbench.batch import BatchChoice
from hwbench.case import HARDENING, KERNEL_PHASES, Case
from hwbench.edge_facts import QUANTISED
from hwbench.measurement import Protocol, Work
from hwbench.probed import RuntimeFacts
from hwbench.profile import ACCELERATOR, CPU, Profile, family
from hwbench.run_terms import EdgeTerms
from hwbench.selection import Selection, group, selected
from hwbench.setting import OPTION


@dataclass(frozen=True, kw_only=True)
class PlannedCase:
    """A case of the plan; `skip` says why it is not run, null for one that is."""

    case: Case
    work: Work
    skip: str | None = None
    batch: BatchChoice | None = None  # how its batch size was found, where it was looked for


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cases in the order of visiting, and the protocol of the visits."""

    profile: str
    protocol: Protocol
    cases: tuple[PlannedCase, ...]
    expected_s: float = 0.0

    @property
    def runnable(self) -> tuple[Case, ...]:
        """Return the cases that are to be visited."""
        return tuple(p.case for p in self.cases if p.skip is None)


MAKING_S = 20.0  # of an ONNX file in a precision, compared and all


def plan(
    profile: Profile,
    selection: Selection,
    facts: Mapping[str, RuntimeFacts],
    threads: int,
    present: Sequence[str] = (),
    memory_bytes: Mapping[str, int] | None = None,
) -> Plan:
    """Make the plan of a run. `facts` says of each runtime what it can use here.

    `present` names devices of the machine that none of these runtimes may be able to use;
    `memory_bytes` says how much memory a device has (`holding.here`): a network whose weights
    alone are more is not built.

    Raises what `selection.selected` raises.
    """
    cases = selected(profile, selection, facts, present)
    planned = [_planned(c, facts[c.runtime], memory_bytes) for c in cases]
    two = selection.against is not None
    rounds = selection.processes or max(profile.rounds, stopping.PAIR_ROUNDS if two else 0)
    most = max(profile.max_rounds, stopping.MOST_PAIR_ROUNDS if two else 0)
    max_seconds = selection.max_seconds or profile.max_seconds
    if selection.edge_profiles and not selection.max_seconds and max_seconds:
        files = {(p.case.name, p.case.dtype, p.case.options.get(QUANTISED)) for p in planned}
        max_seconds += MAKING_S * len(files)  # a profile's own time is for measuring
    protocol = Protocol(
        rounds=rounds,
        visit_s=profile.visit_s,
        visit_limit_s=profile.visit_limit_s,
        min_samples=profile.min_samples,
        fresh_processes=profile.fresh_processes
        or selection.processes is not None
        or two
        or bool(selection.edge_profiles)
        or bool(selection.blocks),  # the memory of each cut is told
        threads=threads,
        max_seconds=max_seconds,
        seed=1,
        max_rounds=selection.processes or most,
        edge=EdgeTerms(
            memory_bytes=selection.model_memory_bytes,
            latency_bound_s=selection.latency_bound_s,
            rate_per_s=selection.rate_per_s,
            threads=selection.threads,
        )
        if selection.edge_profiles
        else None,
        against=None if selection.against is None else sides.side_of(selection.against).spec,
        precision_frac=selection.precision or profile.precision_frac,
        soak_s=_soak(profile, selection),
        scenario_visit_s=scenarios.visit_budget_s(
            sum(p.skip is None for p in planned),
            rounds,
            max_seconds,
            asked=selection.max_seconds is not None,
        )
        if selection.scenarios
        else None,
    )
    return Plan(
        profile=profile.name,
        protocol=protocol,
        cases=tuple(planned),
        expected_s=expected(planned, protocol),
    )


def _soak(profile: Profile, selection: Selection) -> dict[str, float]:
    if selection.soak_s is None:
        return dict(profile.soak_s)
    return dict.fromkeys((CPU, ACCELERATOR), selection.soak_s)


def open_batch(planned: PlannedCase) -> bool:
    """Return whether the batch size of a case is still to be found."""
    return planned.skip is None and planned.case.kind == "workload" and not planned.case.batch_size


def _planned(
    case: Case, facts: RuntimeFacts, memory_bytes: Mapping[str, int] | None = None
) -> PlannedCase:
    skip = _skip(case, facts)
    if skip is None and case.kind == "workload":
        skip = holding.too_large(case, memory_bytes or {})
    return PlannedCase(case=case, work=work(case), skip=skip)


def _skip(case: Case, facts: RuntimeFacts) -> str | None:
    """Return why the case cannot run, or None."""
    runtime = registry.runtimes()[case.runtime]
    if facts.why_not is not None:
        return facts.why_not + (f": {facts.remedy}" if facts.remedy else "")
    if case.device not in facts.devices:
        return f"{case.runtime} has no device {case.device} here, only {', '.join(facts.devices)}"
    if case.phase not in runtime.phases:
        return f"{case.runtime} does not do {case.phase}, only {', '.join(runtime.phases)}"
    if case.kind == "kernel":
        kernel = registry.kernels()[case.name]
        if case.dtype not in kernel.dtypes:
            return f"{case.name} has no {case.dtype} form, only {', '.join(kernel.dtypes)}"
        if getattr(kernel, f"build_{runtime.dialect}") is None:
            return f"{case.name} is not written for {runtime.dialect}"
    else:
        workload = registry.networks()[case.name].workload
        if workload.dialects and runtime.dialect not in workload.dialects:
            return _other_runtime(case, workload.dialects)
        if case.phase == "training" and workload.untrainable is not None:
            return f"{case.name} cannot be trained: {workload.untrainable}"
        own = own_models.facts_of(case.name)
        if own is not None and own.fixed_batch and case.batch_size != own.batch_size:
            return f"{case.name} takes batches of {own.batch_size} only"
        dtypes = workload.dtypes
        if QUANTISED not in case.options and case.dtype not in dtypes:
            return f"{case.name} has no {case.dtype} form, only {', '.join(dtypes)}"
        if OPTION in case.options:
            why = _no_setting(case)
            if why is not None:
                return why
        if case.way is not None:
            why = _no_way(case)
            if why is not None:
                return why
    return runtime.supports(case)


def _other_runtime(case: Case, dialects: Sequence[str]) -> str:
    """Return that a runtime cannot run what is made for another, and which can."""
    able = [n for n, r in registry.runtimes().items.items() if r.dialect in dialects]
    said = f"{case.name} is made in {dialects[0]}: {case.runtime} cannot run it"
    return f"{said}: take --runtime {able[0]}" if able else said


def _no_way(case: Case) -> str | None:
    """Return why a network is not trained by a shortcut or hardening on a runtime, or None."""
    network = registry.networks()[case.name]
    dialect = registry.runtimes()[case.runtime].dialect
    if HARDENING in case.options:
        if dialect != "torch":
            return f"{case.way} is not written for {case.runtime}: take --runtime torch"
        hardening, _ = registry.hardening(str(case.way))
        return hardening.supports(network.workload, network.variant.config)
    shortcut = registry.shortcuts()[str(case.way)]
    if {"torch": shortcut.build, "jax": shortcut.build_jax}.get(dialect) is None:
        return f"{shortcut.name} is not written for {case.runtime}: take --runtime torch"
    return shortcut.supports(network.workload, network.variant.config)


def _no_setting(case: Case) -> str | None:
    """Return why a network's step cannot be changed so on a runtime, or None."""
    network, runtime = registry.networks()[case.name], registry.runtimes()[case.runtime]
    if runtime.dialect != "torch":
        return f"settings are of torch: {case.runtime} has none"
    if len(network.workload.objectives) > 1:
        return f"{case.name} is trained by several losses in turn: no setting of it"
    for setting in registry.settings_of(str(case.options[OPTION])):
        why = setting.supports(network.workload, network.variant.config, case.device)
        if why is not None:
            return f"{setting.name}: {why}"
    return None


def work(case: Case) -> Work:
    """Return what one iteration does, by the formulas of its plug-in."""
    if case.phase in KERNEL_PHASES:
        flops, least_bytes = registry.kernels()[case.name].work(case.shape, case.phase, case.dtype)
        return Work(
            items_per_iteration=None,
            flops_per_iteration=flops,
            bytes_per_iteration=least_bytes,
            parameters=None,
            counted_by="the kernel's formula",
        )
    network = registry.networks()[case.name]
    config = network.variant.config
    factor = "3 x forward" if case.phase == "training" else "forward"
    own = own_models.facts_of(case.name)
    by = own.counted_by if own is not None else "the workload's formula"
    counted_by = f"{by}, {factor}, matrix products and convolutions"
    if own is not None and own.flops is None:
        counted_by = f"not counted: {own.flops_reason}"
    if case.way is not None:
        counted_by = f"not counted: the step of {case.way} is, once it is made ready"
    flops = network.workload.work(config, case.phase, case.batch_size or 1)
    return Work(
        items_per_iteration=case.batch_size,
        # What another step than the network's own computes is told when it is made ready.
        flops_per_iteration=(flops or None) if case.way is None else None,
        bytes_per_iteration=None,
        parameters=network.workload.parameters(config),
        counted_by=counted_by,
    )


# Rough speeds for the expected time that is shown before a run; no result is made from them.
_ASSUMED_FLOPS_PER_S = {CPU: 5e10, ACCELERATOR: 1e13}
_ASSUMED_START_S = {"torch": 3.0, "torch-compile": 15.0, "jax": 3.0, "onnxruntime": 1.0}


def expected(planned: Sequence[PlannedCase], protocol: Protocol) -> float:
    """Return a rough time of the whole run, from assumed speeds, cut at `max_seconds`."""
    runnable = [p for p in planned if p.skip is None]
    groups = {group(p.case): p.case.runtime for p in runnable}
    starts = sum(_ASSUMED_START_S.get(r, 5.0) for r in groups.values())
    total = starts * (protocol.rounds if protocol.fresh_processes else 1)
    total += sum(visit_s(p.case, protocol) for p in runnable) * protocol.rounds
    return min(total, protocol.max_seconds or total)


def visit_s(case: Case, protocol: Protocol) -> float:
    """Return a rough time of one visit, from an assumed speed."""
    speed = _ASSUMED_FLOPS_PER_S[family(case.device)]
    if case.scenario == "server":
        return protocol.scenario_visit_s or protocol.visit_s
    own = work(replace(case, options={}) if case.way else case)  # a shortcut takes hardly longer
    iteration_s = (own.flops_per_iteration or 0) / speed
    soak_s = protocol.soak_s.get(family(case.device), 0.0)
    if protocol.against is not None:
        return soak_s + alternating.visit_s(iteration_s)
    return soak_s + max(protocol.visit_s * 1.3, (protocol.min_samples + 2) * iteration_s)
