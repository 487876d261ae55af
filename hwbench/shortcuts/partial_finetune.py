"""Fine-tuning of the later half of a pretrained network; the earlier half is a frozen prefix."""

from hwbench.shortcut import Epochs, Ratio, Shortcut

SHORTCUT = Shortcut(
    name="partial_finetune",
    summary="the later half of the layers, from pretrained ones",
    step_ratio=Ratio(point=2 / 3, low=0.6, high=0.9),
    theory="a frozen prefix of half of the layers: (3 - 2 phi) F = 2 F of 3 F",
    epochs=Epochs(
        usual=10,
        low=5,
        high=30,
        source="as full fine-tuning: 5 to 30 epochs",
    ),
)
