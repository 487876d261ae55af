"""Training from scratch: the reference, which saves nothing."""

from hwbench.shortcut import Ratio, Shortcut

SHORTCUT = Shortcut(
    name="from_scratch",
    summary="all weights, from random ones: the reference",
    step_ratio=Ratio(point=1, low=1.0, high=1.0),
    theory="forward, activation and weight gradients: 3 F",
    epochs=None,
    pretrained=False,
    supports=lambda workload, config: None,
)
