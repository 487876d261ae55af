"""The LSTM language model in NumPy, float64: Hochreiter & Schmidhuber 1997 with Gers' gate.

The forget gate is that of Gers et al. 2000 (Neural Computation 12, 10); gate by gate and step by
step, as a textbook has it.
"""

from collections.abc import Mapping
from typing import Any

from hwbench.workload import Config
from tests.independent import Independent, Published


def logits(config: Config, state: Mapping[str, Any], inputs: tuple[Any, ...]) -> Any:
    import numpy as np

    left = {name: tensor.double().numpy() for name, tensor in state.items()}
    x = left.pop("embedding.weight")[inputs[0]]
    for i in range(config["layers"]):
        parts = [f"{kind}_{of}_l{i}" for kind in ("weight", "bias") for of in ("ih", "hh")]
        x = layer(x, *(left.pop(f"lstm.{part}") for part in parts))
    y = np.einsum("bth,vh->btv", x, left.pop("fc.weight")) + left.pop("fc.bias")
    assert not left
    return y


def layer(x: Any, w: Any, u: Any, b_w: Any, b_u: Any) -> Any:
    """Return the hidden states (batch, time, units); torch stacks the gates as i, f, g, o."""
    import numpy as np

    batch, time, _ = x.shape
    units = u.shape[1]
    gates = {
        gate: (w[rows], u[rows], b_w[rows] + b_u[rows])
        for gate, rows in zip(
            "ifgo", (slice(k * units, (k + 1) * units) for k in range(4)), strict=True
        )
    }
    h, c, hidden = np.zeros((batch, units)), np.zeros((batch, units)), []
    for t in range(time):
        net = {gate: x[:, t] @ w.T + h @ u.T + b for gate, (w, u, b) in gates.items()}
        c = sigmoid(net["f"]) * c + sigmoid(net["i"]) * np.tanh(net["g"])
        h = sigmoid(net["o"]) * np.tanh(c)
        hidden.append(h)
    return np.stack(hidden, axis=1)


def sigmoid(x: Any) -> Any:
    import numpy as np

    return 1 / (1 + np.exp(-x))


INDEPENDENT = Independent(
    library="NumPy float64, by hand",
    logits=logits,
    published=Published(
        parameters=2 * 4 * (650 * 1300 + 650) + 10_000 * 650 + 10_000 * 651,
        flops=2 * 35 * (2 * 4 * 650 * 1300 + 650 * 10_000),
        source="by hand from the sizes in Zaremba et al. 2014, arXiv:1409.2329, section 4.1, one"
        " bias a gate; later papers' tables round it to 20M, such as Inan et al. 2016,"
        " arXiv:1611.01462",
    ),
)
