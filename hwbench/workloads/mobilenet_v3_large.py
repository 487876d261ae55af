"""MobileNetV3-Large (Howard et al. 2019, arXiv:1905.02244, table 1), named as in torchvision.

A block expands its channels by a 1 x 1 convolution, filters each of them on its own (depthwise),
in some blocks weighs them by a squeeze-and-excitation, and projects them back linearly. As in
torchvision the weighing has one hidden layer of a quarter of the expanded channels, and batch
normalisation has epsilon 1e-3 and momentum 0.01; there is no dropout.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from collections.abc import Iterator
from typing import Any, NamedTuple

from hwbench.workload import Config, Optimizer, Variant, Workload

STEM = 16
LAST_EXPANSION = 6  # the last convolution, 160 -> 960
HIDDEN = 1280  # the hidden layer of the classifier
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.01


class Stage(NamedTuple):
    """Successive blocks with as many channels out; the first of them has the stride."""

    c_out: int
    kernel: int
    stride: int
    expanded: tuple[int, ...]  # one a block
    excited: bool
    hard_swish: bool  # else ReLU


# Table 1 of the paper; a comment tells the input side at 224 pixels.
STAGES = (
    Stage(16, 3, 1, (16,), excited=False, hard_swish=False),  # 112
    Stage(24, 3, 2, (64, 72), excited=False, hard_swish=False),  # 112
    Stage(40, 5, 2, (72, 120, 120), excited=True, hard_swish=False),  # 56
    Stage(80, 3, 2, (240, 200, 184, 184), excited=False, hard_swish=True),  # 28
    Stage(112, 3, 1, (480, 672), excited=True, hard_swish=True),  # 14
    Stage(160, 5, 2, (672, 960, 960), excited=True, hard_swish=True),  # 14
)


class Block(NamedTuple):
    """An inverted residual; its input is added to its output where both have one shape."""

    c_in: int
    expanded: int  # as c_in: there is no 1 x 1 convolution before the depthwise one
    squeezed: int  # hidden channels of the squeeze-and-excitation; 0: there is none
    c_out: int
    kernel: int
    stride: int
    hard_swish: bool


class Convolution(NamedTuple):
    """A convolution's numbers, for the counts."""

    kernel: int
    c_in: int  # 1: depthwise
    c_out: int
    side: int  # of the output
    normed: bool  # batch normalisation after it, else a bias in it


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one float32 array of images, NCHW."""
    side = config["image"]
    return (rng.standard_normal((batch_size, config["channels"], side, side), dtype="float32"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels of shape (batch,)."""
    return rng.integers(config["classes"], size=batch_size, dtype="int64")


def _width(channels: int, config: Config) -> int:
    """Multiply by the network's width, as torchvision does."""
    return _multiple_of_8(channels * config["width_eighths"] / 8)


