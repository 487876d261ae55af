"""DCGAN's generator in NumPy, float64: each input pixel adds its filters to the output."""

from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    """Return the images (batch, channels, side, side)."""
    import numpy as np

    left = {
        name.removeprefix("generator."): tensor.double().numpy()
        for name, tensor in state.items()
        if not name.startswith("discriminator.") and not name.endswith("num_batches_tracked")
    }
    x = scattered(inputs[0][:, :, None, None].astype(np.float64), left.pop("convs.0.weight"), 1)
    layer = 0
    while f"norms.{layer}.weight" in left:
        mean, var, gain, bias = (
            left.pop(f"norms.{layer}.{name}")[:, None, None]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        x = np.maximum((x - mean) / np.sqrt(var + 1e-5) * gain + bias, 0)
        layer += 1
        # Of the map that two pixels of stride leave, torch's padding of 1 takes the rim.
        x = scattered(x, left.pop(f"convs.{layer}.weight"), 2)[:, :, 1:-1, 1:-1]
    assert not left
    return np.tanh(x)


def scattered(x: Any, weight: Any, stride: int) -> Any:
    """Return y[n, o, stride i + a, stride j + b] = sum x[n, c, i, j] weight[c, o, a, b]."""
    import numpy as np

    n, _, height, width = x.shape
    _, c_out, side, _ = weight.shape
    y = np.zeros((n, c_out, stride * (height - 1) + side, stride * (width - 1) + side))
    for i in range(height):
        for j in range(width):
            rows, columns = (slice(stride * k, stride * k + side) for k in (i, j))
            y[:, :, rows, columns] += np.tensordot(x[:, :, i, j], weight, axes=1)
    return y


INDEPENDENT = Independent(
    library="NumPy float64, by hand",
    logits=logits,
    published=Published(
        parameters=3_576_704 + 2_765_568,
        flops=2
        * 16
        * (100 * 512 + 4**2 * 512 * 256 + 8**2 * 256 * 128 + 16**2 * 128 * 64 + 32**2 * 64 * 3),
        source="the layers that PyTorch's DCGAN tutorial prints (nz 100, ngf 64, ndf 64; generator"
        " plus discriminator); FLOPs by hand from them, by input pixels, as torch and thop 2.0.16"
        " count (github.com/ultralytics/thop/pull/93); earlier thop says 0.43 GMAC, zeros included",
    ),
)
