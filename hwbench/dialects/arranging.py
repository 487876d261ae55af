"""How a loader's batch becomes what a network takes: its inputs and its targets."""

from collections.abc import Callable
from typing import Any

from hwbench.dialects.torch_device import library
from hwbench.workload import Config, Workload


class Beside:
    """What a model of the user's own takes that data do not give: more inputs, its own targets.

    They are drawn as for any step, once for each batch size: what they are changes no time.
    """

    def __init__(self, workload: Workload, config: Config, kind: str) -> None:
        """Find out whether the data's labels can be its targets, and how many inputs it takes."""
        import numpy as np

        self._workload, self._config = workload, config
        self._kept: dict[int, tuple[tuple[Any, ...], Any]] = {}
        if not workload.own:
            self.inputs = self.targets = False
            return
        inputs, targets = workload.batch(config, 2, np.random.default_rng(0))
        given = 2 if kind == "tokens" and not config.get("classes") else 1
        self.inputs = len(inputs) > 1
        self.targets = bool(workload.objectives) or targets.ndim != given

    def of(self, size: int) -> tuple[tuple[Any, ...], Any]:
        """Return (the further inputs, targets) of a batch of `size`, as NumPy arrays."""
        import numpy as np

        if size not in self._kept:
            drawn, targets = self._workload.batch(self._config, size, np.random.default_rng(size))
            self._kept[size] = tuple(drawn[1:]), targets
        return self._kept[size]


def arranged(workload: Workload, config: Config, kind: str) -> Callable[[Any, Any], Any]:
    """Return how a loader's batch becomes (inputs, targets) of the network."""
    torch = library()
    if kind != "pictures":
        beside = Beside(workload, config, kind)

        def whole(inputs: Any, targets: Any) -> Any:
            if not (beside.inputs or beside.targets):
                return (inputs,), targets
            more, own = beside.of(len(inputs))
            given = (inputs, *(torch.from_numpy(v) for v in more))
            return given, torch.from_numpy(own) if beside.targets else targets

        return whole

    def noise(pictures: Any, labels: Any) -> Any:
        return (torch.randn(len(pictures), config["noise"]),), pictures.clamp(-1, 1)

    return noise
