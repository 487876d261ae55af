"""The time of each layer's forward pass against its FLOPs, with the machine's best product."""

from collections.abc import Sequence

from hwbench.chart import Axis, Chart, Series
from hwbench.chart_kind import ChartKind, Given
from hwbench.errors import BadInput
from hwbench.inspected import Inspection, LayerTime


def make(given: Sequence[Given]) -> tuple[Chart, ...]:
    """Return a panel for each inspection, a colour a class of layers."""
    return tuple(_chart(g) for g in given)


def _chart(given: Given) -> Chart:
    found: Inspection = given.value
    layers = [layer for layer in found.found.layers if layer.flops and layer.forward_s]
    if not layers:
        raise BadInput(f"{given.path}: no layer in it has FLOPs: `hwbench inspect --workload W`")
    best = found.found.gemm_flops_per_s
    ends = min(x.flops for x in layers), max(x.flops for x in layers)
    roof = Series(
        name="the machine's best product",
        x=tuple(float(e) for e in ends),
        y=tuple(e / best for e in ends),
        style="roof",
    )
    kinds = list(dict.fromkeys(layer.kind for layer in layers))
    rest = sum(x.forward_s for x in found.found.layers if not x.flops)
    whole = sum(x.forward_s for x in found.found.layers)
    return Chart(
        title=f"layers of {found.workload}, batch {found.batch_size}, {found.device}",
        x=Axis(label="FLOPs of a layer's forward pass", format="count"),
        y=Axis(label="time, s", format="seconds"),
        series=(roof, *(_series(k, [x for x in layers if x.kind == k]) for k in kinds)),
        notes=(
            "the line: the machine's best square product, of the same FLOPs",
            f"layers without products are {rest / whole:.0%} of the forward time",
        ),
    )


def _series(kind: str, layers: Sequence[LayerTime]) -> Series:
    return Series(
        name=kind,
        x=tuple(float(x.flops) for x in layers),
        y=tuple(x.forward_s for x in layers),
        style="points",
    )


CHART = ChartKind(
    name="layers",
    summary="the time of each layer against its FLOPs",
    takes=("inspection",),
    make=make,
)
