"""What `--model SPEC` names: a workload as it is, a model of the user's own once it is known."""

from collections.abc import Callable, Sequence

from hwbench import blocks, codec, cpu, depth, host, model_spec, own_models, protocol, registry
from hwbench.case import Case
from hwbench.child import ChildFailed
from hwbench.errors import BadInput, UnknownName
from hwbench.model_facts import ModelFacts
from hwbench.probing import Spawn
from hwbench.registry import Network

LIMIT_S = 300.0  # of a factory, with what is counted of its model
Note = Callable[[str], None]


def named(
    specs: Sequence[str],
    spawn: Spawn,
    *,
    pretrained: bool = False,
    outlined: bool = False,
    note: Note = lambda text: None,
) -> tuple[str, ...]:
    """Return names for `--model`: workloads as they are, a model of one's own once it is known.

    Each is built once in a child, which finds out what it is: `note` is told. One of transformers
    that is `outlined`, or too large, is told by its configuration. Raises BadInput, with what the
    user's code did wrong, UnknownName for no workload.
    """
    return tuple(
        _adopted(spec, spawn, pretrained, outlined, note) if model_spec.is_spec(spec) else spec
        for spec in specs
    )


def _adopted(text: str, spawn: Spawn, pretrained: bool, outlined: bool, note: Note) -> str:
    whole, layers = depth.parted(text)
    if layers is not None:
        own = _adopted(whole, spawn, pretrained, True, note)
        return registry.networks()[depth.cut(own, layers)].name
    spec = model_spec.parse(text)
    known = own_models.facts_of(spec.name)
    if known is not None and (known.spec, known.pretrained) == (text, pretrained):
        return known.name
    if known is not None and known.spec != text:
        raise BadInput(f"--model {text}: goes by the same name as {known.spec}: rename one of them")
    child = spawn(0, len(cpu.usable_cpus()), {})
    try:
        free = host.available_memory_bytes()
        request = protocol.Describe(
            spec=text,
            name=spec.name,
            pretrained=pretrained,
            outlined=outlined,
            room_bytes=None if free is None else int(blocks.ROOM_FRAC * free),
        )
        reply = child.ask("describe", request, LIMIT_S)
    except ChildFailed as e:
        said = f"did not return within {LIMIT_S:.0f} s" if e.code == "hung" else str(e)
        raise BadInput(f"--model {text}: {said}") from None
    finally:
        child.end()
    if not reply.ok:
        reason = reply.reason or "it failed"
        said = reason if "--model" in reason else f"--model {text}: {reason}"
        raise BadInput(f"{said}: {reply.remedy}" if reply.remedy else said)
    facts = codec.decode(ModelFacts, reply.result, text)
    note(own_models.told(facts))
    return own_models.adopt(facts).name


def _network(name: str) -> Network | None:
    try:
        return registry.networks()[name]
    except UnknownName:
        return None


def check_known(cases: Sequence[Case]) -> None:
    """Raise BadInput for a case whose network is of nobody, or is another model by now."""
    for case in cases:
        network = _network(case.name)
        if network is None:
            raise BadInput(
                f"{case.id}: is of a model of one's own, {case.name}: its code is run only where"
                " the command line names it: give --model SPEC again"
            )
        if network.workload.own and network.workload.version != case.version:
            raise BadInput(
                f"{case.id}: {case.name} is not the model any more that it was: start a new run"
            )
