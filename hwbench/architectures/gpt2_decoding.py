"""GPT-2's torch module in the parts that generate token by token (`hwbench.decoding`)."""

from typing import Any

from hwbench.decoding import Block, Decoding
from hwbench.workload import Config


def decoding(config: Config, model: Any, limit: int) -> Decoding:
    """Return the parts of a module of `gpt2.build_torch`; `limit` positions are in its table."""
    import torch.nn.functional as F

    width, heads = config["width"], config["heads"]

    def block(part: Any) -> Block:
        def project(x: Any, positions: Any) -> tuple[Any, Any, Any]:
            batch, n, _ = x.shape
            q, k, v = (
                each.view(batch, n, heads, width // heads).transpose(1, 2)
                for each in part.attn.c_attn(part.ln_1(x)).split(width, dim=2)
            )
            return q, k, v

        def close(x: Any, attended: Any) -> Any:
            x = x + part.attn.c_proj(attended.transpose(1, 2).reshape(x.shape))
            return x + part.mlp(part.ln_2(x))

        return Block(project=project, close=close)

    return Decoding(
        embed=lambda ids, positions: model.wte(ids) + model.wpe(positions),
        blocks=[block(part) for part in model.h],
        logits=lambda x: F.linear(model.ln_f(x), model.wte.weight),
        kv_heads=heads,
        head_dim=width // heads,
    )
