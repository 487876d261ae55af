"""Data sheets for the tests of scaling: the catalogue's, by name."""

from functools import cache

from hwbench import data_sheets
from hwbench.data_sheet import DataSheet


@cache
def sheets() -> dict[str, DataSheet]:
    """Return the sheets by their names."""
    return {s.name: s for s in data_sheets.all_sheets()}
