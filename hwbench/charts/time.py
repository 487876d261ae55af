"""How long it takes, over sizes of the dataset: a line for each way, with its band."""

from hwbench import growing
from hwbench.chart_kind import ChartKind

CHART = ChartKind(
    name="time",
    summary="how long it takes, over sizes of the dataset",
    takes=("estimate", "shortcuts"),
    make=lambda given: growing.charts(given, "time_s", "time, s", "duration"),
)
