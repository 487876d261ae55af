"""The Llama family in transformers: what its sizes share."""

from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published


def sizes(config: Config) -> dict[str, Any]:
    """Return our configuration in the words of transformers."""
    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": float(config["rope_theta"])}
    if config["rope_factor"]:
        rope |= {
            "rope_type": "llama3",
            "factor": float(config["rope_factor"]),
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": config["rope_original"],
        }
    return {
        "vocab_size": config["vocab"],
        "max_position_embeddings": config["context"],
        "hidden_size": config["width"],
        "intermediate_size": config["mlp_width"],
        "num_hidden_layers": config["layers"],
        "num_attention_heads": config["heads"],
        "num_key_value_heads": config["kv_heads"],
        "head_dim": config["head_dim"],
        "rms_norm_eps": 10.0 ** -config["epsilon_exponent"],
        "tie_word_embeddings": bool(config["tied"]),
        "rope_parameters": rope,
    }


def computed(model: Any, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    """Return the logits of a model of transformers with our weights."""
    import torch

    theirs = {k if k.startswith("lm_head.") else f"model.{k}": t for k, t in state.items()}
    theirs.setdefault("lm_head.weight", state["embed_tokens.weight"])  # tied
    model.eval().load_state_dict(theirs)  # strict: no parameter is left over
    with torch.no_grad():
        return model(torch.from_numpy(inputs[0])).logits.numpy()


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import transformers

    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes(config)))
    return computed(model, state, inputs)


def independent(parameters: int, source: str) -> Independent:
    """Return what is known of one size; nobody publishes its FLOPs at this length."""
    return Independent(
        library="transformers, LlamaForCausalLM",
        logits=logits,
        published=Published(parameters=parameters, flops=None, source=source),
    )
