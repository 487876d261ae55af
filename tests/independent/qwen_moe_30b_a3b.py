"""Qwen3 30B-A3B in transformers."""

from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published
from tests.independent.llama_family import computed, sizes


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import transformers

    theirs = transformers.Qwen3MoeConfig(
        **sizes(config),
        moe_intermediate_size=config["mlp_width"],
        num_experts=config["experts"],
        num_experts_per_tok=config["active"],
        norm_topk_prob=True,
    )
    return computed(transformers.Qwen3MoeForCausalLM(theirs), state, inputs)


INDEPENDENT = Independent(
    library="transformers, Qwen3MoeForCausalLM",
    logits=logits,
    published=Published(
        parameters=30_532_122_624,
        flops=None,
        source="huggingface.co/Qwen/Qwen3-30B-A3B, its safetensors and transformers' module:"
        " 30,532,122,624 (30.5B, 3.3B of them active: arXiv:2505.09388)",
    ),
)
