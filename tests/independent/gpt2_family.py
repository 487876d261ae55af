"""The GPT-2 family in transformers: what its sizes share."""

import re
from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import torch
    import transformers

    sizes = transformers.GPT2Config(
        vocab_size=config["vocab"],
        n_positions=config["context"],
        n_embd=config["width"],
        n_layer=config["layers"],
        n_head=config["heads"],
        n_inner=config["mlp_width"],
    )
    model = transformers.GPT2LMHeadModel(sizes).eval()
    model.load_state_dict(renamed(state))  # strict: no parameter is left over
    with torch.no_grad():
        return model(torch.from_numpy(inputs[0])).logits.numpy()


def renamed(ours: Mapping[str, Any]) -> dict[str, Any]:
    """Rename our state for transformers, whose Conv1D keeps (in, out)."""
    conv1d = re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$")
    state = {f"transformer.{k}": t.T if conv1d.search(k) else t for k, t in ours.items()}
    return state | {"lm_head.weight": ours["wte.weight"]}


def flops(layers: int, h: int) -> float:
    """Return the FLOPs of Narayanan et al. 2021 (arXiv:2104.04473, appendix) at 128 tokens.

    96 B s l h^2 (1 + s/6h + V/16lh) with recomputation, which is 4 forward passes of the layers
    and 3 of the head.
    """
    s, vocab = 128, 50257
    return 24 * s * layers * h**2 * (1 + s / (6 * h)) + 2 * s * h * vocab


def independent(parameters: int, layers: int, width: int, page: str) -> Independent:
    """Return what is known of one size; `page` tells its parameters."""
    return Independent(
        library="transformers, GPT2LMHeadModel",
        logits=logits,
        published=Published(
            parameters=parameters,
            flops=flops(layers, width),
            source=f"{page};"
            " FLOPs: Narayanan et al. 2021, arXiv:2104.04473, appendix, at 128 tokens",
        ),
    )
