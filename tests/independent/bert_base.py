"""BERT-base with a classifier in transformers."""

import re
from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import torch
    import transformers

    sizes = transformers.BertConfig(
        vocab_size=config["vocab"],
        max_position_embeddings=config["context"],
        type_vocab_size=config["types"],
        num_hidden_layers=config["layers"],
        num_attention_heads=config["heads"],
        hidden_size=config["width"],
        intermediate_size=config["mlp_width"],
        num_labels=config["classes"],
    )
    model = transformers.BertForSequenceClassification(sizes).eval()
    model.load_state_dict({renamed(k): t for k, t in state.items()})  # strict: none is left over
    with torch.no_grad():
        return model(torch.from_numpy(inputs[0])).logits.numpy()


NAMES = [
    (r"^embeddings\.norm\.", "bert.embeddings.LayerNorm."),
    (r"^embeddings\.(\w+)\.", r"bert.embeddings.\1_embeddings."),
    (r"^pooler\.", "bert.pooler.dense."),
    (r"^layer\.", "bert.encoder.layer."),
    (r"\.attention\.(query|key|value)\.", r".attention.self.\1."),
    (r"\.attention\.output\.", ".attention.output.dense."),
    (r"\.attention\.norm\.", ".attention.output.LayerNorm."),
    (r"(layer\.\d+\.(?:intermediate|output))\.", r"\1.dense."),
    (r"(layer\.\d+)\.norm\.", r"\1.output.LayerNorm."),
]


def renamed(name: str) -> str:
    """Return transformers' name of our parameter."""
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    return name


INDEPENDENT = Independent(
    library="transformers, BertForSequenceClassification",
    logits=logits,
    published=Published(
        parameters=109_483_778,
        flops=2 * 11.174e9,
        source="parameters: transformers' bert-base-uncased with 2 labels (the paper: 110M);"
        " FLOPs: calflops README (github.com/MrYxJ/calculate-flops.pytorch), forward MAC of"
        " hfl/chinese-roberta-wwm-ext, which is BERT-base with another vocabulary, at (1, 128)",
    ),
)
