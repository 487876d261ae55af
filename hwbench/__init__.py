"""hwbench: how long, how much energy and how much money a training will take, from measurement."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwbench.loop_watch import Watch as watch
    from hwbench.step_measure import measure

__version__ = "0.1.0"
__all__ = ["measure", "watch"]


def __getattr__(name: str) -> Any:
    """Import what a training loop uses when it is asked for: the command line starts without it."""
    if name == "watch":
        from hwbench.loop_watch import Watch

        return Watch
    if name == "measure":
        from hwbench.step_measure import measure

        return measure
    raise AttributeError(f"module 'hwbench' has no attribute {name!r}")
