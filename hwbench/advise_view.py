"""An advice as text: the table of settings, what to use, what it saves."""

from collections.abc import Sequence

from hwbench import loader_view
from hwbench.advised import Advice, Advised
from hwbench.estimate_units import duration, usd
from hwbench.render import NOTHING, table, wrapped
from hwbench.units import BYTES_PER_GIB, S_PER_H

_SAYS = {
    "use": "use it",
    "saves memory": "if memory is short",
    "no gain": "no gain",
    "slower": "slower",
    "unsure": "too close to tell",
    "another loss": "its loss is worse",
}


def text(advice: Advice) -> str:
    """Return the whole advice."""
    plain = advice.plain
    memory = f", {_gib(plain.memory_bytes)}" if plain.memory_bytes else ""
    head = (
        f"{advice.workload}, batch {advice.batch_size}, {advice.runtime} on {advice.device},"
        f" float32, {advice.threads} threads: a step takes {duration(plain.step_s or 0.0)}{memory};"
        f" loss {_loss(advice.plain_first_loss)}, after {advice.steps} steps {_loss(plain.loss)}"
    )
    rows = [*advice.rows, *advice.together]
    columns = ("setting", "step", "±", "memory", "loss", "once", "verdict")
    parts = [wrapped(head), table(columns, [_row(r) for r in rows if r.status == "ok"])]
    parts.append(
        wrapped(
            "step, memory: of the plain step's; ±: half the interval (95 %); loss: after as many"
            " steps on the same batch; once: to the end of the first step"
        )
    )
    parts += [wrapped(f"{'+'.join(r.settings)}: {r.reason}") for r in rows if r.status != "ok"]
    if advice.loader is not None:
        parts.append(loader_view.text(advice.loader))
    parts.append(_use(advice, rows))
    return "\n".join(parts)


def _row(row: Advised) -> Sequence[str]:
    ratio = row.ratio
    assert ratio is not None
    half = (ratio.high / ratio.low) ** 0.5 - 1
    return (
        " + ".join(row.settings),
        f"{ratio.point:.3f}x",
        f"±{half:.1%}",
        NOTHING if row.memory_frac is None else f"{row.memory_frac:.2f}x",
        _loss(row.loss),
        NOTHING if row.once_s is None else duration(row.once_s),
        _SAYS.get(row.verdict or "", NOTHING),
    )


def _use(advice: Advice, rows: Sequence[Advised]) -> str:
    used = next((r for r in rows if r.settings and r.settings == advice.use), None)
    lines = []
    if used is not None:
        lines.append(wrapped(f"use: {'; '.join(used.typed)}"))
    else:
        lines.append("use: none of them: the plain step is as fast here as any")
    if advice.loader is not None:
        lines.append(f"use: DataLoader(..., num_workers={advice.loader.advised})")
    saved = advice.saved
    if saved is not None:
        ends = duration(abs(saved.saved_low_h) * S_PER_H), duration(saved.saved_high_h * S_PER_H)
        sign = "-" if saved.saved_low_h < 0 else ""
        money = f", {usd(saved.saved_usd)}" if saved.saved_usd is not None else ""
        lines.append(
            wrapped(
                f"of {saved.items:,} items it saves {duration(saved.saved_h * S_PER_H)}"
                f" ({sign}{ends[0]} to {ends[1]}){money}:"
                f" {duration(saved.plain_h * S_PER_H)} become"
                f" {duration(saved.advised_h * S_PER_H)}"
            )
            if saved.saved_h > 0
            else wrapped("on a training so short it saves nothing: getting ready takes longer")
        )
        if saved.usd_reason:
            lines.append(wrapped(f"dollars: {saved.usd_reason}"))
    elif advice.no_saved:
        lines.append(wrapped(f"what it saves: {advice.no_saved}"))
    if advice.interrupted:
        lines.append("interrupted: what was measured until then")
    return "\n".join(lines)


def _loss(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.4g}"


def _gib(value: int) -> str:
    return f"{value / BYTES_PER_GIB:.2f} GiB"
