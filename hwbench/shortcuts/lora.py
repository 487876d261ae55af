"""Low-rank adapters in every layer (Hu et al. 2021): the weights' gradients are not computed."""

from hwbench.shortcut import Epochs, Ratio, Shortcut

SHORTCUT = Shortcut(
    name="lora",
    summary="low-rank adapters in frozen pretrained layers (LoRA)",
    step_ratio=Ratio(point=0.72, low=0.62, high=1.05),
    theory="2 F + 3 f of the adapters: 2/3 and what they add; measured savings are less, at times"
    " none (arXiv:2507.08833)",
    epochs=Epochs(
        usual=3,
        low=2,
        high=10,
        source="2 to 4 epochs for language models, up to 10 for vision",
    ),
)
