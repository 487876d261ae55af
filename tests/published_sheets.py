"""Data sheets for the tests of scaling, from `published_sheets.toml`."""

import tomllib
from functools import cache
from pathlib import Path

from hwbench.data_sheet import DataSheet


@cache
def sheets() -> dict[str, DataSheet]:
    """Return the sheets by their names."""
    text = (Path(__file__).parent / "published_sheets.toml").read_text(encoding="utf-8")
    return {row["name"]: DataSheet(**row) for row in tomllib.loads(text)["sheet"]}
