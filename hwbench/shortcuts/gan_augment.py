"""Images of a GAN that was trained on the small set, added to it (Frid-Adar et al. 2018).

The GAN is a DCGAN (Radford et al. 2015) that is told the class by learnt numbers: beside the noise,
and as planes beside the image (Mirza and Osindero 2014). Its step reuses its fakes, and the
discriminator is frozen in the generator's part: 8 F_D + 3 F_G an image.
"""

from typing import Any

from hwbench.shortcut import Ratio, Shortcut, any_classifier
from hwbench.stepping import Ground, Inputs, Stepper
from hwbench.workload import Config, Workload

NOISE, TOLD, WIDTH = 64, 8, 32
RATE, BETA1 = 2e-4, 0.5  # DCGAN's Adam
SYNTHETIC = 0.5  # images added for each real one
GAN_EPOCHS = 100.0
LARGEST_START = 8  # the side of the generator's first feature map, at most


def supports(workload: Workload, config: Config) -> str | None:
    """Return why no images can be made for a network, or None."""
    side = config.get("image")
    if side is None or workload.item != "image":
        return f"{workload.name} does not learn from images: a DCGAN makes nothing else"
    if _doublings(side) is None:
        return f"a DCGAN doubles its side again and again and does not meet {side} pixels"
    return any_classifier(workload, config)


def _doublings(side: int) -> int | None:
    """Return how often the side is doubled from 3 to 8 pixels, None where it is not met."""
    times = 0
    while side > LARGEST_START:
        if side % 2:
            return None
        side, times = side // 2, times + 1
    return times if side >= 3 and times else None


def build(ground: Ground) -> Stepper:
    """Train the GAN by `once`; then the network on real images and on some that it makes."""
    from hwbench.dialects import torch_frozen as frozen
    from hwbench.dialects.torch_anatomy import anatomy

    torch, config = ground.torch, ground.config
    own = frozen.anatomy_of(ground)
    made = frozen.stepper(ground)
    generator = frozen.seeded(ground, lambda: _generator(torch, config))
    discriminator = frozen.seeded(ground, lambda: _discriminator(torch, config))
    adam = [
        torch.optim.Adam(m.parameters(), lr=RATE, betas=(BETA1, 0.999))
        for m in (generator, discriminator)
    ]

    def fake(labels: Any) -> Any:
        return generator(torch.randn(len(labels), NOISE, device=ground.device), labels)

    def bce(scores: Any, real: float) -> Any:
        wanted = torch.full_like(scores, real)
        return torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted)

    def once(inputs: Inputs, targets: Any) -> tuple[Inputs, Any]:
        (images,), (of_g, of_d) = inputs, adam
        fakes = fake(targets)
        of_d.zero_grad(set_to_none=True)
        told = discriminator(images, targets), discriminator(fakes.detach(), targets)
        (bce(told[0], 1.0) + bce(told[1], 0.0)).backward()
        of_d.step()
        discriminator.requires_grad_(False)
        of_g.zero_grad(set_to_none=True)
        bce(discriminator(fakes, targets), 1.0).backward()
        of_g.step()
        discriminator.requires_grad_(True)
        return inputs, targets

    def step(inputs: Inputs, targets: Any) -> Any:
        count = max(1, round(len(targets) * SYNTHETIC))
        labels = targets[torch.randperm(len(targets), device=targets.device)[:count]]
        generator.eval()
        with torch.no_grad():
            images = fake(labels)
        generator.train()
        return made.step((torch.cat((inputs[0], images)),), torch.cat((targets, labels)))

    f_d, f_g = _forward_flops(ground, anatomy, discriminator, generator)
    return Stepper(
        step=step,
        logits=made.logits,
        model=torch.nn.ModuleDict(
            {"network": ground.model, "generator": generator, "discriminator": discriminator}
        ),
        optimizers=made.optimizers,
        once=once,
        theory_flops_per_item=(1 + SYNTHETIC) * own.step_flops + SYNTHETIC * f_g,
        once_flops_per_item=8 * f_d + 3 * f_g,
    )


def _forward_flops(ground: Ground, anatomy: Any, discriminator: Any, generator: Any) -> Any:
    """Return the forward FLOPs an image of discriminator and generator."""
    torch, config = ground.torch, ground.config
    image = torch.zeros(2, config["channels"], config["image"], config["image"])
    noise, labels = torch.zeros(2, NOISE), torch.zeros(2, dtype=torch.long)
    given = [t.to(ground.device) for t in (image, noise, labels)]
    return (
        anatomy(torch, discriminator, (given[0], given[2])).forward_flops,
        anatomy(torch, generator, (given[1], given[2])).forward_flops,
    )


def _sizes(config: Config) -> tuple[int, list[int]]:
    """Return the first side and the widths of the feature maps, from narrow to wide."""
    times = _doublings(config["image"]) or 1
    return config["image"] // 2**times, [WIDTH * 2 ** min(i, 3) for i in range(times)]


def _generator(torch: Any, config: Config) -> Any:
    """Build DCGAN's generator: noise (batch, NOISE) and classes to images in about -1 .. 1."""
    from torch import nn

    start, widths = _sizes(config)
    layers = [
        nn.ConvTranspose2d(NOISE + TOLD, widths[-1], start, bias=False),
        nn.BatchNorm2d(widths[-1]),
        nn.ReLU(),
    ]
    for wide, narrow in zip(widths[:0:-1], widths[-2::-1], strict=True):
        layers += [
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(narrow),
            nn.ReLU(),
        ]
    last = nn.ConvTranspose2d(widths[0], config["channels"], 4, stride=2, padding=1)

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.told = nn.Embedding(config["classes"], TOLD)
            self.layers = nn.Sequential(*layers, last, nn.Tanh())

        def forward(self, noise: Any, labels: Any) -> Any:
            return self.layers(torch.cat((noise, self.told(labels)), 1)[..., None, None])

    return Generator()


def _discriminator(torch: Any, config: Config) -> Any:
    """Build DCGAN's discriminator: images and classes to one score each."""
    from torch import nn

    start, widths = _sizes(config)
    before, layers = config["channels"] + TOLD, []
    for i, wide in enumerate(widths):
        layers.append(nn.Conv2d(before, wide, 4, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(wide)] if i else []
        layers.append(nn.LeakyReLU(0.2))
        before = wide

    class Discriminator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.told = nn.Embedding(config["classes"], TOLD)
            self.layers = nn.Sequential(*layers, nn.Conv2d(before, 1, start))

        def forward(self, images: Any, labels: Any) -> Any:
            planes = self.told(labels)[..., None, None].expand(-1, -1, *images.shape[2:])
            return self.layers(torch.cat((images, planes), 1)).flatten()

    return Discriminator()


SHORTCUT = Shortcut(
    name="gan_augment",
    summary="images of a GAN trained on the small set, added to it",
    step_ratio=Ratio(point=1.6, low=1.5, high=2.0),
    theory="3 F of each real image and of half as many made ones, and their making",
    epochs=None,
    forward_passes_once=300.0,
    once_epochs=GAN_EPOCHS,
    frozen="nothing; the GAN, once it is trained",
    memory="as from scratch, at a batch half as large again, and the GAN's two networks",
    one_off=f"the GAN's training: {GAN_EPOCHS:g} epochs over the set",
    excludes=("cached_features",),
    pretrained=False,
    supports=supports,
    build=build,
)
