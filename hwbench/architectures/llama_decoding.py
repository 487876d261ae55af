"""The Llama family's torch module in the parts that generate token by token."""

from typing import Any

from hwbench.architectures import llama
from hwbench.decoding import Block, Decoding
from hwbench.workload import Config


def decoding(config: Config, model: Any, limit: int) -> Decoding:
    """Return the parts of a module of `llama.build_torch`, with rotations of `limit` positions."""
    import torch
    import torch.nn.functional as F

    head_dim = config["head_dim"]
    weight = model.embed_tokens.weight
    # The module's own table ends with the length that it is measured at.
    tables = [
        torch.tensor(t, device=weight.device) for t in llama.rotations({**config, "seq": limit})
    ]

    def turned(x: Any, positions: Any) -> Any:
        cos, sin = (t[positions].unsqueeze(1) for t in tables)  # (batch, 1, n, head_dim)
        first, second = x.chunk(2, dim=-1)
        return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)

    def block(part: Any) -> Block:
        attn = part.self_attn

        def project(x: Any, positions: Any) -> tuple[Any, Any, Any]:
            batch, n, _ = x.shape
            h = part.input_layernorm(x)
            q, k, v = (
                projection(h).view(batch, n, -1, head_dim)
                for projection in (attn.q_proj, attn.k_proj, attn.v_proj)
            )
            if config["qk_norm"]:
                q, k = attn.q_norm(q), attn.k_norm(k)
            q, k = (turned(each.transpose(1, 2), positions) for each in (q, k))
            return q, k, v.transpose(1, 2)

        def close(x: Any, attended: Any) -> Any:
            batch, n, _ = x.shape
            x = x + attn.o_proj(attended.transpose(1, 2).reshape(batch, n, -1))
            return x + part.mlp(part.post_attention_layernorm(x))

        return Block(project=project, close=close)

    head = model.embed_tokens if config["tied"] else model.lm_head
    return Decoding(
        embed=lambda ids, positions: model.embed_tokens(ids),
        blocks=[block(part) for part in model.layers],
        logits=lambda x: F.linear(model.norm(x), head.weight),
        kv_heads=config["kv_heads"],
        head_dim=head_dim,
    )
