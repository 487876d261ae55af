"""What each runtime can use on this machine, found by a child process of its own."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from hwbench import codec, protocol, registry
from hwbench.child import ChildFailed
from hwbench.probed import RuntimeFacts

PROBE_LIMIT_S = 120.0


class ChildLike(Protocol):
    """What the run needs of a child process."""

    number: int

    def ask(
        self, verb: str, request: Any, timeout_s: float, tick: Callable[[], None] = ...
    ) -> protocol.Reply:
        """Put a request to the child; raise ChildFailed if it dies or takes too long."""
        ...

    def end(self) -> None:
        """End the child."""
        ...


Spawn = Callable[[int, int, Mapping[str, str]], ChildLike]  # (number, threads, environment)


def installed(name: str) -> RuntimeFacts | None:
    """Return why the runtime is not usable if its library is absent, None if it is there."""
    runtime = registry.runtimes()[name]
    if importlib.util.find_spec(runtime.library) is not None:
        return None
    return RuntimeFacts(
        name=name, why_not=f"{runtime.library} is not installed", remedy=runtime.remedy
    )


def probe(names: Iterable[str], threads: int, spawn: Spawn) -> dict[str, RuntimeFacts]:
    """Return the facts of each runtime; one that fails says why instead."""
    wanted = list(names)
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.map(lambda name: _probed(name, threads, spawn), wanted)
        return dict(zip(wanted, found, strict=True))


def _probed(name: str, threads: int, spawn: Spawn) -> RuntimeFacts:
    absent = installed(name)
    if absent is not None:
        return absent
    try:
        child = spawn(0, threads, {})
        try:
            reply = child.ask("probe", protocol.Probe(runtime=name), PROBE_LIMIT_S)
        finally:
            child.end()
    except ChildFailed as e:
        return RuntimeFacts(name=name, why_not=f"its library cannot be loaded: {e}")
    if not reply.ok:
        return RuntimeFacts(name=name, why_not=reply.reason or "it failed", remedy=reply.remedy)
    return codec.decode(RuntimeFacts, reply.result)
