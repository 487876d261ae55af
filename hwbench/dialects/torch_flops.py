"""FLOPs of a forward pass as it runs: of products, convolutions, attention and recurrence.

torch's own counter (torch.utils.flop_counter) sees every operator below autograd; what it has no
formula for on the processor is given to it here. A multiply-accumulate is 2. Backward passes are
not counted by it: it takes the groups of a convolution for one (a depthwise network's step came
to nine times what it is).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Counted:
    """FLOPs of a call, in all and by the module that it was made in (dotted, from the root)."""

    total: int
    by_module: dict[str, int]
    by_operator: dict[str, int]


def counted(torch: Any, call: Callable[[], Any]) -> Counted:
    """Run `call`, a forward pass, and return what it computes."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False, custom_mapping=_mapping(torch)) as counter:
        call()
    counts = counter.get_flop_counts()
    return Counted(
        total=int(counter.get_total_flops()),
        by_module={name: int(sum(of.values())) for name, of in counts.items() if name != "Global"},
        by_operator={
            str(k).rpartition(".")[2]: int(v) for k, v in counts.get("Global", {}).items()
        },
    )


def _mapping(torch: Any) -> dict[Any, Any]:
    """Return formulas for the processor's own attention and recurrence."""
    aten = torch.ops.aten

    def attention(q: Any, k: Any, v: Any, *args: Any, out_shape: Any = None, **kw: Any) -> int:
        return _attention(q, k, v)

    def recurrence(x: Any, w0: Any, w1: Any, *args: Any, out_shape: Any = None, **kw: Any) -> int:
        tokens = prod(x) // x[-1]
        return int(2 * tokens * (prod(w0) + prod(w1)))

    formulas: dict[str, Callable[..., int]] = {
        "_scaled_dot_product_flash_attention_for_cpu": attention,
        "mkldnn_rnn_layer": recurrence,
    }
    return {getattr(aten, n): f for n, f in formulas.items() if hasattr(aten, n)}


def _attention(q: Any, k: Any, v: Any) -> int:
    """Return the FLOPs of Q K' and of its product with V: shapes (batch, heads, length, width)."""
    lead, length, width = prod(q[:-2]), q[-2], q[-1]
    return int(2 * lead * length * k[-2] * (width + v[-1]))
