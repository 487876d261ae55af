"""The medium LSTM language model of Zaremba et al. 2014 (arXiv:1409.2329, section 4.1).

Two layers of 650 units over a vocabulary of 10,000, unrolled for 35 steps from a state of zeros,
batches of 20; dropout 0. The paper trained by SGD with a decaying rate; here it is AdamW, as for
all networks but convolutional ones. The cell has torch's two biases, one more than the paper's.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from typing import Any

from hwbench.workload import Config, Optimizer, Variant, Workload

GATES = 4  # input, forget, cell, output: torch's order in the fused matrices


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one int64 array of token ids, (batch, seq)."""
    return (rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels, one a token: (batch, seq)."""
    return rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64")


def parameters(config: Config) -> int:
    """Count the parameters: embedding and output layer are not tied."""
    width, vocab = config["width"], config["vocab"]
    layer = 2 * GATES * (width * width + width)  # of the input and of the state
    return vocab * width + config["layers"] * layer + (width + 1) * vocab


def flops(config: Config) -> int:
    """Return the forward FLOPs of one sequence: 2 per MAC of the gates and of the output layer.

    The first step's product with the state of zeros counts too: libraries compute it.
    """
    width = config["width"]
    gates = config["layers"] * 2 * GATES * width * width  # per token
    return 2 * config["seq"] * (gates + width * config["vocab"])


def build_torch(config: Config) -> Any:
    """Build the torch module: token ids (batch, seq) to logits (batch, seq, vocab)."""
    from torch import nn

    width = config["width"]

    class Lstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(config["vocab"], width)
            self.lstm = nn.LSTM(width, width, config["layers"], batch_first=True)
            self.fc = nn.Linear(width, config["vocab"])

        def forward(self, ids: Any) -> Any:
            y, _ = self.lstm(self.embedding(ids))
            return self.fc(y)

    return Lstm()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`; its logits are float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    width = config["width"]

    class Layers(nn.Module):
        """Parameters in torch's names and layouts, so that hwbench.weights carries them over."""

        @nn.compact
        def __call__(self, x: Any) -> Any:
            for i in range(config["layers"]):
                x = unrolled(x, *self.matrices(f"_l{i}"), *self.biases(f"_l{i}"))
            return x

        def matrices(self, suffix: str) -> list[Any]:
            shape, init = (GATES * width, width), nn.initializers.lecun_normal()
            return [self.param(f"weight_{w}{suffix}", init, shape).astype(dtype) for w in _OF]

        def biases(self, suffix: str) -> list[Any]:
            shape, init = (GATES * width,), nn.initializers.zeros
            return [self.param(f"bias_{b}{suffix}", init, shape).astype(dtype) for b in _OF]

    def unrolled(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        # What the inputs add to the gates is one product for all steps; the state's is the loop.
        from_inputs = (x @ w_ih.T + (b_ih + b_hh)).transpose(1, 0, 2)  # time first

        def step(state: Any, from_input: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(from_input + h @ w_hh.T, GATES, axis=-1)
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
            h = nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        zeros = jnp.zeros((x.shape[0], width), dtype)
        _, hidden = jax.lax.scan(step, (zeros, zeros), from_inputs)
        return hidden.transpose(1, 0, 2)

    class Lstm(nn.Module):
        @nn.compact
        def __call__(self, ids: Any, train: bool) -> Any:
            x = nn.Embed(config["vocab"], width, dtype=dtype, name="embedding")(ids)
            y = Layers(name="lstm")(x)
            return nn.Dense(config["vocab"], dtype=dtype, name="fc")(y).astype(jnp.float32)

    return Lstm()


_OF = ("ih", "hh")  # torch's names for what comes from the input and from the hidden state

WORKLOAD = Workload(
    name="lstm",
    version=1,
    summary="medium LSTM language model, 2 x 650, dropout 0 (Zaremba et al. 2014)",
    item="sequence",
    variants={
        "": Variant(
            config={"vocab": 10000, "seq": 35, "layers": 2, "width": 650},
            shape={"seq": 35},
            batch_size=20,
        ),
        "small": Variant(
            config={"vocab": 500, "seq": 16, "layers": 2, "width": 64},
            shape={"seq": 16},
            batch_size=4,
        ),
    },
    optimizer=Optimizer(name="adamw", learning_rate=1e-3, weight_decay=0.01),
    inputs=inputs,
    targets=targets,
    build_torch=build_torch,
    build_flax=build_flax,
    parameters=parameters,
    flops=flops,
    # No `embeddings`: at their 0.02 the signal would fade on its way through two saturating
    # layers. By fan-in the table has 0.055, of the order of the paper's uniform +-0.05.
    definition="f04b250839d64f55",
)
