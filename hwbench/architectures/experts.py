"""A sparse mixture of SwiGLU experts (Shazeer et al. 2017, arXiv:1701.06538), as in Qwen3.

A router gives each token its `active` likeliest of `experts` networks of `mlp_width`, weighted by
their probabilities, which are made to sum to one (norm_topk_prob). No token is dropped and no
expert has a capacity: the rows of all tokens, `active` each, are sorted by their expert, and each
expert multiplies its own. The weights are stacked by expert, (experts, out, in), as transformers
has them; their names contain `.experts.`, by which hwbench.weights knows them.
"""

# flax.linen.compact is untyped, as all of the frameworks:
# mypy: disallow-untyped-decorators=False

from typing import Any

from hwbench.workload import Config


def parameters(config: Config) -> int:
    """Count the weights of the router and of all experts of one layer."""
    expert = 3 * config["width"] * config["mlp_width"]
    return config["experts"] * (expert + config["width"])


def products(config: Config) -> int:
    """Count the multiplications of one token in one layer: the router, and the active experts."""
    expert = 3 * config["width"] * config["mlp_width"]
    return config["active"] * expert + config["experts"] * config["width"]


def build_torch(config: Config) -> Any:
    """Build the torch module: (batch, seq, width) to the same."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    width, hidden = config["width"], config["mlp_width"]
    n_experts, active = config["experts"], config["active"]

    def shared_out(rows: Any, expert: Any) -> list[tuple[int, Any]]:
        """Return each expert that has rows with them; both arguments are sorted by expert."""
        if torch.compiler.is_exporting():  # a graph holds every expert, whatever it will get
            return [(e, rows[expert == e]) for e in range(n_experts)]
        if rows.is_meta:  # nothing is routed there, and whoever does the work, it is the same
            return [(0, rows)]
        counts = torch.bincount(expert, minlength=n_experts).tolist()  # waits for a GPU
        return [(e, part) for e, part in enumerate(rows.split(counts)) if len(part)]

    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate_up_proj = nn.Parameter(torch.empty(n_experts, 2 * hidden, width))
            self.down_proj = nn.Parameter(torch.empty(n_experts, width, hidden))

        @torch.compiler.disable  # type: ignore[untyped-decorator]  # else anew for other counts
        def forward(self, x: Any, expert: Any) -> Any:
            expert, order = expert.flatten().sort()
            # Unbound, so that all gradients are stacked once and not added up expert by expert.
            gate_up, down = self.gate_up_proj.unbind(), self.down_proj.unbind()
            outputs = []
            for e, rows in shared_out(x[order // active], expert):
                gate, up = F.linear(rows, gate_up[e]).chunk(2, dim=-1)
                outputs.append(F.linear(F.silu(gate) * up, down[e]))
            return torch.cat(outputs)[order.argsort()].view(-1, active, width)

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(width, n_experts, bias=False)
            self.experts = Experts()

        def forward(self, x: Any) -> Any:
            rows = x.reshape(-1, width)
            logits = self.gate(rows)
            precise = torch.promote_types(logits.dtype, torch.float32)
            share, expert = logits.softmax(dim=-1, dtype=precise).topk(active)
            share = share / share.sum(dim=-1, keepdim=True)
            outputs = self.experts(rows, expert)  # (tokens, active, width)
            return (outputs * share.to(outputs.dtype)[..., None]).sum(dim=1).view_as(x)

    return Mixture()


def flax_module(config: Config, dtype: str) -> Any:
    """Return the Flax class of the same, whose shapes do not depend on the data."""
    import jax
    import jax.numpy as jnp
    from flax import linen as nn
    from jax.lax import RaggedDotDimensionNumbers, ragged_dot_general

    width, hidden = config["width"], config["mlp_width"]
    n_experts, active = config["experts"], config["active"]
    # Rows (rows, in) in groups, each by its own matrix of (experts, out, in).
    by_group = RaggedDotDimensionNumbers(
        dot_dimension_numbers=(((1,), (2,)), ((), ())),
        lhs_ragged_dimensions=[0],
        rhs_group_dimensions=[0],
    )

    class Experts(nn.Module):
        def stacked(self, name: str, n_out: int, n_in: int) -> Any:
            made = self.param(name, nn.initializers.lecun_normal(), (n_experts, n_out, n_in))
            return made.astype(dtype)

        @nn.compact
        def __call__(self, x: Any, expert: Any) -> Any:
            order = jnp.argsort(expert.ravel(), stable=True)
            counts = jnp.bincount(expert.ravel(), length=n_experts).astype(jnp.int32)
            gate_up = self.stacked("gate_up_proj", 2 * hidden, width)
            down = self.stacked("down_proj", width, hidden)
            both = ragged_dot_general(x[order // active], gate_up, counts, by_group)
            gate, up = jnp.split(both, 2, axis=-1)
            outputs = ragged_dot_general(nn.silu(gate) * up, down, counts, by_group)
            return outputs[jnp.argsort(order)].reshape(*expert.shape, width)

    class Mixture(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            rows = x.reshape(-1, width)
            logits = nn.Dense(n_experts, use_bias=False, dtype=dtype, name="gate")(rows)
            share, expert = jax.lax.top_k(jax.nn.softmax(logits.astype(jnp.float32)), active)
            share = share / share.sum(axis=-1, keepdims=True)
            outputs = Experts(name="experts")(rows, expert)  # (tokens, active, width)
            return (outputs * share.astype(dtype)[..., None]).sum(axis=1).reshape(x.shape)

    return Mixture
