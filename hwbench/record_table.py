"""Many records as one table of cases, asked in SQL: DuckDB over their JSON (`record_index`)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hwbench import case_columns, cpu
from hwbench.compared import LeftOut
from hwbench.errors import BadInput, BadRecord, HwbenchError, StorageFull, Unavailable, one_line
from hwbench.record_files import Named
from hwbench.record_index import Index, looked_at

CACHED = 50  # records: with more the table is kept for the next time
MEMORY = "600MB"


class Table:
    """The cases of some records."""

    def __init__(
        self,
        connection: Any,
        files: Sequence[Named],
        where: str | None,
        out: Path | None,
        note: Callable[[str], None],
    ) -> None:
        """Read the files; `where` keeps some cases, `out` is where they may be written.

        Raises BadRecord for a named file that is no record, BadInput for what `where` has wrong.
        """
        self._db = connection
        self._index = Index(self._db, keep=len(files) > CACHED, note=note)
        try:
            self._take_in(files)
            self._lock(out)
            self._view(where)
        except BaseException:
            self.end()
            raise

    def _take_in(self, files: Sequence[Named]) -> None:
        looked = [looked_at(f.path) for f in files]
        self.paths = [p.path for p in looked]  # of the files in their order, whole
        named = {p.path: f for p, f in reversed(list(zip(looked, files, strict=True)))}
        self._index.take_in(list({p.path: p for p in looked}.values()))
        left_out = []
        for path, reason in self._index.left_out.items():
            given = str(named[path].path)
            told = reason.replace(path, given, 1)
            if not named[path].by_glob:
                raise BadRecord(told)
            left_out.append(LeftOut(path=given, reason=told))
        self.left_out = tuple(left_out)
        if len(left_out) == len(named):
            raise BadInput(f"{len(files)} files, and none is a record: {left_out[0].reason}")

    def end(self) -> None:
        """Close it."""
        self._db.close()
        self._index.end()

    def _lock(self, out: Path | None) -> None:
        """Let what a user writes in SQL reach no file but the table's, and the one to write."""
        paths = [str(self._index.path), *([str(out)] if out else [])]
        self._db.execute("SET allowed_paths = $1", [paths])
        self._db.execute("SET enable_external_access = false")
        self._db.execute("SET lock_configuration = true")

    def _view(self, where: str | None) -> None:
        source = str(self._index.path).replace("'", "''")
        self._db.execute(
            f"CREATE TEMP VIEW every AS SELECT * FROM read_parquet('{source}')"
            " WHERE path IN (SELECT path FROM wanted)"
        )
        names = ", ".join(case_columns.public())
        self._db.execute(f"CREATE TEMP VIEW cases AS SELECT {names} FROM every")
        condition = "true" if where is None else self._checked(where)
        self._db.execute(f"CREATE TEMP VIEW chosen AS SELECT * FROM every WHERE ({condition})")

    def _checked(self, where: str) -> str:
        """Return a condition that is one expression over the columns; raise BadInput if not."""
        import duckdb

        try:
            statements = self._db.extract_statements(
                f"SELECT count(*) FROM cases WHERE (\n{where}\n)"
            )
            if len(statements) != 1:
                raise BadInput(f"--where {where}: is more than one condition")
            self._db.execute(statements[0]).fetchall()
        except duckdb.Error as e:
            names = ", ".join(case_columns.public()[:12])
            raise BadInput(
                f"--where {where}: {one_line(str(e).splitlines()[0])}; it is a condition in SQL"
                f" over the columns of the cases ({names}, ...: `hwbench export --columns`)"
            ) from None
        return f"\n{where}\n"

    def texts(self) -> frozenset[str]:
        """Return the names of the columns that hold text."""
        found = self._db.execute("SELECT column_name, column_type FROM (DESCRIBE cases)")
        return frozenset(name for name, kind in found.fetchall() if kind == "VARCHAR")

    def count(self) -> int:
        """Return how many cases there are."""
        (found,) = self._db.execute("SELECT count(*) FROM chosen").fetchone()
        return int(found)

    def heads(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return these columns of each record, whatever cases were chosen."""
        found = self._db.execute(f"SELECT DISTINCT {', '.join(names)} FROM every").fetchall()
        return list(found)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield these columns of each case, by the path and each file's own order."""
        result = self._db.execute(f"SELECT {', '.join(names)} FROM chosen ORDER BY path, place")
        while batch := result.fetchmany(10_000):
            yield from batch

    def write(self, out: Path, options: str, columns: Sequence[str]) -> None:
        """Write columns, as SQL, of all cases to `out`; of many records in no order.

        Raises StorageFull where it does not fit.
        """
        target = str(out).replace("'", "''")
        # As the index has them: to sort rows of so many columns takes more than all else.
        self._db.execute(
            f"COPY (SELECT {', '.join(columns)} FROM chosen) TO '{target}' ({options})"
        )


@contextmanager
def opened(
    files: Sequence[Named],
    where: str | None = None,
    out: Path | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[Table]:
    """Open the table of these files; see `Table`.

    Raises StorageFull where a disk is, HwbenchError for whatever else DuckDB cannot do.
    """
    db = _connection()
    import duckdb

    try:
        table = Table(db, files, where, out, note)
        try:
            yield table
        finally:
            table.end()
    except duckdb.IOException as e:
        raise StorageFull(f"the table of cases cannot be written: {one_line(str(e))}") from None
    except duckdb.Error as e:
        raise HwbenchError(f"the table of cases: {one_line(str(e))}") from None


def _connection() -> Any:
    try:
        import duckdb
        import msgspec  # noqa: F401  (for `record_parts`)
    except ImportError as e:
        raise Unavailable(
            f"reading records as a table needs {e.name}", "pip install 'hwbench-dl[tables]'"
        ) from None
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": min(len(cpu.usable_cpus()), 4),
    }
    return duckdb.connect(":memory:", config=settings)
