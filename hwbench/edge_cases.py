"""The cases of edge profiles: each network in each precision under the limits of each profile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hwbench import data_found, edge_facts, registry
from hwbench.case import Case
from hwbench.edge_facts import EDGE, QUANTISED
from hwbench.errors import BadInput

if TYPE_CHECKING:  # it makes use of this
    from hwbench.selection import Selection

RUNTIMES = ("onnxruntime", "openvino", "litert")  # the first that can, unless another is asked for


def check(selection: "Selection") -> None:
    """Raise UnknownName for a profile that there is not, BadInput for what does not go with one."""
    for name in selection.edge_profiles:
        edge_facts.profile(name)
    if not selection.edge_profiles:
        if selection.model_memory_bytes is not None or selection.rate_per_s is not None:
            given = "--memory" if selection.model_memory_bytes is not None else "--rate"
            raise BadInput(f"{given} is of an edge profile: give --edge-profile too")
        return
    with_it = {
        "--scenario": selection.scenarios,
        "--batch-size": selection.batch_sizes or selection.auto_batch,
        "--dtype": selection.dtypes,
        "--shortcut": selection.shortcuts,
        "--setting": selection.settings,
        "--hardening": selection.hardenings,
        "--against": selection.against,
    }
    for option, value in with_it.items():
        if value:
            raise BadInput(
                f"{option}: an edge profile says that itself, single inferences one after another"
                " in its precisions: leave it out"
            )
    odd = [r for r in selection.runtimes if r not in RUNTIMES]
    if odd:
        raise BadInput(f"--runtime {odd[0]}: edge profiles are of {', '.join(RUNTIMES)}")


def cases(names: Sequence[str], selection: "Selection") -> Iterator[Case]:
    """Yield the cases of these networks, single inferences by each runtime that was asked for."""
    for runtime in selection.runtimes or RUNTIMES:
        for name in dict.fromkeys(names):
            network = registry.networks()[name]
            if not selection.runtimes and runtime != _usual(network.workload.dialects):
                continue
            for edge in dict.fromkeys(selection.edge_profiles):
                for precision in edge_facts.profile(edge).precisions:
                    quantised = precision != "float32"
                    yield Case(
                        kind="workload",
                        name=network.name,
                        version=network.workload.version,
                        phase="inference",
                        scenario="single_stream",
                        runtime=runtime,
                        device="cpu",
                        dtype=edge_facts.DTYPES[precision],
                        batch_size=1,
                        shape=network.variant.shape,
                        options={EDGE: edge, **({QUANTISED: precision} if quantised else {})},
                    )


def _usual(dialects: Sequence[str]) -> str:
    """Return the first runtime that takes what a model is made in; without any, the first."""
    able = (r for r in RUNTIMES if not dialects or registry.runtimes()[r].dialect in dialects)
    return next(able, RUNTIMES[0])


def check_data(data: Path, names: Sequence[str]) -> None:
    """Raise BadInput where the data are for none of these networks, in the words of the first."""
    found = []
    for name in dict.fromkeys(names):
        try:
            data_found.dataset_at(data, registry.networks()[name])
            return
        except BadInput as e:
            found.append(e)
    if found:
        raise found[0]


def precision_of(case: Case) -> str:
    """Return float32, float16, dynamic or static."""
    return str(case.options.get(QUANTISED, "float32"))
