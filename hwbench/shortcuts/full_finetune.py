"""Fine-tuning of all weights from pretrained ones: a whole step, in fewer epochs."""

from hwbench.shortcut import Epochs, Ratio, Shortcut

SHORTCUT = Shortcut(
    name="full_finetune",
    summary="all weights, from pretrained ones",
    step_ratio=Ratio(point=1, low=1.0, high=1.0),
    theory="3 F, as from scratch",
    epochs=Epochs(
        usual=10,
        low=5,
        high=30,
        source="5 to 30 epochs (Kornblith et al. 2019; Kolesnikov et al. 2020, BiT); 2 to 4 for"
        " language models",
    ),
    supports=lambda workload, config: None,
    rate_factor=0.3,
    excludes=("linear_probe", "cached_features", "partial_finetune", "lora", "adapters"),
)
