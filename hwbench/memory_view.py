"""What a network needs of memory, as text."""

from hwbench.memory_needs import Fit, MemoryFile
from hwbench.render import NOTHING, count, size, table, wrapped

NEEDS = ("recipe", "trained", "weights", "on top", "fixed", "an item", "checkpointed")


def text(found: MemoryFile) -> str:
    """Return the whole of it."""
    seq = f", sequences of {found.seq}" if found.seq else ""
    flops = f", {count(found.flops_per_item)} FLOP forward" if found.flops_per_item else ""
    cache = (
        f", {count(found.cache_bytes_per_token)} bytes of cache a token in bfloat16"
        if found.cache_bytes_per_token
        else ""
    )
    blocks = f", {found.layers} blocks" if found.layers else ""
    head = f"{found.workload}: {_many(found.parameters)} parameters{blocks}"
    parts = [wrapped(f"{head}{seq}{flops}{cache}")]
    parts.append(table(NEEDS, [_need_row(found, n) for n in range(len(found.needs))]))
    parts.append(
        wrapped(
            "on top: gradients, moments and copies of what is trained; an item: the activations"
            f" kept of one {found.item}, checkpointed: with each block computed again"
        )
    )
    devices = list(dict.fromkeys(f.device for n in found.needs for f in n.fits))
    rows = [(n.recipe, *(_fit(f) for f in n.fits)) for n in found.needs]
    if devices:
        parts.append(table(("micro-batch on", *devices), rows))
        parts.append(
            wrapped(
                "the largest micro-batch, checkpointed behind the stroke; /N: weights, gradients"
                " and moments divided over N of them (ZeRO 3); fits: what is fixed does"
            )
        )
    parts += [wrapped(f"{n.recipe}: {n.summary}; {n.source}") for n in found.needs]
    parts += [wrapped(found.reason)] if found.reason else []
    parts += [wrapped(note) for note in found.notes]
    return "\n".join(parts)


def _need_row(found: MemoryFile, number: int) -> tuple[str, ...]:
    n = found.needs[number]
    return (
        n.recipe,
        _many(n.trained_parameters) if n.trained_parameters else NOTHING,
        _size(n.weights_bytes),
        _size(n.training_bytes) if n.training_bytes else NOTHING,
        _size(n.fixed_bytes),
        _size(n.item_bytes),
        _size(n.checkpointed_bytes),
    )


def _many(value: int) -> str:
    return f"{value / 1e9:.3g} B" if value >= 1e9 else f"{value / 1e6:.3g} M"


def _size(value: float | None) -> str:
    return NOTHING if value is None else size(round(value))


def _fit(f: Fit) -> str:
    if f.reason is not None:
        return "fits" if f.micro_batch else _sharded(f)
    best = max(f.micro_batch, f.checkpointed or 0)
    if not best:
        return _sharded(f)
    return f"{f.micro_batch:,}" + (f" | {f.checkpointed:,}" if f.checkpointed is not None else "")


def _sharded(f: Fit) -> str:
    return f"/{f.sharded_over:,}" if f.sharded_over else "no"
