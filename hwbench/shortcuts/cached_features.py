"""A linear head on features that the frozen backbone computes once."""

from hwbench.shortcut import Epochs, Ratio, Shortcut

SHORTCUT = Shortcut(
    name="cached_features",
    summary="a linear head; the frozen backbone runs once over the data",
    step_ratio=Ratio(point=0.003, low=0.0003, high=0.02),
    theory="F once, then 4 d C of the head an item and epoch: 1 / (3 E) and next to nothing",
    epochs=Epochs(
        usual=50,
        low=20,
        high=100,
        source="50 to 100 epochs of the head, or L-BFGS",
    ),
    forward_passes_once=1.0,
    loads_data=False,
)
