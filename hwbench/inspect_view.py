"""An inspection as text: what the network is, and where the time of its step goes."""

from hwbench import loader_view
from hwbench.estimate_units import duration
from hwbench.inspected import NO_DATA, Inspection
from hwbench.render import NOTHING, digits, table, wrapped
from hwbench.units import BYTES_PER_GIB

LAYERS = 10  # that take the most


def text(found: Inspection) -> str:
    """Return the whole of it."""
    done, item = found.found, found.item
    trained = done.trainable_parameters
    frozen = "" if trained == done.parameters else f" ({done.parameters - trained:,} frozen)"
    flops = (
        f"{digits(found.flops_per_item / 1e9)} GFLOP forward each {item}"
        if found.flops_per_item
        else "FLOPs not known"
    )
    if found.training_flops_per_item:
        flops += f", {digits(found.training_flops_per_item / 1e9)} in training"
    head = (
        f"{found.workload}: {found.summary}; {done.parameters:,} parameters{frozen}, {flops};"
        f" batch {found.batch_size}, {found.runtime} on {found.device}, {found.dtype},"
        f" {found.threads} threads"
    )
    phases = done.phases
    parts = [
        ("forward", phases.forward_s),
        ("backward", phases.backward_s),
        ("optimiser", phases.optimizer_s),
    ]
    loader = found.loader
    if loader is not None:
        best = next(r for r in loader.rows if r.workers == loader.advised)
        parts.insert(0, (f"data ({best.workers} workers)", best.wait_frac * best.step_s))
    whole_s = sum(s for _, s in parts)
    step = table(
        ("a step", "time", "share"),
        [(n, duration(s), f"{s / whole_s:.0%}") for n, s in parts],
    )
    kinds = table(
        ("operators", "time", "share", "calls", "most of it"),
        [
            (k.kind, duration(k.seconds), f"{k.share_frac:.1%}", f"{k.calls:,}", k.most)
            for k in done.kinds
            if k.share_frac >= 0.002
        ],
    )
    layers = table(
        ("layers, forward", "kind", "time", "GFLOP/s"),
        [
            (
                layer.name,
                layer.kind,
                duration(layer.forward_s),
                digits(layer.flops / layer.forward_s / 1e9)
                if layer.flops and layer.forward_s
                else NOTHING,
            )
            for layer in done.layers[:LAYERS]
        ],
    )
    more = len(done.layers) - LAYERS
    roof = f"{digits(done.gemm_flops_per_s / 1e9)} GFLOP/s (a product of {done.gemm_size})"
    mfu = (
        f"MFU {found.mfu_frac:.0%}: of the {roof} that this machine does at its best"
        if found.mfu_frac is not None
        else f"MFU not known: {_why(found)}; this machine's best product: {roof}"
    )
    lines = [wrapped(head), wrapped(mfu), step]
    if loader is not None:
        lines.append(loader_view.text(loader))
    elif found.no_loader and found.no_loader != NO_DATA:
        lines.append(wrapped(f"--data: {found.no_loader}"))
    lines += [kinds, layers]
    if more > 0:
        lines.append(f"and {more} more: --json, or hwbench plot layers FILE")
    lines.append(_memory(found))
    lines += [wrapped(note) for note in found.notes]
    return "\n".join(lines)


def _why(found: Inspection) -> str:
    done = found.found
    if done.trainable_parameters < done.parameters:
        return "some weights are frozen, and what a step leaves out for them is not counted"
    return "its FLOPs are not"


def _memory(found: Inspection) -> str:
    memory = found.found.memory
    peak = f"; peak {_size(memory.peak_bytes)}, libraries in it" if memory.peak_bytes else ""
    return wrapped(
        f"memory at batch {found.batch_size}: weights {_size(memory.weights_bytes)}, gradients"
        f" {_size(memory.gradients_bytes)}, optimiser {_size(memory.optimizer_bytes)}, activations"
        f" {_size(memory.activations_bytes)} ({_size(memory.activations_bytes // found.batch_size)}"
        f" for each {found.item}){peak}"
    )


def _size(value: int) -> str:
    if value >= BYTES_PER_GIB:
        return f"{value / BYTES_PER_GIB:.2f} GiB"
    return f"{value / 1024**2:.3g} MiB"
