"""Networks told from fewer of their blocks, as text."""

from collections.abc import Sequence

from hwbench.depth import DepthFit
from hwbench.render import NOTHING, half_width, seconds, size, table, wrapped

COLUMNS = ("by blocks", "blocks", "from", "whole", "±", "fixed", "a block", "memory")
LEGEND = (
    "by blocks: nothing of the whole was run: it is the line t = fixed + blocks x a block through"
    " the cuts; ±: half of a 90 % interval; memory: at the peak, told by the same line"
)


def text(fits: Sequence[DepthFit]) -> str:
    """Return the table of what the cuts tell of their networks; '' without any."""
    if not fits:
        return ""
    return f"{table(COLUMNS, [_row(f) for f in fits])}\n{wrapped(LEGEND)}"


def _row(f: DepthFit) -> tuple[str, ...]:
    phase = "infer" if f.phase == "inference" else "train"
    w = f.wall_s
    return (
        f"{f.name} b{f.batch_size}, {f.runtime}, {phase}",
        str(f.layers),
        ", ".join(map(str, f.measured)),
        seconds(w.point),
        half_width(w.low, w.high, w.point),
        seconds(f.fixed_s) if f.fixed_s > 0 else "~0",
        seconds(f.block_s) if f.block_s > 0 else "~0",
        NOTHING if f.memory is None else size(f.memory.whole_bytes),
    )
