"""What cases need before their first visit: a reference to be held to, a file to run."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from hwbench import (
    artifacts,
    edge_cases,
    edge_making,
    host,
    own_models,
    planning,
    probing,
    registry,
)
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.crew import Crew
from hwbench.edge_facts import EDGE, EdgeModel
from hwbench.errors import BadRecord, Unavailable
from hwbench.protocol import Reply
from hwbench.setting import OPTION

LIMIT_S = 600.0  # of one reference or export
FORMS = {"onnx": "ONNX", "tflite": "LiteRT"}  # what is exported, by a runtime's dialect
CHECK_BATCH = 8  # a large network is checked at this batch size where its own is larger
CHEAP_FLOPS = 10**10  # of one iteration: below it a float64 reference takes about a second

# Copies of the parameters that a float64 reference holds: the weights; in training also gradients
# and AdamW's two moments; and some room for activations.
_COPIES = {"inference": 1.5, "training": 5.0}
_FLOAT64_BYTES = 8


class Listener(Protocol):
    """Whom the preparation tells what it is at."""

    def note(self, text: str) -> None:
        """Hear of something that the user should know at once."""

    def tick(self) -> None:
        """Hear that a second has gone by."""


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """Why a case cannot run: `unavailable` if something is not installed, `error` if it failed."""

    code: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Needs:
    """The files of a case, and the reasons for those that could not be made."""

    reference: Path | None = None
    no_reference: str | None = None
    model: Path | None = None
    check_model: Path | None = None
    edge: EdgeModel | None = None  # what the file is, under an edge profile
    blocked: Blocked | None = None  # the case cannot run


class Preparation:
    """Makes and remembers what each case needs."""

    def __init__(
        self, crew: Crew, progress: Listener, references: bool = True, data: str | None = None
    ) -> None:
        """Take the children to ask; without `references` no answer is going to be checked.

        `data` are the user's, by which int8 is calibrated.
        """
        self._data = data
        self._crew, self._progress, self._references = crew, progress, references
        self._artifacts = artifacts.Artifacts(self._ask, artifacts.folder())
        self._needs: dict[str, Needs] = {}

    def prepare(self, cases: list[tuple[str, Case]]) -> None:
        """Make ready every network among the cases; kernels need nothing."""
        for name, case in cases:
            if case.kind == "workload":
                self._needs[name] = self._made(case)
        self._crew.end_preparing()

    def blocked(self, case: Case) -> Blocked | None:
        """Return why the case cannot run for want of a file, or None."""
        return self._of(case).blocked

    def paths(self, case: Case) -> dict[str, Any]:
        """Return the fields of a visit request that name files."""
        needs = self._of(case)
        return {
            "check_batch": check_batch(case),
            "reference": _text(needs.reference),
            "no_reference": needs.no_reference,
            "model": _text(needs.model),
            "check_model": _text(needs.check_model),
        }

    def _of(self, case: Case) -> Needs:
        if case.kind == "workload" and case.id not in self._needs:
            self._needs[case.id] = self._made(case)
        return self._needs.get(case.id, Needs())

    def edge_model(self, case: Case) -> EdgeModel | None:
        """Return what the file of a case under an edge profile is."""
        return self._of(case).edge if EDGE in case.options else None

    def _made(self, case: Case) -> Needs:
        if EDGE not in case.options:
            return self._plain(case)
        plain = self._plain(replace(case, dtype="float32", options={}))
        if plain.blocked is not None or plain.model is None:
            return plain
        precision, size = edge_cases.precision_of(case), case.batch_size or 1
        try:
            made = self._artifacts.edge_model(case, precision, plain.model, size, self._data)
            facts = edge_making.read(made)
        except (Unavailable, ChildFailed, BadRecord) as e:
            return Needs(blocked=Blocked(code="error", reason=str(e)))
        if precision == "float32":
            return replace(plain, edge=facts)
        said = f"{precision} is held to its float32 form, which `edge.model.agreement` tells"
        return Needs(no_reference=said, model=made, check_model=made, edge=facts)

    def _plain(self, case: Case) -> Needs:
        graph = own_models.graph_of(case.name)
        if graph is not None:
            said = "a file of one's own has no reference: that it is finite is checked"
            return Needs(no_reference=said, model=graph, check_model=graph)
        absent = probing.installed("torch")
        if absent is not None:
            return self._without_torch(case, absent.remedy or "")
        small = check_batch(case) or 1
        reference, why = self._reference(case, small)
        if not registry.runtimes()[case.runtime].needs_export:
            return Needs(reference=reference, no_reference=why)
        try:
            model = self._artifacts.export(case, case.batch_size or 1)
            check_model = self._artifacts.export(case, small) if self._references else None
        except (Unavailable, ChildFailed) as e:
            lacks = isinstance(e, Unavailable) and e.remedy is not None
            reason = f"the export to {_form(case)} failed: {e}"
            return Needs(blocked=Blocked(code="unavailable" if lacks else "error", reason=reason))
        return Needs(reference=reference, no_reference=why, model=model, check_model=check_model)

    def _without_torch(self, case: Case, remedy: str) -> Needs:
        if registry.runtimes()[case.runtime].needs_export:
            reason = (
                f"its {_form(case)} file is exported from torch, which is not installed: {remedy}"
            )
            return Needs(blocked=Blocked(code="unavailable", reason=reason))
        return Needs(no_reference=f"the reference is torch's, which is not installed: {remedy}")

    def _reference(self, case: Case, batch_size: int) -> tuple[Path | None, str | None]:
        """Return the reference's file, or None and why there is none."""
        if not self._references:
            return None, "not checked"
        if OPTION in case.options:
            return None, "a step with settings has no reference: its tests hold it to the plain one"
        if case.way is not None:
            return None, "a step by a shortcut or a hardening has no reference: its tests hold it"
        network = registry.networks()[case.name]
        if network.workload.own and case.phase == "training":
            return None, (
                "the steps of a model of one's own have no reference: dropout and the like are"
                " random; that each loss is a number is checked"
            )
        if network.workload.own and "torch" not in network.workload.dialects:
            return None, "a model of one's own in Flax has no float64 reference"
        parameters = network.workload.parameters(network.variant.config)
        needed = int(parameters * _FLOAT64_BYTES * _COPIES[case.phase])
        free = host.available_memory_bytes()
        if free is not None and needed > free:
            gib = 1024**3
            return None, (
                f"its float64 reference needs about {needed / gib:.1f} GiB"
                f" and {free / gib:.1f} GiB are free"
            )
        try:
            return self._artifacts.reference(case, batch_size), None
        except (Unavailable, ChildFailed) as e:
            return None, f"its float64 reference could not be made: {e}"

    def _ask(self, verb: str, request: object) -> Reply:
        form = FORMS.get(getattr(request, "form", ""), "")
        what = {
            "reference": "the float64 reference",
            "export": f"the {form} export",
            "edge_model": f"the {getattr(request, 'precision', '')} {form} file",
        }[verb]
        self._progress.note(f"making {what} of {getattr(request, 'workload', '')}")
        try:
            return self._crew.torch().ask(verb, request, LIMIT_S, self._progress.tick)
        except ChildFailed:
            self._crew.lose_torch()
            raise


def check_batch(case: Case) -> int | None:
    """Return the batch size at which a network is checked: its own if a reference is cheap."""
    if case.batch_size is None:
        return None
    own = own_models.facts_of(case.name)
    if case.way is not None or (
        own is not None and (own.fixed_batch or own.library in ("onnx", "tflite"))
    ):
        return case.batch_size  # its answer is not checked, or it takes no other
    flops = planning.work(case).flops_per_iteration or 0
    return case.batch_size if flops <= CHEAP_FLOPS else min(case.batch_size, CHECK_BATCH)


def _form(case: Case) -> str:
    return FORMS[registry.runtimes()[case.runtime].dialect]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
