"""What the training costs, over sizes of the dataset: a line for each way, with its band."""

from hwbench import growing
from hwbench.chart_kind import ChartKind

CHART = ChartKind(
    name="cost",
    summary="what the training costs, over sizes of the dataset",
    takes=("estimate",),
    make=lambda given: growing.charts(given, "cost_usd", "cost, USD", "usd"),
)
