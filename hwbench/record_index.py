"""The table of cases in the user's cache: what many records hold, read from their JSON once.

A Parquet file of one row a case with the path, size and time of its record; records that are new,
or were changed since, are read and put beside the rest. It can be deleted at any time.
"""

import contextlib
import glob
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hwbench import case_columns, store, user_cache
from hwbench.errors import BadRecord, HwbenchError
from hwbench.measurement import SCHEMA

BATCH = 1000  # records that are read at once
LEAST_BYTES = 1 << 20  # of the buffer that a record is read into
_COLUMNS = ", ".join(f"{c.sql} AS {c.name}" for c in case_columns.COLUMNS)
_READ = f"""
    SELECT {_COLUMNS} FROM (
        SELECT filename AS path, * EXCLUDE (filename, measurements),
            unnest(measurements) AS m, generate_subscripts(measurements, 1) AS place
        FROM read_json(?, format = 'unstructured', filename = true,
            maximum_object_size = :size, columns = {case_columns.READ!r})
    ) r"""
_NAME_OF, _, _NEWEST = SCHEMA.rpartition("/")
# What a whole record has; a file with a row that has not, or without rows, is looked at alone.
_SOUND = f"""record IS NOT NULL AND created_utc IS NOT NULL AND hwbench_version IS NOT NULL
    AND threads > 0 AND id IS NOT NULL AND status IS NOT NULL AND version IS NOT NULL
    AND schema LIKE '{_NAME_OF}/%'
    AND try_cast(split_part(schema, '/', 2) AS INTEGER) <= {_NEWEST}
    AND (status <> 'ok' OR wall_s > 0) AND coalesce(list_min(rounds_s) > 0, true)
    AND coalesce(energy_j >= 0, true)
    AND coalesce(wall_later_low_s > 0 AND hours_low_s > 0, true)"""
# Changes with the columns: an index of others is not read.
_NAME = f"cases-{hashlib.sha256((_READ + _SOUND).encode()).hexdigest()[:12]}.parquet"


class File(NamedTuple):
    """A record on the disk, as it was when it was looked at."""

    path: str
    size: int
    mtime_ns: int


def looked_at(path: Path) -> File:
    """Return the file as it is now; raise BadRecord where there is none."""
    try:
        found = path.stat()
    except OSError as e:
        raise BadRecord(f"{path}: {e.strerror or e}") from None
    return File(str(path.absolute()), found.st_size, found.st_mtime_ns)


