"""BERT-base uncased with a classifier of two labels (Devlin et al. 2018, arXiv:1810.04805).

The network of transformers' BertForSequenceClassification: post-norm blocks, exact GELU, learned
positions, the first token through a tanh pooler; dropout 0. `seq` tokens fill the sequence, so
there is no mask, and all are of type 0: the table of types is in the network and looked up.
`context` is the longest sequence that the position table allows.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from typing import Any

from hwbench.workload import Config, Optimizer, Variant, Workload

EPSILON = 1e-12  # of the layer normalisations
LAYERS = 12

# Made with 0.02, BERT's own scale, and not by fan-in: the tables, and what a block adds to its
# input. Twelve post-norm blocks whose addition is larger than their input multiply rounding
# errors: bfloat16 logits were up to 9 % off where they are now 3 %.
TABLES = tuple(f"embeddings.{name}.weight" for name in ("word", "position", "token_type"))
ADDED = tuple(
    f"layer.{i}.{name}.weight" for i in range(LAYERS) for name in ("attention.output", "output")
)


def inputs(config: Config, batch_size: int, rng: Any) -> tuple[Any, ...]:
    """Return one int64 array of token ids, (batch, seq)."""
    return (rng.integers(config["vocab"], size=(batch_size, config["seq"]), dtype="int64"),)


def targets(config: Config, batch_size: int, rng: Any) -> Any:
    """Return int64 labels of shape (batch,)."""
    return rng.integers(config["classes"], size=batch_size, dtype="int64")


def parameters(config: Config) -> int:
    """Count the parameters: three tables, the blocks, pooler and classifier."""
    d, hidden = config["width"], config["mlp_width"]
    norm = 2 * d
    tables = (config["vocab"] + config["context"] + config["types"]) * d
    attention = 4 * (d * d + d)
    mlp = (d * hidden + hidden) + (hidden * d + d)
    head = (d * d + d) + (d + 1) * config["classes"]
    return tables + norm + config["layers"] * (attention + mlp + 2 * norm) + head


def flops(config: Config) -> int:
    """Return the forward FLOPs of one sequence: 2 per MAC, the seq x seq products included.

    Pooler and classifier see the first token only.
    """
    d, hidden, seq = config["width"], config["mlp_width"], config["seq"]
    projections = 4 * d * d  # per token
    scores_and_values = 2 * seq * d
    mlp = 2 * d * hidden
    head = d * d + d * config["classes"]  # per sequence
    return 2 * (seq * config["layers"] * (projections + scores_and_values + mlp) + head)


def build_torch(config: Config) -> Any:
    """Build the torch module: token ids (batch, seq) to logits (batch, classes)."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    width, heads = config["width"], config["heads"]

    def norm() -> Any:
        return nn.LayerNorm(width, eps=EPSILON)

    class Embeddings(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word = nn.Embedding(config["vocab"], width)
            self.position = nn.Embedding(config["context"], width)
            self.token_type = nn.Embedding(config["types"], width)
            self.norm = norm()

        def forward(self, ids: Any) -> Any:
            x = self.word(ids) + self.token_type(torch.zeros_like(ids))
            return self.norm(x + self.position(torch.arange(ids.shape[1], device=ids.device)))

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
            self.value, self.output = nn.Linear(width, width), nn.Linear(width, width)
            self.norm = norm()

        def forward(self, x: Any) -> Any:
            q, k, v = (
                projection(x).unflatten(2, (heads, width // heads)).transpose(1, 2)
                for projection in (self.query, self.key, self.value)
            )
            y = F.scaled_dot_product_attention(q, k, v)
            return self.norm(x + self.output(y.transpose(1, 2).flatten(2)))

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()
            self.intermediate = nn.Linear(width, config["mlp_width"])
            self.output = nn.Linear(config["mlp_width"], width)
            self.norm = norm()

        def forward(self, x: Any) -> Any:
            x = self.attention(x)
            return self.norm(x + self.output(F.gelu(self.intermediate(x))))

    class Bert(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embeddings = Embeddings()
            self.layer = nn.ModuleList(Layer() for _ in range(config["layers"]))
            self.pooler = nn.Linear(width, width)
            self.classifier = nn.Linear(width, config["classes"])

        def forward(self, ids: Any) -> Any:
            x = self.embeddings(ids)
            for layer in self.layer:
                x = layer(x)
            return self.classifier(torch.tanh(self.pooler(x[:, 0])))

    return Bert()


def build_flax(config: Config, dtype: str) -> Any:
    """Build the Flax module that computes in `dtype`; its logits are float32."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn

    width, heads = config["width"], config["heads"]

    def dense(features: int, name: str) -> Any:
        return nn.Dense(features, dtype=dtype, name=name)

    def norm() -> Any:
        return nn.LayerNorm(epsilon=EPSILON, dtype=dtype, name="norm")

    class Embeddings(nn.Module):
        @nn.compact
        def __call__(self, ids: Any) -> Any:
            def table(rows: str, name: str) -> Any:
                return nn.Embed(config[rows], width, dtype=dtype, name=name)

            x = table("vocab", "word")(ids) + table("types", "token_type")(jnp.zeros_like(ids))
            return norm()(x + table("context", "position")(jnp.arange(ids.shape[1])))

    class Attention(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            batch, seq, _ = x.shape
            q, k, v = (
                dense(width, name)(x).reshape(batch, seq, heads, width // heads)
                for name in ("query", "key", "value")
            )
            y = jax.nn.dot_product_attention(q, k, v)
            return norm()(x + dense(width, "output")(y.reshape(batch, seq, width)))

    class Layer(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = Attention(name="attention")(x)
            hidden = nn.gelu(dense(config["mlp_width"], "intermediate")(x), approximate=False)
            return norm()(x + dense(width, "output")(hidden))

    class Bert(nn.Module):
        @nn.compact
        def __call__(self, ids: Any, train: bool) -> Any:
            x = Embeddings(name="embeddings")(ids)
            for i in range(config["layers"]):
                x = Layer(name=f"layer.{i}")(x)
            pooled = jnp.tanh(dense(width, "pooler")(x[:, 0]))
            return dense(config["classes"], "classifier")(pooled).astype(jnp.float32)

    return Bert()


WORKLOAD = Workload(
    name="bert_base",
    version=1,
    summary="BERT-base uncased, classifier of 2 labels, dropout 0 (Devlin et al. 2018)",
    item="sequence",
    variants={
        "": Variant(
            config={
                "vocab": 30522,
                "context": 512,
                "types": 2,
                "seq": 128,
                "layers": LAYERS,
                "heads": 12,
                "width": 768,
                "mlp_width": 3072,
                "classes": 2,
            },
            shape={"seq": 128},
            batch_size=1,
        ),
        "small": Variant(
            config={
                "vocab": 1000,
                "context": 64,
                "types": 2,
                "seq": 32,
                "layers": 2,
                "heads": 4,
                "width": 128,
                "mlp_width": 512,
                "classes": 2,
            },
            shape={"seq": 32},
            batch_size=4,
        ),
    },
    # Fine-tuning takes 2e-5; on the made weights, larger than trained ones, that fits a batch in
    # one step, and the losses that a run is held to would be those of chance.
    optimizer=Optimizer(name="adamw", learning_rate=5e-7, weight_decay=0.01),
    inputs=inputs,
    targets=targets,
    build_torch=build_torch,
    build_flax=build_flax,
    parameters=parameters,
    flops=flops,
    embeddings=(*TABLES, *ADDED),
    definition="d810bef080f168dd",
)
