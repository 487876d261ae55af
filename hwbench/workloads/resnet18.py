"""ResNet-18 (He et al. 2015, arXiv:1512.03385, table 1), laid out and named as in torchvision.

Version 1 of the block: the stride is in the first 3 x 3 convolution, and a shortcut that changes
its shape is a 1 x 1 convolution (the paper's option B).
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from collections.abc import Iterator
from typing import Any

from hwbench.workload import Config, Optimizer, Variant, Workload

STAGES = 4


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one float32 array of images, NCHW."""
    side = config["image"]
    return (rng.standard_normal((batch_size, config["channels"], side, side), dtype="float32"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels of shape (batch,)."""
    return rng.integers(config["classes"], size=batch_size, dtype="int64")


def _convolutions(config: Config) -> Iterator[tuple[int, int, int, int]]:
    """Yield (kernel side, channels in, channels out, output side) of every convolution."""
    channels, width = config["channels"], config["width"]
    side = _halved(config["image"])
    yield 7, channels, width, side
    channels, side = width, _halved(side)  # max pooling
    for stage in range(STAGES):
        width = config["width"] * 2**stage
        if stage > 0:
            side = _halved(side)
            yield 1, channels, width, side  # the shortcut
        for _ in range(config["blocks"]):
            yield 3, channels, width, side
            yield 3, width, width, side
            channels = width


def _halved(side: int) -> int:
    """Return the output side of stride 2 with padding of half the (odd) kernel: ceil(side / 2)."""
    return (side + 1) // 2


def _last_width(config: Config) -> int:
    """Return how many features the classifier sees: doubled between one stage and the next."""
    width: int = config["width"] * 2 ** (STAGES - 1)
    return width


def parameters(config: Config) -> int:
    """Count kernels, two numbers a channel of batch normalisation, and the classifier."""
    convolutions = sum(k * k * c_in * c_out for k, c_in, c_out, _ in _convolutions(config))
    norms = sum(2 * c_out for _, _, c_out, _ in _convolutions(config))
    return convolutions + norms + (_last_width(config) + 1) * config["classes"]


def flops(config: Config) -> int:
    """Return the forward FLOPs of one image: 2 per MAC of convolutions and classifier."""
    convolutions = sum(k * k * i * o * side * side for k, i, o, side in _convolutions(config))
    return 2 * (convolutions + _last_width(config) * config["classes"])


def build_torch(config: Config) -> Any:
    """Build the torch module: images NCHW to logits (batch, classes)."""
    import torch
    from torch import nn

    def convolution(c_in: int, c_out: int, kernel: int, stride: int) -> Any:
        return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)

    class Block(nn.Module):
        def __init__(self, c_in: int, c_out: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = convolution(c_in, c_out, 3, stride), nn.BatchNorm2d(c_out)
            self.conv2, self.bn2 = convolution(c_out, c_out, 3, 1), nn.BatchNorm2d(c_out)
            self.downsample = nn.Identity()
            if stride != 1:
                shortcut = convolution(c_in, c_out, 1, stride)
                self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(c_out))

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.bn1(self.conv1(x)))
            return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = config["width"]
            self.conv1 = convolution(config["channels"], width, 7, 2)
            self.bn1 = nn.BatchNorm2d(width)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            self.layer1 = self.stage(width, width, 1)
            self.layer2 = self.stage(width, 2 * width, 2)
            self.layer3 = self.stage(2 * width, 4 * width, 2)
            self.layer4 = self.stage(4 * width, 8 * width, 2)
            self.fc = nn.Linear(8 * width, config["classes"])

        def stage(self, c_in: int, c_out: int, stride: int) -> Any:
            rest = [Block(c_out, c_out, 1) for _ in range(config["blocks"] - 1)]
            return nn.Sequential(Block(c_in, c_out, stride), *rest)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean(dim=(2, 3)))

    return ResNet()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`, NHWC inside; its logits are float32.

    Its running variance is of the batch (divided by n), torch's of the population (by n - 1): no
    output of training depends on it.
    """
    import jax.numpy as jnp
    from flax import linen as nn

    def convolution(c_out: int, kernel: int, stride: int, name: str) -> Any:
        # Explicit: "SAME" would pad a stride of 2 on one side only, unlike torch.
        padding = kernel // 2
        sides = (kernel, kernel)
        return nn.Conv(c_out, sides, stride, padding, use_bias=False, dtype=dtype, name=name)

    def norm(train: bool, name: str) -> Any:
        # Flax's momentum weighs the old value, torch's (0.1) the new one.
        frozen = not train
        return nn.BatchNorm(frozen, momentum=0.9, epsilon=1e-5, dtype=dtype, name=name)

    class Block(nn.Module):
        c_out: int
        stride: int

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            y = convolution(self.c_out, 3, self.stride, "conv1")(x)
            y = nn.relu(norm(train, "bn1")(y))
            y = norm(train, "bn2")(convolution(self.c_out, 3, 1, "conv2")(y))
            if self.stride != 1:
                x = convolution(self.c_out, 1, self.stride, "downsample.0")(x)
                x = norm(train, "downsample.1")(x)
            return nn.relu(y + x)

    class ResNet(nn.Module):
        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            x = x.transpose(0, 2, 3, 1)  # NCHW -> NHWC
            x = convolution(config["width"], 7, 2, "conv1")(x)
            x = nn.relu(norm(train, "bn1")(x))
            x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
            for stage in range(STAGES):
                for i in range(config["blocks"]):
                    stride = 2 if stage > 0 and i == 0 else 1
                    name = f"layer{stage + 1}.{i}"
                    x = Block(config["width"] * 2**stage, stride, name=name)(x, train)
            x = x.mean(axis=(1, 2))
            return nn.Dense(config["classes"], dtype=dtype, name="fc")(x).astype(jnp.float32)

    return ResNet()


WORKLOAD = Workload(
    name="resnet18",
    version=1,
    summary="ResNet-18, torchvision's layout, batch norm (He et al. 2015, arXiv:1512.03385)",
    item="image",
    variants={
        "": Variant(
            config={"image": 224, "channels": 3, "width": 64, "blocks": 2, "classes": 1000},
            shape={"image": 224},
            batch_size=8,
        ),
        "small": Variant(
            config={"image": 32, "channels": 3, "width": 16, "blocks": 2, "classes": 10},
            shape={"image": 32},
            batch_size=8,
        ),
    },
    optimizer=Optimizer(name="sgd", learning_rate=0.001, momentum=0.9, weight_decay=1e-4),
    inputs=inputs,
    targets=targets,
    build_torch=build_torch,
    build_flax=build_flax,
    parameters=parameters,
    flops=flops,
)
