"""Tables of the user's (`--data rows.csv`, `rows.parquet`) as arrays of rows, by DuckDB."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hwbench import data_kept
from hwbench.dataset import Dataset
from hwbench.dialects import arrow_files
from hwbench.dialects.arrow_files import Saved
from hwbench.errors import BadInput, Unavailable, one_line
from hwbench.registry import Network

GIVEN = "given"  # what the table is called in SQL
SUFFIXES = (".csv", ".tsv", ".parquet")
MOST_NUMBERS = 1 << 28  # that are taken, in rows from the first: 1 GiB of float32
LABELS = ("label", "target", "class", "y")  # the column of the labels, else the last one


def dataset_of(path: Path, network: Network) -> Dataset:
    """Return the rows of a table: its numbers, but for the column of labels.

    They are read once, and kept as arrays in the cache: what a loop then loads are those. Raises
    BadInput for a table without rows or with another number of numbers than the network takes.
    """
    reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
    given = f"SELECT * FROM {reader}('{str(path).replace(chr(39), 2 * chr(39))}')"
    return _dataset(path, network, path.name, path.stat().st_size, [], lambda db: db.sql(given))


def dataset_in(saved: Saved, network: Network) -> Dataset:
    """Return the rows of a saved dataset, as `dataset_of` those of a file."""
    table = arrow_files.table(saved)
    return _dataset(
        saved.path, network, saved.said, saved.size, saved.version, lambda db: db.from_arrow(table)
    )


def _dataset(
    path: Path,
    network: Network,
    said: str,
    size: int,
    version: Sequence[Any],
    relation: Callable[[Any], Any],
) -> Dataset:
    import duckdb

    db = _connection()
    try:
        relation(db).create_view(GIVEN)
        described = db.execute(f"DESCRIBE {GIVEN}").fetchall()
        columns = [(name, kind) for name, kind, *_ in described]
        label = _label(columns)
        numbers = _numbers(db, columns, label, network)
        _check(path, network, columns, label, numbers)
        facts = {"label": label, "numbers": numbers, "most": MOST_NUMBERS, "version": version}
        folder = data_kept.folder("table", path, facts)
        counts = data_kept.facts(folder)
        if counts is None:
            counts = _kept(db, path, folder, label, numbers)
    except duckdb.Error as e:
        raise BadInput(f"--data {path}: is no table that can be read: {one_line(str(e))}") from None
    finally:
        db.close()
    lost = f"; {counts['lost']:,} with a gap are left out" if counts["lost"] else ""
    share = counts["taken"] / counts["every"]
    part = f"; the first {share:.0%} of its rows" if share < 1 else ""
    return Dataset(
        kind="rows",
        path=str(folder),
        items=counts["rows"],
        bytes_on_disk=max(1, int(size * share)),
        generated=False,
        description=f"{counts['rows']:,} rows of {len(numbers)} numbers, labels in {label},"
        f" of {said}, kept as arrays{part}{lost}",
        left_out=counts["lost"],
    )


def _numbers(db: Any, columns: list[tuple[str, str]], label: str, network: Network) -> list[str]:
    """Return what gives each number of a row: columns of numbers, or the places of a list of them.

    A list is taken where the columns are not as many as the network's numbers and it is.
    """
    wanted = network.variant.config["features"]
    plain = [_quoted(n) for n, kind in columns if n != label and _is_number(kind)]
    for name, kind in columns:
        if len(plain) == wanted or not (kind.endswith("]") and _is_number(kind.partition("[")[0])):
            continue
        (length,) = db.execute(f"SELECT len({_quoted(name)}) FROM {GIVEN} LIMIT 1").fetchone()
        if length == wanted:
            return [f"{_quoted(name)}[{n}]" for n in range(1, wanted + 1)]
    return plain


def _label(columns: list[tuple[str, str]]) -> str:
    return next((n for n, _ in columns if n.lower() in LABELS), columns[-1][0])


def _is_number(kind: str) -> bool:
    return kind.endswith("INT") or kind.startswith(
        ("INTEGER", "UINTEGER", "DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN")
    )


def _check(path: Path, network: Network, columns: Any, label: str, numbers: list[str]) -> None:
    wanted = network.variant.config["features"]
    if len(numbers) != wanted:
        texts = [n for n, kind in columns if n != label and not _is_number(kind)]
        more = f" ({', '.join(texts[:3])} hold no numbers)" if texts else ""
        raise BadInput(
            f"--data {path}: {network.name} takes rows of {wanted} numbers; found {len(numbers)}"
            f" beside the labels in {label}{more}"
        )


def _kept(db: Any, path: Path, folder: Path, label: str, numbers: list[str]) -> dict[str, int]:
    """Write the arrays; return how many rows there are and how many had a gap."""
    import numpy as np

    whole = " AND ".join(f"{n} IS NOT NULL" for n in (*numbers, _quoted(label)))
    most = max(1, MOST_NUMBERS // (len(numbers) + 1))
    (every,) = db.execute(f"SELECT count(*) FROM {GIVEN}").fetchone()
    casts = ", ".join(f"CAST({n} AS FLOAT) AS n{i}" for i, n in enumerate(numbers))
    ranks = f"dense_rank() OVER (ORDER BY {_quoted(label)}) - 1"
    found = db.execute(
        f"SELECT {ranks} AS y, {casts} FROM (SELECT * FROM {GIVEN} LIMIT {most}) WHERE {whole}"
    ).fetchnumpy()
    y, *x = found.values()
    if not len(y):
        raise BadInput(f"--data {path}: there is no whole row in it")
    taken = min(int(every), most)
    facts = {"rows": len(y), "lost": taken - len(y), "taken": taken, "every": int(every)}

    def write(place: Path) -> None:
        np.save(place / "x.npy", np.stack([np.asarray(c, dtype="float32") for c in x], axis=1))
        np.save(place / "y.npy", np.asarray(y, dtype="int64"))

    data_kept.keep(folder, facts, write)
    return facts


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _connection() -> Any:
    try:
        import duckdb
    except ImportError:
        raise Unavailable(
            "tables are read by DuckDB, which is not installed", "pip install 'hwbench-dl[tables]'"
        ) from None
    return duckdb.connect(":memory:", config={"memory_limit": "2GB"})
