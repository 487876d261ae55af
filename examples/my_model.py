"""A model of your own for `--model`, with all that it may say; a module and inputs are enough.

    hwbench run --model examples/my_model.py:make
    hwbench estimate --model examples/my_model.py:make --samples 1M --epochs 20
    hwbench run --model examples/my_model.py:bare

It is imported and called in child processes, and only because the command line names it.
"""

from collections.abc import Iterable
from typing import Any

import torch

BATCH, SIDE, POINTS = 16, 64, 5


class Landmarks(torch.nn.Module):
    """Finds points in an image: a small convolutional network that puts out coordinates."""

    def __init__(self) -> None:
        """Build it."""
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, stride=2, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 3, stride=2, padding=1),
            torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(4),
            torch.nn.Flatten(),
        )
        self.head = torch.nn.Linear(32 * 16, 2 * POINTS)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (batch, 2 x points) of images (batch, 1, height, width)."""
        found: torch.Tensor = self.head(self.features(image))
        return found


def loss(output: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the mean distance, in a form that forgives outliers."""
    return torch.nn.functional.smooth_l1_loss(output, targets)


def optimizer(parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """Return what moves the weights."""
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True)


def make() -> dict[str, Any]:
    """Return the model with all that is known of its training.

    `inputs` and `targets` are a batch: hwbench draws others like it (the same shapes and ranges).
    """
    return {
        "model": Landmarks(),
        "inputs": torch.rand(BATCH, 1, SIDE, SIDE),
        "targets": torch.rand(BATCH, 2 * POINTS),
        "loss": loss,
        "optimizer": optimizer,
        "item": "image",
    }


def bare() -> tuple[torch.nn.Module, torch.Tensor]:
    """Return a module and a batch of its inputs: loss and optimiser are hwbench's defaults."""
    return Landmarks(), torch.rand(BATCH, 1, SIDE, SIDE)
