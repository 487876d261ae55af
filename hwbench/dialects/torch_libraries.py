"""Models of timm and transformers by name, with inputs of their kind. Nothing is downloaded."""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from hwbench.dialects import hf_config
from hwbench.dialects.libraries import load
from hwbench.dialects.torch_vision import let_torchvision_import
from hwbench.dialects.user_code import Given, raised, wrong
from hwbench.errors import BadInput, Unavailable, UnknownName
from hwbench.model_spec import ModelSpec

REMEDY = "pip install 'hwbench-dl[models]'"
SEQ, BATCH = 128, 2
SECOND = 16_000  # samples of sound


def of_timm(spec: ModelSpec, pretrained: bool) -> Given:
    """Return timm's model of a name, and images of the size it is for."""
    import torch

    let_torchvision_import()
    _offline()
    timm = load("timm", REMEDY)
    if not timm.is_model(spec.target):
        raise UnknownName("timm model", spec.target, timm.list_models())
    sizes = {"num_classes": spec.sizes["classes"]} if "classes" in spec.sizes else {}
    image = {"img_size": spec.sizes["image"]} if "image" in spec.sizes else {}
    try:
        model = _made(lambda more: timm.create_model(spec.target, pretrained, **more), sizes, image)
    except Exception as e:
        if pretrained:
            raise _uncached(spec, e) from None
        raise raised(spec, e, "when timm made it") from None
    channels, height, width = model.default_cfg["input_size"]
    side = spec.sizes.get("image")
    height, width = (side, side) if side else (height, width)
    return Given(model=model, inputs=torch.rand(BATCH, channels, height, width), item="image")


def _made(make: Any, sizes: Mapping[str, int], image: Mapping[str, int]) -> Any:
    """Make a model for an image size; convolutional ones take any size, and no such argument."""
    if not image:
        return make(sizes)
    try:
        return make({**sizes, **image})
    except TypeError:
        return make(sizes)


def of_transformers(
    spec: ModelSpec, pretrained: bool, layers: int | None = None, held: bool = True
) -> Given:
    """Return the model of a configuration, and inputs by what it takes.

    The configuration is a name's in the local cache, a file's or folder's, or, for the name of a
    type of model (`hf:distilbert`), the one that transformers takes by default. `layers` cuts it to
    so many blocks. One that is not `held` has no memory, being on torch's meta device.
    """
    import torch

    transformers = library()
    config = configuration(spec)
    if layers is not None:
        config = hf_config.cut(config, layers)
    maker = _class(transformers, config)
    # A configuration names the type that it was saved in; a case is of its own.
    config.dtype = torch.get_default_dtype()
    try:
        if pretrained and held:
            more = {"dtype": config.dtype, "local_files_only": True}
            model = maker.from_pretrained(spec.target, config=config, **more)
        else:
            if not held and hasattr(config, "_experts_implementation"):
                # The one whose sizes do not depend on which expert a token goes to.
                config._experts_implementation = "batched_mm"
            with nullcontext() if held else torch.device("meta"):
                auto = hasattr(maker, "from_config")
                model = (maker.from_config if auto else maker._from_config)(config)
    except Exception as e:
        if pretrained and held:
            raise _uncached(spec, e) from None
        raise raised(spec, e, "when transformers made it") from None
    return Given(model=model, inputs=_inputs(spec, config, model), item=_item(model))


def library() -> Any:
    """Return transformers, which is asked to be silent and to look for nothing outside."""
    let_torchvision_import()
    _offline()
    transformers = load("transformers", REMEDY)
    transformers.logging.set_verbosity_error()
    return transformers


def configuration(spec: ModelSpec) -> Any:
    """Return the configuration of a Hugging Face model with the sizes that were asked."""
    config = hf_config.read(library(), spec)
    if "classes" in spec.sizes:
        config.num_labels = spec.sizes["classes"]
    return config


def _class(transformers: Any, config: Any) -> Any:
    """Return the class that a configuration names; that of its type, where it names none."""
    for name in config.architectures or ():
        if hasattr(transformers, name):
            return getattr(transformers, name)
    auto = transformers.models.auto.modeling_auto
    for mapping, maker in (
        (auto.MODEL_FOR_CAUSAL_LM_MAPPING, transformers.AutoModelForCausalLM),
        (auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
         transformers.AutoModelForSequenceClassification),
        (auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, transformers.AutoModelForImageClassification),
    ):  # fmt: skip
        # An encoder has a causal form too, which nobody means by its name.
        causal = maker is transformers.AutoModelForCausalLM
        encodes = type(config) in auto.MODEL_FOR_MASKED_LM_MAPPING
        if type(config) in mapping and not (causal and encodes):
            return maker
    return transformers.AutoModel


def _inputs(spec: ModelSpec, config: Any, model: Any) -> dict[str, Any]:
    import torch

    name = model.main_input_name
    if name == "pixel_values":
        size = spec.sizes.get("image") or getattr(config, "image_size", 224)
        height, width = size if isinstance(size, (tuple, list)) else (size, size)
        channels = getattr(config, "num_channels", 3)
        return {name: torch.rand(BATCH, channels, height, width)}
    if name == "input_ids":
        text = getattr(config, "text_config", config)
        most = getattr(text, "max_position_embeddings", getattr(text, "n_positions", None))
        seq = spec.sizes.get("seq") or min(SEQ, most or SEQ)
        if most is not None and seq > most:
            raise BadInput(f"--model {spec.text}: takes at most {most} tokens, {seq} were asked")
        tokens = torch.randint(0, text.vocab_size, (BATCH, seq))
        tokens[0, 0], tokens[0, -1] = text.vocab_size - 1, 0  # the whole range is drawn from later
        given = {name: tokens}
        if getattr(config, "is_encoder_decoder", False):
            given["decoder_input_ids"] = tokens.clone()
        return given
    if name == "input_values":
        return {name: torch.randn(BATCH, spec.sizes.get("features", SECOND))}
    try:
        return dict(model.dummy_inputs)
    except Exception:
        raise wrong(spec, f"takes {name}, of which nothing is known: name a factory") from None


def _item(model: Any) -> str:
    return {"pixel_values": "image", "input_ids": "sequence"}.get(model.main_input_name, "item")


def _offline() -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is imported


def _uncached(spec: ModelSpec, error: Exception) -> Unavailable:
    return Unavailable(
        f"--model {spec.text}: its pretrained weights are not in this machine's cache"
        f" ({type(error).__name__})",
        "load them once where there is a network, or leave out --pretrained: random weights"
        " take as long",
    )
