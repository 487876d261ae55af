"""A file of instances - TOML, CSV or JSON - read row by row: a wrong one is named and left out.

The rows of TOML are `[[instance]]` tables or one inline table a line; those of CSV have the fields
of `Instance` as columns. Beside them a TOML file may state `provider`, `full_name`, `common.*`
(what a row does not say), `billing.*`, `pue.*` and `sources.*` (a text and date under a key).
"""

import csv
import difflib
import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any

from hwbench import data_sheets
from hwbench.errors import BadInput, one_line
from hwbench.instance import Fact, Instance, Problem, Provider
from hwbench.units import BYTES_PER_GIB

_TEXTS = ("provider", "sku", "region", "cpu", "accelerator", "source", "confidence", "notes")
_COUNTS = (
    "vcpus",
    "vcpus_per_core",
    "n_accelerators",
    "memory_bytes",
    "accelerator_memory_bytes",
)
_NUMBERS = ("usd_per_h", "spot_usd_per_h", "granularity_s", "minimum_s", "pue")
_GIBS = {
    "memory_gib": "memory_bytes",
    "accelerator_memory_gib": "accelerator_memory_bytes",
}
FIELDS = tuple(f.name for f in fields(Instance)) + tuple(_GIBS)
_CONFIDENCES = ("high", "medium", "low")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a file holds: the rows that are sound, and the others with their line and reason."""

    path: Path
    instances: tuple[Instance, ...]
    problems: tuple[Problem, ...]
    provider: Provider | None = None  # where the file is one provider's


@dataclass(frozen=True, kw_only=True)
class _Header:
    """What a file states beside its rows."""

    defaults: Row = field(default_factory=dict)
    sources: Mapping[str, Row] = field(default_factory=dict)
    provider: Provider | None = None


def read(path: Path, *, confidence: str = "medium") -> Listed:
    """Return the instances of a file, and a Problem for each row that is wrong.

    A row that states no source, date or confidence has the file's name, the day it was written
    and `confidence`. Raises BadInput where the file cannot be read at all.
    """
    try:
        header, rows, problems = _FORMS[path.suffix.lower()](path)
        written = date.fromtimestamp(path.stat().st_mtime)
    except KeyError:
        raise BadInput(f"{path}: a catalogue is a .toml, .csv or .json file") from None
    except OSError as e:
        raise BadInput(f"{path}: cannot be read: {e.strerror}") from None
    except (ValueError, csv.Error) as e:  # tomllib and json say the line
        raise BadInput(f"{path}: {one_line(str(e))}") from None
    given = {"source": path.name, "date": written, "confidence": confidence, **header.defaults}
    instances = []
    for line, row in rows:
        try:
            instances.append(instance(row, given, header.sources))
        except (ValueError, TypeError) as e:
            problems.append(Problem(where=f"{path}:{line}", what=str(e)))
    return Listed(
        path=path,
        instances=tuple(instances),
        problems=tuple(problems),
        provider=header.provider,
    )


def instance(row: Row, given: Row, sources: Mapping[str, Row]) -> Instance:
    """Return the instance of a row, with what is `given` where it says nothing.

    Raises ValueError with the field and the reason.
    """
    said = {k: v for k, v in row.items() if v is not None and v != ""}
    values = {k: v for k, v in given.items() if v is not None} | {
        _GIBS.get(k, k): _value(k, v) for k, v in said.items()
    }
    for needed in ("provider", "sku", "usd_per_h"):
        if needed not in values:
            raise ValueError(f"{needed} is missing")
    named = sources.get(values["source"])
    if named:
        values["source"] = named["text"]
        if "date" not in said:
            values["date"] = named["date"]
    if "accelerator" in values:
        _fill(values)
    return Instance(**values)


def _fill(values: dict[str, Any]) -> None:
    """Put the data sheet's name and memory in place of what a row calls its accelerator."""
    sheet = data_sheets.find(values["accelerator"])
    if sheet is not None:
        values["accelerator"] = sheet.name
        values.setdefault("accelerator_memory_bytes", sheet.memory_bytes)


