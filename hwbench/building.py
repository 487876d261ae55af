"""What makes the step of a case that is not its network's own: a shortcut, hardening, settings."""

from typing import Any

from hwbench import registry
from hwbench.case import HARDENING, Case
from hwbench.errors import Unavailable
from hwbench.runtime import Runtime
from hwbench.setting import OPTION


def made_by(runtime: Runtime, case: Case) -> dict[str, Any]:
    """Return what makes the step of a case by a shortcut or a hardening; nothing for its own."""
    if OPTION in case.options:
        if runtime.dialect != "torch":
            raise Unavailable(f"settings are of torch: {runtime.name} has none")
        return {"settings": registry.settings_of(str(case.options[OPTION]))}
    if case.way is None:
        return {}
    if HARDENING in case.options:
        hardening, count = registry.hardening(case.way)
        if runtime.dialect != "torch":
            raise Unavailable(f"{case.way} is not written for {runtime.name}: take --runtime torch")
        return {"build": lambda ground: hardening.build(ground, count)}
    way = registry.shortcuts()[case.way]
    build = {"torch": way.build, "jax": way.build_jax}.get(runtime.dialect)
    if build is None:
        raise Unavailable(f"{case.way} is not written for {runtime.name}: take --runtime torch")
    return {"build": build}
