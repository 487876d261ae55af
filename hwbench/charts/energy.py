"""What it draws, over sizes of the dataset: a line for each way, with its band."""

from hwbench import growing
from hwbench.chart_kind import ChartKind

CHART = ChartKind(
    name="energy",
    summary="what it draws, over sizes of the dataset",
    takes=("estimate",),
    make=lambda given: growing.charts(given, "energy_j", "energy, J", "joules"),
)
