"""Low-rank adapters of the peft library in a network's frozen layers, these whole or in 4 bits."""

import logging
import sys
from dataclasses import replace
from typing import Any

from hwbench.dialects import torch_frozen as frozen
from hwbench.dialects.torch_anatomy import anatomy
from hwbench.dialects.torch_vision import let_torchvision_import
from hwbench.errors import Unavailable
from hwbench.stepping import Ground, Stepper

RANK, ALPHA = 8, 16  # the paper's usual ones
BLOCK = 64  # weights that share a constant
KIND = "nf4"  # 4-bit normal floats, the constants quantised again (QLoRA, section 3)


def build(ground: Ground, quantised: bool = False) -> Stepper:
    """Put adapters beside each linear layer and each whole convolution, but the head.

    The head of a classifier trains too, in full. That of a model which generates text stays as it
    is, as is usual: adapters alone train. A grouped convolution gets none: its ranks would have to
    be divided among the groups. `quantised`, linear layers alone get some, and are held in 4 bits.
    """
    let_torchvision_import()  # peft imports transformers, which imports it where it is installed
    bits = _bitsandbytes()  # which peft imports too
    try:
        import peft
    except ImportError:
        raise Unavailable(
            "LoRA's layers are the peft library's, which is not installed",
            "pip install 'hwbench-dl[shortcuts]'",
        ) from None
    torch, model = ground.torch, ground.model
    head, trains = _head(ground)
    targets = [n for n, m in model.named_modules() if n != head and _fits(torch, m, quantised)]
    if not targets:
        kinds = sorted({type(m).__name__ for _, m in model.named_modules() if _own(m)})
        raise Unavailable(
            f"{ground.workload.name} has no {'linear layer' if quantised else 'layer'} beside its"
            f" head that takes adapters: it is made of {', '.join(kinds)}"
        )
    if quantised:
        _check_bits(ground, bits, targets)
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, bias="none", target_modules=targets
    )
    made = frozen.seeded(ground, lambda: peft.inject_adapter_in_model(config, model))
    for parameter in made.get_submodule(head).parameters() if head and trains else ():
        parameter.requires_grad_(True)
    if not quantised:
        frozen.settle(made)
        return frozen.stepper(ground, made)
    # Counted before: what the library computes inside its layers is not seen.
    flops = anatomy(torch, made, frozen.probe_inputs(ground)).step_flops
    _in_four_bits(ground, bits, made, targets)
    frozen.settle(made)
    return replace(frozen.stepper(ground, made), theory_flops_per_item=flops)


def _bitsandbytes() -> Any:
    """Return bitsandbytes, kept from fetching a kernel while it is imported; None without it."""
    before = sys.modules.get("kernels")
    sys.modules["kernels"] = None  # type: ignore[assignment]  # the library that would
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        import bitsandbytes
    except ImportError:
        return None
    finally:
        del sys.modules["kernels"]
        if before is not None:
            sys.modules["kernels"] = before
    return bitsandbytes


def _check_bits(ground: Ground, bnb: Any, targets: list[str]) -> None:
    """Raise Unavailable where nothing can be held in 4 bits."""
    if bnb is None:
        raise Unavailable(
            "QLoRA's 4-bit layers are the bitsandbytes library's, which is not installed",
            "pip install 'hwbench-dl[qlora]'",
        )
    if not any(_packs(ground, ground.model.get_submodule(n)) for n in targets):
        raise Unavailable(
            f"{ground.workload.name} has no linear layer beside its head whose inputs are a"
            f" multiple of {BLOCK}, as bitsandbytes needs on a processor"
        )


def _packs(ground: Ground, layer: Any) -> bool:
    """Return whether a layer is held in 4 bits, and right.

    On processors bitsandbytes 0.50 unpacks rows wrongly that end within a block of constants.
    """
    on_cpu = ground.torch.device(ground.device).type == "cpu"
    return not on_cpu or layer.in_features % BLOCK == 0


def _in_four_bits(ground: Ground, bnb: Any, model: Any, targets: list[str]) -> None:
    """Put bitsandbytes' 4-bit layers in the place of those that adapters stand beside."""
    torch = ground.torch
    for name in targets:
        beside = model.get_submodule(name)
        old = beside.base_layer
        if not _packs(ground, old):
            continue
        made = bnb.nn.Linear4bit(
            old.in_features,
            old.out_features,
            bias=old.bias is not None,
            compute_dtype=_dtype(ground),
            compress_statistics=True,
            quant_type=KIND,
        )
        made.weight = bnb.nn.Params4bit(
            old.weight.detach().to("cpu"),
            requires_grad=False,
            compress_statistics=True,
            quant_type=KIND,
        )
        # Evaluating, it would pack weights for one kind of processor, at sizes that fit alone.
        made.support_avx512bf16_for_cpu = False
        if old.bias is not None:
            made.bias = torch.nn.Parameter(old.bias.detach(), requires_grad=False)
        beside.base_layer = made.to(ground.device)  # quantised on its way


def _dtype(ground: Ground) -> Any:
    """Return what a product with unpacked weights is computed in."""
    torch = ground.torch
    with ground.autocast():
        device = torch.device(ground.device).type
        if torch.is_autocast_enabled(device):
            return torch.get_autocast_dtype(device)
    return torch.float32


def _head(ground: Ground) -> tuple[str | None, bool]:
    """Return the output layer and whether it trains; None where it is the token embedding."""
    generates = ground.workload.decoding is not None or "kv_heads" in ground.config
    try:
        return frozen.head_of(ground, frozen.anatomy_of(ground)), not generates
    except Unavailable:
        if not generates:
            raise
        return None, False


def _fits(torch: Any, module: Any, quantised: bool) -> bool:
    nn = torch.nn
    whole = isinstance(module, nn.Conv2d) and module.groups == 1
    return isinstance(module, nn.Linear) or (whole and not quantised)


def _own(module: Any) -> bool:
    return any(True for _ in module.parameters(recurse=False))