def _value(name: str, value: Any) -> Any:
    """Return a field's value in its type, or raise ValueError."""
    if name not in FIELDS:
        raise ValueError(_unknown(name, "field"))
    if name == "date":
        return _date(value)
    if name in _TEXTS:
        return _text(name, value)
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    if math.isnan(number):
        raise ValueError(f"{name} must be a number, is {value!r}")
    if name in _GIBS:
        return round(number * BYTES_PER_GIB)
    if name in _COUNTS:
        if not number.is_integer():
            raise ValueError(f"{name} must be a whole number, is {value!r}")
        return int(number)
    return number


def _unknown(name: str, what: str) -> str:
    if not name:
        return "it has more cells than line 1 has columns"
    near = difflib.get_close_matches(name, FIELDS, n=1)
    return f"unknown {what} {name!r}" + (f": did you mean {near[0]}?" if near else "")


def _date(value: Any) -> date:
    try:
        return value if type(value) is date else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"date must be written as 2026-11-23, is {value!r}") from None


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, is {value!r}")
    if name == "confidence" and value not in _CONFIDENCES:
        raise ValueError(f"confidence must be one of {', '.join(_CONFIDENCES)}, is {value!r}")
    return value.strip()


Rows = Sequence[tuple[int, Row]]


def _toml(path: Path) -> tuple[_Header, Rows, list[Problem]]:
    text = path.read_text(encoding="utf-8")
    data = tomllib.loads(text)
    rows = _tables(data)
    return _header(data), list(zip(_lines(text, len(rows)), rows, strict=True)), []


def _json(path: Path) -> tuple[_Header, Rows, list[Problem]]:
    data = json.loads(path.read_text(encoding="utf-8"))
    return _header(data), list(enumerate(_tables(data), start=1)), []


def _csv(path: Path) -> tuple[_Header, Rows, list[Problem]]:
    """Return the rows; a column that is no field is named once and passed over."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, restkey="")  # cells beyond the columns
        rows = [(reader.line_num, row) for row in reader]
    columns = reader.fieldnames or ()
    missing = [name for name in ("sku", "usd_per_h") if name not in columns]
    if missing:
        raise ValueError(f"line 1 lacks the column {' and '.join(missing)}")
    unknown = [name for name in columns if name not in FIELDS]
    problems = [Problem(where=f"{path}:1", what=_unknown(name, "column")) for name in unknown]
    kept = [(line, {k: v for k, v in row.items() if k not in unknown}) for line, row in rows]
    return _Header(), kept, problems


def _tables(data: Any) -> Sequence[Row]:
    rows = data.get("instance") if isinstance(data, dict) else None
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise ValueError("it holds no [[instance]] tables")
    return rows


def _lines(text: str, n: int) -> Sequence[int]:
    """Return the line at which each of `n` rows begins; its number where that cannot be told."""
    lines = text.splitlines()
    for begin in (r"\s*\[\[\s*instance\s*\]\]", r"\s*\{"):
        found = [i for i, line in enumerate(lines, start=1) if re.match(begin, line)]
        if len(found) == n:
            return found
    return range(1, n + 1)


def _header(data: Row) -> _Header:
    """Return what holds for the rows of a file; raise ValueError where it is wrong."""
    provider = _provider(data) if "full_name" in data else None
    stated = {k: data[k] for k in ("provider",) if k in data} | data.get("common", {})
    if provider is not None:
        for name in ("granularity_s", "minimum_s", "pue"):
            fact = getattr(provider, name)
            if fact is not None:
                stated.setdefault(name, fact.value)
    defaults = {_GIBS.get(k, k): _value(k, v) for k, v in stated.items()}
    return _Header(defaults=defaults, sources=data.get("sources", {}), provider=provider)


def _provider(data: Row) -> Provider:
    billing, pue = data.get("billing", {}), data.get("pue", {})
    try:
        return Provider(
            name=data["provider"],
            full_name=data["full_name"],
            region=data.get("common", {}).get("region"),
            granularity_s=_fact(billing, "granularity_s"),
            minimum_s=_fact(billing, "minimum_s"),
            pue=_fact(pue, "value"),
        )
    except KeyError as e:
        raise ValueError(f"{e.args[0]} is missing in what the file states of its provider") from e


def _fact(table: Row, name: str) -> Fact | None:
    if name not in table:
        return None
    return Fact(
        value=float(table[name]),
        source=table["source"],
        date=table["date"],
        confidence=table["confidence"],
    )


_FORMS = {".toml": _toml, ".json": _json, ".csv": _csv}
