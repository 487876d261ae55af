"""Residual networks (He et al. 2015, arXiv:1512.03385), laid out and named as in torchvision.

A 7 x 7 stem and max pooling, four stages whose width doubles and whose side halves, the mean over
the image, a classifier. `config` has `width`, that of the first stage; `blocks1` to `blocks4`, the
blocks of each; `expansion`, how many times wider than the stage a block's output is. 1 stands for
basic blocks of two 3 x 3 convolutions, more for bottlenecks of 1 x 1, 3 x 3, 1 x 1. The stride is
in the first 3 x 3 convolution: in a bottleneck that is torchvision's version 1.5, where the paper
has it in the first 1 x 1. A shortcut that changes its shape is a 1 x 1 convolution (the paper's
option B).
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from collections.abc import Iterator
from typing import Any

from hwbench.workload import Config

STAGES = 4


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one float32 array of images, NCHW."""
    side = config["image"]
    return (rng.standard_normal((batch_size, config["channels"], side, side), dtype="float32"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels of shape (batch,)."""
    return rng.integers(config["classes"], size=batch_size, dtype="int64")


def _blocks(config: Config) -> Iterator[tuple[str, int, int]]:
    """Yield (name, width, stride) of every block."""
    for stage in range(STAGES):
        for i in range(config[f"blocks{stage + 1}"]):
            stride = 2 if stage > 0 and i == 0 else 1
            yield f"layer{stage + 1}.{i}", config["width"] * 2**stage, stride


def _convolutions(config: Config) -> Iterator[tuple[int, int, int, int]]:
    """Yield (kernel side, channels in, channels out, output side) of every convolution."""
    channels, side = config["width"], _strided(config["image"], 2)
    yield 7, config["channels"], channels, side
    side = _strided(side, 2)  # max pooling
    for _, width, stride in _blocks(config):
        c_out, side_out = width * config["expansion"], _strided(side, stride)
        if config["expansion"] == 1:
            yield 3, channels, width, side_out
        else:
            yield 1, channels, width, side
            yield 3, width, width, side_out
        yield 3 if config["expansion"] == 1 else 1, width, c_out, side_out
        if (channels, side) != (c_out, side_out):
            yield 1, channels, c_out, side_out  # the shortcut
        channels, side = c_out, side_out


def _strided(side: int, stride: int) -> int:
    """Return the output side where the padding is half the (odd) kernel: ceil(side / stride)."""
    return -(-side // stride)


def _features(config: Config) -> int:
    """Return how many features the classifier sees."""
    features: int = config["width"] * 2 ** (STAGES - 1) * config["expansion"]
    return features


def parameters(config: Config) -> int:
    """Count kernels, two numbers a channel of batch normalisation, and the classifier."""
    convolutions = sum(k * k * c_in * c_out for k, c_in, c_out, _ in _convolutions(config))
    norms = sum(2 * c_out for _, _, c_out, _ in _convolutions(config))
    return convolutions + norms + (_features(config) + 1) * config["classes"]


def flops(config: Config) -> int:
    """Return the forward FLOPs of one image: 2 per MAC of convolutions and classifier."""
    convolutions = sum(k * k * i * o * side * side for k, i, o, side in _convolutions(config))
    return 2 * (convolutions + _features(config) * config["classes"])


def build_torch(config: Config) -> Any:
    """Build the torch module: images NCHW to logits (batch, classes)."""
    import torch
    from torch import nn

    def convolution(c_in: int, c_out: int, kernel: int, stride: int) -> Any:
        return nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False)

    def shortcut(c_in: int, c_out: int, stride: int) -> Any:
        if stride == 1 and c_in == c_out:
            return nn.Identity()
        return nn.Sequential(convolution(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))

    class Basic(nn.Module):
        def __init__(self, c_in: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1, self.bn1 = convolution(c_in, width, 3, stride), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = convolution(width, width, 3, 1), nn.BatchNorm2d(width)
            self.downsample = shortcut(c_in, width, stride)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.bn1(self.conv1(x)))
            return torch.relu(self.bn2(self.conv2(y)) + self.downsample(x))

    class Bottleneck(nn.Module):
        def __init__(self, c_in: int, width: int, stride: int) -> None:
            super().__init__()
            c_out = width * config["expansion"]
            self.conv1, self.bn1 = convolution(c_in, width, 1, 1), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = convolution(width, width, 3, stride), nn.BatchNorm2d(width)
            self.conv3, self.bn3 = convolution(width, c_out, 1, 1), nn.BatchNorm2d(c_out)
            self.downsample = shortcut(c_in, c_out, stride)

        def forward(self, x: Any) -> Any:
            y = torch.relu(self.bn1(self.conv1(x)))
            y = torch.relu(self.bn2(self.conv2(y)))
            return torch.relu(self.bn3(self.conv3(y)) + self.downsample(x))

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            channels = config["width"]
            self.conv1 = convolution(config["channels"], channels, 7, 2)
            self.bn1 = nn.BatchNorm2d(channels)
            self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
            self.layer1, self.layer2 = nn.Sequential(), nn.Sequential()
            self.layer3, self.layer4 = nn.Sequential(), nn.Sequential()
            block = Basic if config["expansion"] == 1 else Bottleneck
            for name, width, stride in _blocks(config):
                stage = self.get_submodule(name.partition(".")[0])
                stage.append(block(channels, width, stride))
                channels = width * config["expansion"]
            self.fc = nn.Linear(channels, config["classes"])

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

    def shortcut(x: Any, c_out: int, stride: int, train: bool) -> Any:
        if stride == 1 and x.shape[-1] == c_out:
            return x
        x = convolution(c_out, 1, stride, "downsample.0")(x)
        return norm(train, "downsample.1")(x)

    class Basic(nn.Module):
        width: int
        stride: int

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            y = convolution(self.width, 3, self.stride, "conv1")(x)
            y = nn.relu(norm(train, "bn1")(y))
            y = norm(train, "bn2")(convolution(self.width, 3, 1, "conv2")(y))
            return nn.relu(y + shortcut(x, self.width, self.stride, train))

    class Bottleneck(nn.Module):
        width: int
        stride: int

        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            c_out = self.width * config["expansion"]
            y = nn.relu(norm(train, "bn1")(convolution(self.width, 1, 1, "conv1")(x)))
            y = convolution(self.width, 3, self.stride, "conv2")(y)
            y = nn.relu(norm(train, "bn2")(y))
            y = norm(train, "bn3")(convolution(c_out, 1, 1, "conv3")(y))
            return nn.relu(y + shortcut(x, c_out, self.stride, train))

    class ResNet(nn.Module):
        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            x = x.transpose(0, 2, 3, 1)  # NCHW -> NHWC
            x = convolution(config["width"], 7, 2, "conv1")(x)
            x = nn.relu(norm(train, "bn1")(x))
            x = nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
            block = Basic if config["expansion"] == 1 else Bottleneck
            for name, width, stride in _blocks(config):
                x = block(width, stride, name=name)(x, train)
            x = x.mean(axis=(1, 2))
            return nn.Dense(config["classes"], dtype=dtype, name="fc")(x).astype(jnp.float32)

    return ResNet()
