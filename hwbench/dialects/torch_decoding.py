"""Text generated token by token in torch, with keys and values kept in slots of a fixed size.

A request has a slot. Its prompt is run at once (prefill); then one pass gives each running request
its next token (decode). Slots in use are the first ones, so that a batch is a view of the cache.
"""

from typing import Any

from hwbench.decoding import Decoding


class Engine:
    """Slots for `slots` requests of `limit` tokens each, and the passes over them."""

    def __init__(
        self, torch: Any, decoding: Decoding, slots: int, limit: int, dtype: Any, device: Any
    ) -> None:
        """Take the memory of all keys and values at once."""
        self.torch, self.decoding, self.limit = torch, decoding, limit
        size = (slots, decoding.kv_heads, limit, decoding.head_dim)
        self.keys, self.values = (
            [torch.zeros(size, dtype=dtype, device=device) for _ in decoding.blocks]
            for _ in range(2)
        )
        self.device = device
        self._places = torch.arange(limit, device=device)
        self._rows = torch.arange(slots, device=device)

    @property
    def cache_bytes(self) -> int:
        """Return the bytes of the keys and values of all slots."""
        return sum(t.numel() * t.element_size() for t in (*self.keys, *self.values))

    def prefill(self, slot: int, ids: Any) -> Any:
        """Run a prompt (1, n) into a slot; return the logits of its last token (1, vocab)."""
        attention = self.torch.nn.functional.scaled_dot_product_attention
        n = ids.shape[1]
        positions = self._places[:n].unsqueeze(0)
        x = self.decoding.embed(ids, positions)
        for i, block in enumerate(self.decoding.blocks):
            q, k, v = block.project(x, positions)
            self.keys[i][slot, :, :n] = k[0]
            self.values[i][slot, :, :n] = v[0]
            x = block.close(x, attention(q, k, v, is_causal=True, enable_gqa=True))
        return self.decoding.logits(x[:, -1:])[:, 0]

    def decode(self, ids: Any, positions: Any, longest: int) -> Any:
        """Give the first slots their next token: ids and positions are (batch,).

        `longest` is the most positions that any of them has, this one included. Returns the logits
        (batch, vocab).
        """
        attention = self.torch.nn.functional.scaled_dot_product_attention
        batch = ids.shape[0]
        at = positions.unsqueeze(1)
        rows = self._rows[:batch]
        mask = (self._places[:longest] <= at).view(batch, 1, 1, longest)
        x = self.decoding.embed(ids.unsqueeze(1), at)
        for i, block in enumerate(self.decoding.blocks):
            q, k, v = block.project(x, at)
            self.keys[i][rows, :, positions] = k[:, :, 0]
            self.values[i][rows, :, positions] = v[:, :, 0]
            kept = (t[i][:batch, :, :longest] for t in (self.keys, self.values))
            x = block.close(x, attention(q, *kept, attn_mask=mask, enable_gqa=True))
        return self.decoding.logits(x)[:, 0]

    def move(self, source: int, target: int, tokens: int) -> None:
        """Take a request of so many tokens to another slot, whose own is over."""
        for kept in (*self.keys, *self.values):
            kept[target, :, :tokens] = kept[source, :, :tokens]
