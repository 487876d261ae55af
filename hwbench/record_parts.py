"""Records into parts of the table of cases: `python -m hwbench.record_parts FOLDER NUMBER < files`.

A process of its own for each core, as parsing JSON holds Python's lock. It writes
FOLDER/part-NUMBER-*.parquet and answers with the files that are no records.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hwbench import case_columns, store
from hwbench.case_columns import COLUMNS, Column
from hwbench.errors import BadRecord, HwbenchError
from hwbench.measurement import SCHEMA

if TYPE_CHECKING:
    from hwbench.record_shape import Read

BATCH = 500  # records that are in memory at once
_UNKNOWN = -(2**63)  # stands for null in a column of whole numbers, on its way to DuckDB
_ROUNDS, _SAMPLES = b'"rounds_s":[', b'"samples":['


class File(NamedTuple):
    """A record on the disk, as it was when it was looked at."""

    path: str
    size: int
    mtime_ns: int


def write(files: Sequence[File], folder: Path, number: int) -> dict[str, str]:
    """Write the cases of files as Parquet; return the files that are no records, with reasons.

    Raises duckdb.Error where a part cannot be written.
    """
    import duckdb
    import msgspec

    from hwbench.record_shape import Read

    decoder = msgspec.json.Decoder(Read)
    left_out: dict[str, str] = {}
    settings: dict[str, Any] = {"threads": 1, "memory_limit": "300MB"}
    with duckdb.connect(":memory:", config=settings) as db:
        db.execute("SET pandas_analyze_sample = 0")  # an object is a text, whatever comes first
        for n in range(0, len(files), BATCH):
            values: list[list[Any]] = [[] for _ in COLUMNS]
            for file in files[n : n + BATCH]:
                try:
                    _append(_read(file, decoder), values)
                except BadRecord as e:
                    left_out[file.path] = str(e)
            if values[0]:
                _write(values, db, folder / f"part-{number}-{n:09}.parquet")
    return left_out


def _read(file: File, decoder: Any) -> "Read":
    """Return what the table needs of a record; raise BadRecord, in the words of `store`."""
    import msgspec

    try:
        raw = Path(file.path).read_bytes()
        try:
            read = decoder.decode(_without_samples(raw))
        except msgspec.DecodeError:
            read = decoder.decode(raw)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BadRecord(_why(file.path, None)) from None
    found = None if _known(read.schema) else f"schema {read.schema}"
    if found := found or case_columns.unsound(read):
        raise BadRecord(_why(file.path, found))
    case_columns.prepare(read, *file)
    return read  # type: ignore[no-any-return]


def _known(schema: str) -> bool:
    name, _, newest = SCHEMA.rpartition("/")
    asked, _, number = schema.rpartition("/")
    return asked == name and number.isdecimal() and int(number) <= int(newest)


def _without_samples(raw: bytes) -> bytes:
    """Return a record without its samples, which are most of it, where its rounds are kept.

    The bytes can only be a key of that name: within a text its quotes would be escaped. A sample
    holds no list, so that the first bracket closes; if one does, the rest is no JSON.
    """
    if _ROUNDS not in raw:
        return raw
    kept, at = [], 0
    while (start := raw.find(_SAMPLES, at)) >= 0:
        end = raw.find(b"]", start)
        if end < 0:
            return raw
        kept += [raw[at:start], b'"samples_cut":%d,"samples":[' % raw.count(b"{", start, end)]
        at = end
    return b"".join([*kept, raw[at:]])


def _why(path: str, found: str | None) -> str:
    """Return why a file is no record that the table can hold."""
    try:
        record = store.load(Path(path))
    except HwbenchError as e:
        return str(e)
    if not record.measurements:
        return f"{path}: holds no case"
    found = found or "its numbers do not fit the table: compare it by name, without --where"
    return f"{path}: {found}"


def _append(read: "Read", values: Sequence[list[Any]]) -> None:
    """Put the rows of a record to the columns: one record at a time stays in the core's cache."""
    cases = read.measurements
    for column, into in zip(COLUMNS, values, strict=True):
        if column.record is not None:
            into += [column.record(read)] * len(cases)
        elif column.case is not None:
            into += map(column.case, cases)


def _write(values: Sequence[list[Any]], db: Any, part: Path) -> None:
    given = {c.name: _array(c, v) for c, v in zip(COLUMNS, values, strict=True)}
    columns = ", ".join(_sql(c) for c in COLUMNS)
    db.register("given", given)
    target = str(part).replace("'", "''")
    db.execute(f"COPY (SELECT {columns} FROM given) TO '{target}' (FORMAT parquet)")
    db.unregister("given")


def _array(column: Column, values: list[Any]) -> Any:
    import numpy as np

    if column.type == "DOUBLE":
        return np.array(values, dtype=np.float64)  # None is NaN
    if column.type in ("BIGINT", "BOOLEAN"):
        return np.array([_UNKNOWN if v is None else v for v in values], dtype=np.int64)
    if column.type == "DOUBLE[]":
        values = [repr(v) for v in values]
    return np.array(values, dtype=object)


def _sql(column: Column) -> str:
    name = column.name
    if column.type == "DOUBLE":
        return f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {name}"
    if column.type in ("BIGINT", "BOOLEAN"):
        return f"CAST(nullif({name}, {_UNKNOWN}) AS {column.type}) AS {name}"
    return f"CAST({name} AS {column.type}) AS {name}"


def main(folder: Path, number: int) -> None:
    """Read files from stdin as JSON, write their parts, answer with those left out."""
    files = [File(*f) for f in json.load(sys.stdin)]
    print(json.dumps(write(files, folder, number)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    os._exit(0)  # what DuckDB still holds goes with the process
