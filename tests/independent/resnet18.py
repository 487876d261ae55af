"""ResNet-18 in transformers."""

import re
from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published

# Our names, which are torchvision's but counted from 0, and transformers'.
NAMES = [
    (r"^conv0\.", "resnet.embedder.embedder.convolution."),
    (r"^bn0\.", "resnet.embedder.embedder.normalization."),
    (r"^fc\.", "classifier.1."),
    (r"^layer(\d)\.(\d)\.", r"resnet.encoder.stages.\1.layers.\2."),
    (r"\.conv(\d)\.", r".layer.\1.convolution."),
    (r"\.bn(\d)\.", r".layer.\1.normalization."),
    (r"\.downsample\.0\.", ".shortcut.convolution."),
    (r"\.downsample\.1\.", ".shortcut.normalization."),
]


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import torch
    import transformers

    widths = [config["width"] * config["expansion"] * 2**stage for stage in range(4)]
    sizes = transformers.ResNetConfig(
        num_channels=config["channels"],
        embedding_size=config["width"],
        hidden_sizes=widths,
        depths=[config[f"blocks{stage}"] for stage in (1, 2, 3, 4)],
        layer_type="basic" if config["expansion"] == 1 else "bottleneck",
        downsample_in_bottleneck=False,  # version 1.5
        num_labels=config["classes"],
    )
    model = transformers.ResNetForImageClassification(sizes).eval()
    model.load_state_dict(renamed(state))  # strict: no parameter is left over
    with torch.no_grad():
        return model(torch.from_numpy(inputs[0])).logits.numpy()


def renamed(ours: Mapping[str, Any]) -> dict[str, Any]:
    """Rename our state for transformers, which counts stages and convolutions from 0."""
    state = {}
    for name, tensor in ours.items():
        name = re.sub(r"\b(layer|conv|bn)(\d)\.", lambda m: f"{m[1]}{int(m[2]) - 1}.", name)
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        state[name] = tensor
    return state


INDEPENDENT = Independent(
    library="transformers, ResNetForImageClassification",
    logits=logits,
    published=Published(
        parameters=11_689_512,
        flops=2 * 1.814e9,
        source="torchvision, ResNet18_Weights.IMAGENET1K_V1.meta: num_params, _ops (GMAC)",
    ),
)
