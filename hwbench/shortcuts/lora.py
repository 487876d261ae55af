"""Low-rank adapters in every layer (Hu et al. 2021): the weights' gradients are not computed."""

from hwbench.shortcut import Epochs, Ratio, Shortcut
from hwbench.stepping import Ground, Stepper

RANK, ALPHA = 8, 16  # the paper's usual ones


def build(ground: Ground) -> Stepper:
    """Put adapters of the peft library beside each linear layer and each whole convolution.

    The head trains too, in full, but where it is the token embedding, as in many language models:
    there adapters alone train, as is usual for them. A grouped convolution gets none: its ranks
    would have to be divided among the groups.
    """
    from hwbench.dialects import torch_frozen as frozen
    from hwbench.dialects.torch_vision import let_torchvision_import
    from hwbench.errors import Unavailable

    let_torchvision_import()  # peft imports transformers, which imports it where it is installed
    try:
        import peft
    except ImportError:
        raise Unavailable(
            "LoRA's layers are the peft library's, which is not installed",
            "pip install 'hwbench-dl[shortcuts]'",
        ) from None
    torch, model = ground.torch, ground.model
    head = _head(ground)
    targets = [name for name, m in model.named_modules() if name != head and _fits(torch, m)]
    if not targets:
        kinds = sorted({type(m).__name__ for _, m in model.named_modules() if _own(m)})
        raise Unavailable(
            f"{ground.workload.name} has no linear layer or convolution beside its head that LoRA"
            f" fits: it is made of {', '.join(kinds)}"
        )
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", target_modules=targets
    )
    made = frozen.seeded(ground, lambda: peft.inject_adapter_in_model(config, model))
    for parameter in made.get_submodule(head).parameters() if head else ():
        parameter.requires_grad_(True)
    frozen.settle(made)
    return frozen.stepper(ground, made)


def _head(ground: Ground) -> str | None:
    """Return the output layer by name; None for one that is tied to the token embedding."""
    from hwbench.dialects import torch_frozen as frozen
    from hwbench.errors import Unavailable

    try:
        return frozen.head_of(ground, frozen.anatomy_of(ground))
    except Unavailable:
        if ground.workload.decoding is None:
            raise
        return None


def _fits(torch: object, module: object) -> bool:
    nn = torch.nn  # type: ignore[attr-defined]
    whole = isinstance(module, nn.Conv2d) and module.groups == 1
    return whole or isinstance(module, nn.Linear)


def _own(module: object) -> bool:
    return any(True for _ in module.parameters(recurse=False))  # type: ignore[attr-defined]


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
    frozen="all weights but the adapters' and the head's; batch statistics too",
    memory="weights, activations of all layers; gradients and moments of adapters and head alone",
    rate_factor=3.0,
    excludes=("full_finetune", "partial_finetune", "linear_probe", "cached_features", "adapters"),
    build=build,
)
