"""Configurations of Hugging Face models: read, held to sense, and cut to fewer blocks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwbench.dialects.user_code import raised, wrong
from hwbench.errors import Unavailable
from hwbench.model_spec import ModelSpec

LAYERS = "num_hidden_layers"
KINDS = "layer_types"  # of each block, where not all are alike
# What a configuration of a transformer must say itself: a default in its place is another network.
ESSENTIAL = (LAYERS, "hidden_size", "num_attention_heads", "vocab_size")


def read(transformers: Any, spec: ModelSpec) -> Any:
    """Return the configuration of a spec: a file's or folder's, a type's default, or the cache's.

    Raises BadInput for one that lacks a size or contradicts itself, Unavailable for one that is
    not here.
    """
    path = Path(spec.target)
    if path.is_dir() or path.is_file():
        try:
            config = transformers.AutoConfig.from_pretrained(str(path))
            said, _ = transformers.PretrainedConfig.get_config_dict(str(path))
        except Exception as e:
            raise raised(spec, e, "when its configuration was read") from None
        check(spec, config, said)
        return config
    types = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    if spec.target in types:
        return types[spec.target]()
    try:
        return transformers.AutoConfig.from_pretrained(spec.target, local_files_only=True)
    except Exception as e:
        raise Unavailable(
            f"--model {spec.text}: its configuration is not in this machine's cache"
            f" ({type(e).__name__})",
            "give its config.json as hf:PATH, or a type of model for its default configuration,"
            " as in hf:distilbert",
        ) from None


def check(spec: ModelSpec, config: Any, said: Mapping[str, Any]) -> None:
    """Raise BadInput for sizes that the file lacks, that are none, or that contradict each other.

    `said` is the file as it stands: transformers fills what it lacks with another model's sizes.
    """
    names = getattr(type(config), "attribute_map", {})
    composed = any(isinstance(v, Mapping) and k.endswith("_config") for k, v in said.items())
    for name in () if composed else ESSENTIAL:
        own = names.get(name, name)
        value = getattr(config, name, None)
        if value is None:
            continue
        if not {own, name} & set(said):
            raise wrong(
                spec,
                f"its configuration says no {own}, and {value}, which transformers takes in its"
                " place, is another model's: add it",
            )
        if not isinstance(value, int) or value < 1:
            raise wrong(spec, f"its configuration says {own} {value!r}: a positive number is asked")
    if not composed:
        _check_heads(spec, config, said)
        _check_kinds(spec, config)


def _check_heads(spec: ModelSpec, config: Any, said: Mapping[str, Any]) -> None:
    width, heads = (getattr(config, n, None) for n in ("hidden_size", "num_attention_heads"))
    if not isinstance(width, int) or not isinstance(heads, int):
        return
    size = getattr(config, "head_dim", None)
    if width % heads and said.get("head_dim") is None and size in (None, width // heads):
        raise wrong(spec, f"its {heads} heads do not divide its width of {width}")
    groups = getattr(config, "num_key_value_heads", None)
    if isinstance(groups, int) and (groups < 1 or heads % groups):
        raise wrong(spec, f"its {groups} heads of keys and values do not divide its {heads} heads")


def _check_kinds(spec: ModelSpec, config: Any) -> None:
    kinds, layers = getattr(config, KINDS, None), getattr(config, LAYERS, None)
    if kinds is not None and len(kinds) != layers:
        raise wrong(spec, f"its configuration names {len(kinds)} {KINDS} for {layers} blocks")


def blocks_of(config: Any) -> tuple[int, int]:
    """Return (blocks, after how many of them they repeat); (0, 1) for what is no plain stack.

    Blocks of several kinds in a row, such as five with a window and one without, repeat by the row.
    """
    layers = getattr(config, LAYERS, None)
    nested = getattr(config, "sub_configs", None) or getattr(config, "is_encoder_decoder", False)
    if not isinstance(layers, int) or nested:
        return 0, 1
    kinds = getattr(config, KINDS, None) or [""] * layers
    period = next(p for p in range(1, layers + 1) if kinds == (kinds[:p] * layers)[:layers])
    return (layers, period) if 2 * period <= layers else (0, 1)


def sizes_of(config: Any) -> dict[str, int]:
    """Return the sizes of a transformer by the names that hwbench's own have, as far as known.

    `kv_heads` are of what generates text, and keeps keys and values of what it has read.
    """
    found = {
        "width": getattr(config, "hidden_size", None),
        "heads": getattr(config, "num_attention_heads", None),
        "context": getattr(config, "max_position_embeddings", None),
        "head_dim": getattr(config, "head_dim", None),
    }
    if any("CausalLM" in n or "LMHead" in n for n in config.architectures or ()):
        found["kv_heads"] = getattr(config, "num_key_value_heads", None) or found["heads"]
    return {k: v for k, v in found.items() if isinstance(v, int) and v > 0}


def cut(config: Any, layers: int) -> Any:
    """Return the configuration with its first so many blocks."""
    if getattr(config, KINDS, None):
        setattr(config, KINDS, list(getattr(config, KINDS))[:layers])
    setattr(config, LAYERS, layers)
    return config
