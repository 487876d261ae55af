"""The table of cases in the user's cache: what many records hold, read from their JSON once.

A Parquet file of one row a case with the path, size and time of its record; records that are new,
or were changed since, are read and put beside the rest. It can be deleted at any time.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwbench import record_readers, user_cache
from hwbench.errors import BadRecord
from hwbench.record_parts import File

SOME = 200  # records; to read more of them takes a while
# Changes with the columns and what they are made of: an index of others is not read.
_MAKERS = ("case_columns.py", "record_parts.py", "record_shape.py")
_TEXTS = b"".join((Path(__file__).parent / name).read_bytes() for name in _MAKERS)
_NAME = f"cases-{hashlib.sha256(_TEXTS).hexdigest()[:12]}.parquet"


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
        if len(new) > SOME:
            self._note(f"reading {len(new):,} records into a table, once")
        by_path = {f.path: f for f in files}
        self.left_out |= record_readers.read([by_path[p] for p in new], self._scratch)
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