def _multiple_of_8(channels: float) -> int:
    """Round to the nearest multiple of 8 above 0 that takes off at most a tenth."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def _blocks(config: Config) -> Iterator[Block]:
    """Yield the blocks: of each stage the first `blocks`."""
    c_in = _width(STEM, config)
    for stage in STAGES:
        c_out = _width(stage.c_out, config)
        for i, channels in enumerate(stage.expanded[: config["blocks"]]):
            expanded = _width(channels, config)
            squeezed = _multiple_of_8(expanded // 4) if stage.excited else 0
            stride = stage.stride if i == 0 else 1
            yield Block(c_in, expanded, squeezed, c_out, stage.kernel, stride, stage.hard_swish)
            c_in = c_out


def _tail(config: Config) -> tuple[int, int, int]:
    """Return the channels of the last block, of the last convolution, of the hidden layer."""
    last = _width(STAGES[-1].c_out, config)
    return last, LAST_EXPANSION * last, _width(HIDDEN, config)


def _convolutions(config: Config) -> Iterator[Convolution]:
    """Yield every convolution; those of a squeeze-and-excitation see one pixel."""
    side = (config["image"] + 1) // 2
    yield Convolution(3, config["channels"], _width(STEM, config), side, True)
    for block in _blocks(config):
        if block.expanded != block.c_in:
            yield Convolution(1, block.c_in, block.expanded, side, True)
        side = -(-side // block.stride)  # rounded up: padding is half the (odd) kernel
        yield Convolution(block.kernel, 1, block.expanded, side, True)
        if block.squeezed:
            yield Convolution(1, block.expanded, block.squeezed, 1, False)
            yield Convolution(1, block.squeezed, block.expanded, 1, False)
        yield Convolution(1, block.expanded, block.c_out, side, True)
    last, features, _ = _tail(config)
    yield Convolution(1, last, features, side, True)


def parameters(config: Config) -> int:
    """Count kernels, two numbers a normalised channel or one bias, and the classifier."""
    convolutions = sum(
        (c.kernel**2 * c.c_in + 1 + c.normed) * c.c_out for c in _convolutions(config)
    )
    _, features, hidden = _tail(config)
    return convolutions + (features + 1) * hidden + (hidden + 1) * config["classes"]


def flops(config: Config) -> int:
    """Return the forward FLOPs of one image: 2 per MAC of convolutions and classifier."""
    convolutions = sum(c.kernel**2 * c.c_in * c.c_out * c.side**2 for c in _convolutions(config))
    _, features, hidden = _tail(config)
    return 2 * (convolutions + features * hidden + hidden * config["classes"])


def build_torch(config: Config) -> Any:
    """Build the torch module: images NCHW to logits (batch, classes)."""
    import torch
    from torch import nn

    def normed(c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[Any]:
        padding = kernel // 2
        convolution = nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False)
        return [convolution, nn.BatchNorm2d(c_out, eps=NORM_EPSILON, momentum=NORM_MOMENTUM)]

    class SqueezeExcitation(nn.Module):
        def __init__(self, channels: int, squeezed: int) -> None:
            super().__init__()
            self.fc1 = nn.Conv2d(channels, squeezed, 1)
            self.fc2 = nn.Conv2d(squeezed, channels, 1)
            self.gate = nn.Hardsigmoid()

        def forward(self, x: Any) -> Any:
            y = x.mean(dim=(2, 3), keepdim=True)
            return x * self.gate(self.fc2(torch.relu(self.fc1(y))))

    class InvertedResidual(nn.Module):
        def __init__(self, b: Block) -> None:
            super().__init__()
            activation = nn.Hardswish if b.hard_swish else nn.ReLU
            layers = []
            if b.expanded != b.c_in:
                layers.append(nn.Sequential(*normed(b.c_in, b.expanded, 1), activation()))
            depthwise = normed(b.expanded, b.expanded, b.kernel, b.stride, groups=b.expanded)
            layers.append(nn.Sequential(*depthwise, activation()))
            if b.squeezed:
                layers.append(SqueezeExcitation(b.expanded, b.squeezed))
            layers.append(nn.Sequential(*normed(b.expanded, b.c_out, 1)))
            self.block = nn.Sequential(*layers)
            self.residual = b.stride == 1 and b.c_in == b.c_out

        def forward(self, x: Any) -> Any:
            return x + self.block(x) if self.residual else self.block(x)

    class MobileNetV3(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            last, features, hidden = _tail(config)
            stem = normed(config["channels"], _width(STEM, config), 3, stride=2)
            self.features = nn.Sequential(
                nn.Sequential(*stem, nn.Hardswish()),
                *map(InvertedResidual, _blocks(config)),
                nn.Sequential(*normed(last, features, 1), nn.Hardswish()),
            )
            self.classifier = nn.Sequential(
                nn.Linear(features, hidden),
                nn.Hardswish(),
                nn.Identity(),  # torchvision's dropout
                nn.Linear(hidden, config["classes"]),
            )

        def forward(self, x: Any) -> Any:
            return self.classifier(self.features(x).mean(dim=(2, 3)))

    return MobileNetV3()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`, NHWC inside; its logits are float32.

    Its running variance is of the batch (divided by n), torch's of the population (by n - 1): no
    output of training depends on it.
    """
    import jax.numpy as jnp
    from flax import linen as nn

    class Normed(nn.Module):
        """A convolution without bias, named 0, and batch normalisation, named 1."""

        c_out: int
        kernel: int
        stride: int = 1
        groups: int = 1

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            # Explicit: "SAME" would pad a stride of 2 on one side only, unlike torch.
            padding, sides = self.kernel // 2, (self.kernel, self.kernel)
            options = {"feature_group_count": self.groups, "use_bias": False, "dtype": dtype}
            x = nn.Conv(self.c_out, sides, self.stride, padding, name="0", **options)(x)
            # Flax's momentum weighs the old value, torch's the new one.
            options = {"momentum": 1 - NORM_MOMENTUM, "epsilon": NORM_EPSILON, "dtype": dtype}
            return nn.BatchNorm(not train, name="1", **options)(x)

    class SqueezeExcitation(nn.Module):
        squeezed: int

        @nn.compact
        def __call__(self, x: Any) -> Any:
            y = x.mean(axis=(1, 2), keepdims=True)
            y = nn.relu(nn.Conv(self.squeezed, (1, 1), dtype=dtype, name="fc1")(y))
            return x * nn.hard_sigmoid(nn.Conv(x.shape[-1], (1, 1), dtype=dtype, name="fc2")(y))

    class InvertedResidual(nn.Module):
        b: Block

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            y, b, names = x, self.b, (f"block.{i}" for i in range(4))
            activation = nn.hard_swish if b.hard_swish else nn.relu
            if b.expanded != b.c_in:
                y = activation(Normed(b.expanded, 1, name=next(names))(y, train))
            depthwise = Normed(b.expanded, b.kernel, b.stride, b.expanded, name=next(names))
            y = activation(depthwise(y, train))
            if b.squeezed:
                y = SqueezeExcitation(b.squeezed, name=next(names))(y)
            y = Normed(b.c_out, 1, name=next(names))(y, train)
            return x + y if b.stride == 1 and b.c_in == b.c_out else y

    class MobileNetV3(nn.Module):
        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            x = x.transpose(0, 2, 3, 1)  # NCHW -> NHWC
            x = nn.hard_swish(Normed(_width(STEM, config), 3, 2, name="features.0")(x, train))
            blocks = [*_blocks(config)]
            for i, block in enumerate(blocks, start=1):
                x = InvertedResidual(block, name=f"features.{i}")(x, train)
            _, features, hidden = _tail(config)
            x = Normed(features, 1, name=f"features.{len(blocks) + 1}")(x, train)
            x = nn.hard_swish(x).mean(axis=(1, 2))
            x = nn.hard_swish(nn.Dense(hidden, dtype=dtype, name="classifier.0")(x))
            x = nn.Dense(config["classes"], dtype=dtype, name="classifier.3")(x)
            return x.astype(jnp.float32)

    return MobileNetV3()


WORKLOAD = Workload(
    name="mobilenet_v3_large",
    version=1,
    summary="MobileNetV3-Large, torchvision's layout (Howard et al. 2019, arXiv:1905.02244)",
    item="image",
    variants={
        "": Variant(
            config={"image": 224, "channels": 3, "width_eighths": 8, "blocks": 4, "classes": 1000},
            shape={"image": 224},
            batch_size=8,
        ),
        "small": Variant(
            config={"image": 64, "channels": 3, "width_eighths": 1, "blocks": 1, "classes": 10},
            shape={"image": 64},
            batch_size=16,
        ),
    },
    optimizer=Optimizer(name="sgd", learning_rate=0.001, momentum=0.9, weight_decay=1e-5),
    inputs=inputs,
    targets=targets,
    build_torch=build_torch,
    build_flax=build_flax,
    parameters=parameters,
    flops=flops,
    definition="b1ee0d99b7f30564",
)
