"""MobileNetV3-Large in timm; the small variant by torchvision's table and rule of widths."""

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Any

from hwbench.dialects.torch_vision import let_torchvision_import
from hwbench.workload import Config
from tests.independent import Independent, Published

PUBLISHED_SIZE = {"width_eighths": 8, "blocks": 4}
NORM_EPSILON = 1e-3  # torchvision's, which timm leaves at 1e-5


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import pytest
    import torch

    let_torchvision_import()
    timm = pytest.importorskip("timm")
    sizes = {"num_classes": config["classes"], "in_chans": config["channels"]}
    if PUBLISHED_SIZE.items() <= config.items():
        model = timm.create_model("mobilenetv3_large_100", bn_eps=NORM_EPSILON, **sizes)
    else:
        model = narrowed(config, sizes)
    model.load_state_dict(renamed(state, model.state_dict()))  # strict: no parameter is left over
    with torch.no_grad():
        return model.eval()(torch.from_numpy(inputs[0])).numpy()


def narrowed(config: Config, sizes: Mapping[str, int]) -> Any:
    """Build timm's network from the first blocks of each stage, at a part of the width."""
    from functools import partial

    import pytest
    from torch import nn

    table = pytest.importorskip("torchvision.models.mobilenetv3")._mobilenet_v3_conf
    mobilenetv3 = pytest.importorskip("timm.models.mobilenetv3")
    rows, hidden = table("mobilenet_v3_large", width_mult=config["width_eighths"] / 8)
    whole, _ = table("mobilenet_v3_large")  # where a stage is told by its channels
    stages = groupby(zip(rows, whole, strict=True), key=lambda pair: pair[1].out_channels)
    kept = [[row for row, _ in islice(stage, config["blocks"])] for _, stage in stages]
    last = f"cn_r1_k1_s1_c{6 * rows[-1].out_channels}"
    return mobilenetv3.MobileNetV3(
        mobilenetv3.decode_arch_def([*map(list, map(written, kept)), [last]]),
        num_features=hidden,
        stem_size=rows[0].input_channels,
        norm_layer=partial(nn.BatchNorm2d, eps=NORM_EPSILON),
        act_layer=nn.Hardswish,
        se_layer=partial(
            mobilenetv3.SqueezeExcite,
            gate_layer="hard_sigmoid",
            force_act_layer=nn.ReLU,
            rd_round_fn=mobilenetv3.round_channels,
        ),
        **sizes,
    )


def written(rows: list[Any]) -> Iterator[str]:
    """Write torchvision's rows in timm's notation, for a block each."""
    for row in rows:
        kind = "ds" if row.expanded_channels == row.input_channels else "ir"
        expansion = row.expanded_channels / row.input_channels
        sizes = f"k{row.kernel}_s{row.stride}_e{expansion!r}_c{row.out_channels}"
        excited = "_se0.25" if row.use_se else ""
        activation = "_nhs" if row.use_hs else "_nre"
        yield f"{kind}_r1_{sizes}{excited}{activation}"


def renamed(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Name our state as timm does: both list their layers in the order of execution.

    timm's head is a 1 x 1 convolution of the one pixel that pooling leaves, ours a matrix.
    """
    modules = dict(zip(_modules(ours), _modules(theirs), strict=True))
    state = {}
    for name, tensor in ours.items():
        module, leaf = name.rsplit(".", 1)
        state[f"{modules[module]}.{leaf}"] = tensor
    state["conv_head.weight"] = state["conv_head.weight"][:, :, None, None]
    return state


def _modules(state: Mapping[str, Any]) -> dict[str, None]:
    """Return the names of the modules that have parameters or buffers, in their order."""
    return dict.fromkeys(name.rsplit(".", 1)[0] for name in state)


INDEPENDENT = Independent(
    library="timm, mobilenetv3_large_100",
    logits=logits,
    published=Published(
        parameters=5_483_032,
        flops=2 * 0.217e9,
        source="torchvision 0.28, MobileNet_V3_Large_Weights: num_params 5483032, _ops 0.217 (10^9"
        " multiply-accumulates); the paper's table 3 says 5.4 M and 219 M MAdds",
    ),
)
