"""A linear head on a frozen backbone that runs forward in each step: data can be augmented."""

from hwbench.shortcut import Epochs, Ratio, Shortcut

SHORTCUT = Shortcut(
    name="linear_probe",
    summary="a linear head; the frozen backbone runs in each step",
    step_ratio=Ratio(point=1 / 3, low=0.28, high=0.5),
    theory="F + 3 f of the head: 1/3",
    epochs=Epochs(
        usual=50,
        low=20,
        high=100,
        source="50 to 100 epochs of the head",
    ),
)