class Index:
    """Cases of records as Parquet, at `path`: in the cache, or in a folder for this call alone."""

    def __init__(self, connection: Any, *, keep: bool, note: Callable[[str], None]) -> None:
        """Take a DuckDB connection; `keep`: in the user's cache, if that can be written."""
        self._db, self._note = connection, note
        self._query = ""  # reads the batch in hand
        self._scratch = Path(tempfile.mkdtemp(prefix="hwbench-table-"))
        self._db.execute("SET temp_directory = $1", [str(self._scratch)])
        self._folder = user_cache.place() / "records" if keep else self._scratch
        self.path = self._folder / _NAME
        self.left_out: dict[str, str] = {}  # path to reason

    def end(self) -> None:
        """Remove what was made for this call."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def take_in(self, files: Sequence[File]) -> None:
        """Have all of these files in the index, but for those that are no records."""
        self._enter(files)
        new = self._unknown(files)
        if not new and self.path.is_file():
            return
        if len(new) > BATCH:
            self._note(f"reading {len(new):,} records into a table, once")
        sizes = {f.path: f.size for f in files}
        for n in range(0, len(new), BATCH):
            batch = new[n : n + BATCH]
            self._query = _READ.replace(
                ":size", str(max([LEAST_BYTES, *(sizes[p] + 1024 for p in batch)]))
            )
            self._read_in(batch, self._scratch / f"part-{n:09}.parquet")
        self._join(files)

    def _enter(self, files: Sequence[File]) -> None:
        import numpy as np

        columns = {
            "path": np.array([f.path for f in files], dtype=object),
            "size": np.array([f.size for f in files], dtype=np.int64),
            "mtime_ns": np.array([f.mtime_ns for f in files], dtype=np.int64),
        }
        self._db.register("given", columns)
        self._db.execute("CREATE OR REPLACE TEMP TABLE wanted AS SELECT * FROM given")
        self._db.unregister("given")

    def _unknown(self, files: Sequence[File]) -> list[str]:
        if not self.path.is_file():
            return sorted(f.path for f in files)
        known = f"SELECT DISTINCT path, size, mtime_ns FROM read_parquet('{_quoted(self.path)}')"
        try:
            rows = self._db.execute(
                f"SELECT path FROM wanted w ANTI JOIN ({known}) k ON w.path = k.path"
                " AND w.size = k.size AND w.mtime_ns = k.mtime_ns ORDER BY path"
            ).fetchall()
        except _fault():  # cut off, or of another DuckDB: made anew
            self.path.unlink(missing_ok=True)
            return sorted(f.path for f in files)
        return [path for (path,) in rows]

    def _read_in(self, paths: Sequence[str], part: Path) -> None:
        """Read records into a file of their own; those that cannot be read are told apart."""
        good = [p for p in paths if p not in self.left_out]
        while good:
            try:
                self._copy(good, part)
            except _fault():
                if not self._tell_apart(good):
                    raise  # it is none of the files
                good = [p for p in good if p not in self.left_out]
                continue
            bad = self._unsound(good, part)
            if not bad:
                return
            for path in bad:
                self.left_out[path] = _why(path)
            good = [p for p in good if p not in self.left_out]
        part.unlink(missing_ok=True)

    def _copy(self, paths: Sequence[str], part: Path) -> None:
        names = [glob.escape(p) for p in paths]
        self._db.execute(
            f"COPY (SELECT c.*, w.size, w.mtime_ns FROM ({self._query}) c"
            f" JOIN wanted w ON w.path = c.path ORDER BY c.path, c.place)"
            f" TO '{_quoted(part)}' (FORMAT parquet)",
            [names],
        )

    def _tell_apart(self, paths: Sequence[str]) -> bool:
        """Find the files that DuckDB cannot read, by halves; return whether there are any."""
        try:
            self._db.execute(
                f"SELECT count(COLUMNS(*)) FROM ({self._query})", [[*map(glob.escape, paths)]]
            )
        except _fault():
            if len(paths) == 1:
                self.left_out[paths[0]] = _why(paths[0])
                return True
            middle = len(paths) // 2
            found = [self._tell_apart(half) for half in (paths[:middle], paths[middle:])]
            return any(found)
        return False

    def _unsound(self, paths: Sequence[str], part: Path) -> list[str]:
        rows = self._db.execute(
            f"SELECT path FROM read_parquet('{_quoted(part)}') GROUP BY path"
            f" HAVING bool_and({_SOUND}) AND count(DISTINCT record) = 1"
            " AND count(*) = count(DISTINCT place)"
        ).fetchall()
        sound = {path for (path,) in rows}
        return [p for p in paths if p not in sound]

    def _join(self, files: Sequence[File]) -> None:
        """Make the index anew: what it held of files that are still there, and the parts."""
        parts = sorted(self._scratch.glob("part-*.parquet"))
        sources = [self._still_there(files)] if self.path.is_file() else []
        sources += [f"SELECT * FROM read_parquet('{_quoted(p)}')" for p in parts]
        if not sources:
            return
        made = self._scratch / "made.parquet"
        self._db.execute(
            f"COPY ({' UNION ALL '.join(sources)}) TO '{_quoted(made)}'"
            " (FORMAT parquet, COMPRESSION zstd)"
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
            try:
                shutil.copyfile(made, beside)
                beside.replace(self.path)
            finally:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
        except OSError:  # a cache that cannot be written: for this call alone
            self.path = made

    def _still_there(self, files: Sequence[File]) -> str:
        """Return the query for what the index holds of other files, as long as those exist."""
        own = f"read_parquet('{_quoted(self.path)}')"
        known = self._db.execute(f"SELECT DISTINCT path FROM {own}").fetchall()
        given = {f.path for f in files}
        gone = [p for (p,) in known if p not in given and not os.path.exists(p)]
        self._db.execute("CREATE OR REPLACE TEMP TABLE gone AS SELECT unnest(?::VARCHAR[]) AS path",
                         [gone])  # fmt: skip
        return (
            f"SELECT k.* FROM {own} k ANTI JOIN gone g ON k.path = g.path"
            " WHERE NOT EXISTS (SELECT 1 FROM wanted w WHERE w.path = k.path"
            " AND (w.size <> k.size OR w.mtime_ns <> k.mtime_ns))"
        )


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _fault() -> type[Exception]:
    import duckdb

    return duckdb.Error


def _why(path: str) -> str:
    """Return why a file is no record that the table can hold, in the words of `store`."""
    try:
        record = store.load(Path(path))
    except HwbenchError as e:
        return str(e)
    if not record.measurements:
        return f"{path}: holds no case"
    return f"{path}: its numbers do not fit the table: compare it by name, without --where"
