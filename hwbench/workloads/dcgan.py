"""DCGAN (Radford et al. 2015, arXiv:1511.06434) at 64 px, in the sizes of PyTorch's DCGAN tutorial.

Inference is the generator: noise to images. A training step takes two objectives in turn. The
discriminator's is binary cross-entropy, on the real images plus on fakes that are constants to it.
The generator's is the non-saturating one (Goodfellow et al. 2014, arXiv:1406.2661): cross-entropy
of fakes called real, through the discriminator as just updated. Its fakes are fresh ones, as in
that paper's algorithm 1, from the same noise read backwards: a second batch that no compiler can
find to be the first. The tutorial reuses the first.

FLOPs of a training step per image, with F_G and F_D of the forward passes: the fakes of the first
objective are F_G, the discriminator trains on a real and on a fake image, 3 F_D each; in the second
the generator trains, 3 F_G, through a discriminator that is frozen, F_D and as much again for the
gradient of its input. Together 8 F_D + 4 F_G. What reuses its fakes does 8 F_D + 3 F_G, and 9 F_D +
3 F_G if it also computes the weight gradients that nothing uses, as the tutorial does. As
everywhere, gradients of the inputs of a first layer that nothing needs are counted all the same.

A transposed convolution has one product for each input pixel, filter element and pair of channels,
as torch counts it. Counters that take output pixels instead, as for a convolution, also count
products with the zeros put between the pixels: 0.43 GMAC for this generator, which does 0.105.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from hwbench.workload import Config, Objective, Optimizer, Variant, Workload

SIDE = 4  # of every filter, and of the smallest feature map


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one float32 array of standard normal noise, (batch, noise)."""
    return (rng.standard_normal((batch_size, config["noise"]), dtype="float32"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return real images: float32 in [-1, 1], NCHW."""
    side = config["image"]
    return rng.uniform(-1, 1, (batch_size, config["channels"], side, side)).astype("float32")


def _widths(config: Config) -> list[int]:
    """List the channels of the discriminator's feature maps, doubled as the sides are halved."""
    halvings = (config["image"] // SIDE).bit_length() - 1
    return [config["width"] * 2**i for i in range(halvings)]


def _discriminator(config: Config) -> list[tuple[int, int]]:
    """List (channels in, channels out) of its convolutions: they halve sides, the last sees all."""
    return list(pairwise([config["channels"], *_widths(config), 1]))


def _generator(config: Config) -> list[tuple[int, int]]:
    """List (channels in, channels out) of its transposed convolutions: all but the first double."""
    return list(pairwise([config["noise"], *reversed(_widths(config)), config["channels"]]))


def _filters(config: Config) -> Iterator[int]:
    """Yield the elements of every filter bank: there are no biases."""
    for c_in, c_out in (*_generator(config), *_discriminator(config)):
        yield SIDE**2 * c_in * c_out


def parameters(config: Config) -> int:
    """Count the filters, and two numbers a channel of batch normalisation in both networks."""
    widths = _widths(config)  # normalised: all in the generator, all but the first in the other
    return sum(_filters(config)) + 2 * (sum(widths) + sum(widths[1:]))


def flops(config: Config) -> int:
    """Return the forward FLOPs of one image: 2 per MAC of the generator's convolutions."""
    sides = [1, *(SIDE * 2**i for i in range(len(_widths(config))))]  # of the inputs
    layers = zip(sides, _generator(config), strict=True)
    return _convolution_flops(layers)


def _convolution_flops(layers: Iterable[tuple[int, tuple[int, int]]]) -> int:
    """Return 2 per MAC of (side of the smaller map, (channels in, channels out))."""
    return 2 * sum(SIDE**2 * side**2 * c_in * c_out for side, (c_in, c_out) in layers)


def _discriminator_flops(config: Config) -> int:
    """Return the forward FLOPs of the discriminator on one image."""
    halved = [config["image"] // 2**i for i in range(1, len(_widths(config)) + 1)]
    layers = zip([*halved, 1], _discriminator(config), strict=True)  # sides of the outputs
    return _convolution_flops(layers)


def training_flops(config: Config) -> int:
    """Return 8 F_D + 4 F_G (the top of this file)."""
    return 8 * _discriminator_flops(config) + 4 * flops(config)


def build_torch(config: Config) -> Any:
    """Build the torch module: noise (batch, noise) to images NCHW in [-1, 1]."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            (c_noise, c_first), *rest = _generator(config)
            first = nn.ConvTranspose2d(c_noise, c_first, SIDE, bias=False)
            doubling = (nn.ConvTranspose2d(*c, SIDE, 2, padding=1, bias=False) for c in rest)
            self.convs = nn.ModuleList([first, *doubling])
            self.norms = nn.ModuleList(nn.BatchNorm2d(c_in) for c_in, _ in rest)

        def forward(self, z: Any) -> Any:
            x = z[:, :, None, None]
            for conv, norm in zip(self.convs, self.norms, strict=False):
                x = torch.relu(norm(conv(x)))
            return torch.tanh(self.convs[-1](x))

    class Discriminator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            *halving, last = _discriminator(config)
            convs = [nn.Conv2d(*c, SIDE, 2, padding=1, bias=False) for c in halving]
            self.convs = nn.ModuleList([*convs, nn.Conv2d(*last, SIDE, bias=False)])
            norms = (nn.BatchNorm2d(c_out) for _, c_out in halving[1:])
            self.norms = nn.ModuleList([nn.Identity(), *norms])

        def forward(self, x: Any) -> Any:
            for conv, norm in zip(self.convs, self.norms, strict=False):
                x = functional.leaky_relu(norm(conv(x)), 0.2)
            return self.convs[-1](x).flatten()

    class Dcgan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = Generator()
            self.discriminator = Discriminator()

        def forward(self, z: Any) -> Any:
            return self.generator(z)

        def discriminator_loss(self, z: Any, real: Any) -> Any:
            fake = self.generator(z).detach()
            return called(self.discriminator(real), 1.0) + called(self.discriminator(fake), 0.0)

        def generator_loss(self, z: Any, real: Any) -> Any:
            return called(self.discriminator(self.generator(z.flip(1))), 1.0)

    def called(logits: Any, label: float) -> Any:
        wanted = torch.full_like(logits, label)
        return functional.binary_cross_entropy_with_logits(logits, wanted)

    return Dcgan()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`, NHWC inside; its results are float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    def transposed(c_out: int, stride: int, pad: int, name: str) -> Any:
        # torch pads what the filter is slid over, Flax the input with its zeros between pixels:
        # SIDE - 1 less torch's padding. `transpose_kernel` has torch's orientation and layout.
        padding = [(SIDE - 1 - pad,) * 2] * 2
        sides, strides = (SIDE, SIDE), (stride, stride)
        return nn.ConvTranspose(
            c_out,
            sides,
            strides,
            padding,
            use_bias=False,
            transpose_kernel=True,
            dtype=dtype,
            name=name,
        )

    def convolution(c_out: int, stride: int, pad: int, name: str) -> Any:
        sides = (SIDE, SIDE)
        return nn.Conv(c_out, sides, stride, pad, use_bias=False, dtype=dtype, name=name)

    def norm(train: bool, name: str) -> Any:
        # Flax's momentum weighs the old value, torch's (0.1) the new one.
        frozen = not train
        return nn.BatchNorm(frozen, momentum=0.9, epsilon=1e-5, dtype=dtype, name=name)

    class Generator(nn.Module):
        @nn.compact
        def __call__(self, z: Any, train: bool) -> Any:
            *hidden, (_, channels) = _generator(config)
            x = z[:, None, None, :]
            for i, (_, c_out) in enumerate(hidden):
                stride, pad = (2, 1) if i > 0 else (1, 0)
                x = transposed(c_out, stride, pad, f"convs.{i}")(x)
                x = nn.relu(norm(train, f"norms.{i}")(x))
            x = transposed(channels, 2, 1, f"convs.{len(hidden)}")(x)
            return jnp.tanh(x.astype(jnp.float32)).transpose(0, 3, 1, 2)

    class Discriminator(nn.Module):
        @nn.compact
        def __call__(self, x: Any, train: bool) -> Any:
            *halving, _ = _discriminator(config)
            x = x.transpose(0, 2, 3, 1)  # NCHW -> NHWC
            for i, (_, c_out) in enumerate(halving):
                x = convolution(c_out, 2, 1, f"convs.{i}")(x)
                x = norm(train, f"norms.{i}")(x) if i > 0 else x
                x = nn.leaky_relu(x, 0.2)
            x = convolution(1, 1, 0, f"convs.{len(halving)}")(x)
            return x.astype(jnp.float32).flatten()

    class Dcgan(nn.Module):
        def setup(self) -> None:
            self.generator = Generator()
            self.discriminator = Discriminator()

        def __call__(self, z: Any, train: bool) -> Any:
            return self.generator(z, train)

        def discriminator_loss(self, z: Any, real: Any) -> Any:
            fake = jax.lax.stop_gradient(self.generator(z, True))
            real_loss = nn.softplus(-self.discriminator(real, True)).mean()
            return real_loss + nn.softplus(self.discriminator(fake, True)).mean()

        def generator_loss(self, z: Any, real: Any) -> Any:
            fake = self.generator(jnp.flip(z, 1), True)
            return nn.softplus(-self.discriminator(fake, True)).mean()

    return Dcgan()


WORKLOAD = Workload(
    name="dcgan",
    version=1,
    summary="DCGAN at 64 px: generator, trained with its discriminator (Radford et al. 2015)",
    item="image",
    variants={
        "": Variant(
            config={"image": 64, "channels": 3, "noise": 100, "width": 64},
            shape={"image": 64},
            batch_size=16,
        ),
        "small": Variant(
            config={"image": 32, "channels": 3, "noise": 32, "width": 16},
            shape={"image": 32},
            batch_size=8,
        ),
    },
    # Adam of the paper's section 4: AdamW without decay. Its rate is 2e-4, at which one repeated
    # batch is learnt by heart in three steps and a vanishing loss shows rounding alone.
    # It gives no epsilon; Keras has this one.
    # With torch's 1e-8 the rounding of vanishing gradients moves weights nearly as far as true ones
    # move theirs, and the losses of two correct programs differ thirty times more.
    optimizer=Optimizer(name="adamw", learning_rate=2e-5, beta1=0.5, epsilon=1e-7),
    inputs=inputs,
    targets=targets,
    build_torch=build_torch,
    build_flax=build_flax,
    parameters=parameters,
    flops=flops,
    objectives=(
        Objective(method="discriminator_loss", trains="discriminator"),
        Objective(method="generator_loss", trains="generator"),
    ),
    training_flops=training_flops,
    definition="0c759fe7710411c5",
)
