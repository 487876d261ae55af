"""Tables of the user's (`--data rows.csv`, `rows.parquet`) as arrays of rows, by DuckDB."""

from pathlib import Path
from typing import Any

from hwbench import data_kept
from hwbench.dataset import Dataset
from hwbench.errors import BadInput, Unavailable, one_line
from hwbench.registry import Network

SUFFIXES = (".csv", ".tsv", ".parquet")
MOST_NUMBERS = 1 << 28  # that are taken, in rows from the first: 1 GiB of float32
LABELS = ("label", "target", "class", "y")  # the column of the labels, else the last one


def dataset_of(path: Path, network: Network) -> Dataset:
    """Return the rows of a table: its numbers, but for the column of labels.

    They are read once, and kept as arrays in the cache: what a loop then loads are those. Raises
    BadInput for a table without rows or with another number of numbers than the network takes.
    """
    db = _connection()
    reader = "read_parquet" if path.suffix == ".parquet" else "read_csv"
    import duckdb

    try:
        described = db.execute(f"DESCRIBE SELECT * FROM {reader}(?)", [str(path)]).fetchall()
        columns = [(name, kind) for name, kind, *_ in described]
        label = _label(columns)
        numbers = [n for n, kind in columns if n != label and _is_number(kind)]
        _check(path, network, columns, label, numbers)
        folder = data_kept.folder(
            "table", path, {"label": label, "numbers": numbers, "most": MOST_NUMBERS}
        )
        counts = data_kept.facts(folder)
        if counts is None:
            counts = _kept(db, reader, path, folder, label, numbers)
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
        bytes_on_disk=max(1, int(path.stat().st_size * share)),
        generated=False,
        description=f"{counts['rows']:,} rows of {len(numbers)} numbers, labels in {label},"
        f" of {path.name}, kept as arrays{part}{lost}",
        left_out=counts["lost"],
    )


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


def _kept(
    db: Any, reader: str, path: Path, folder: Path, label: str, numbers: list[str]
) -> dict[str, int]:
    """Write the arrays; return how many rows there are and how many had a gap."""
    import numpy as np

    names = [_quoted(n) for n in numbers]
    whole = " AND ".join(f"{n} IS NOT NULL" for n in (*names, _quoted(label)))
    most = max(1, MOST_NUMBERS // (len(numbers) + 1))
    (every,) = db.execute(f"SELECT count(*) FROM {reader}(?)", [str(path)]).fetchone()
    source = f"FROM (SELECT * FROM {reader}(?) LIMIT {most})"
    casts = ", ".join(f"CAST({n} AS FLOAT)" for n in names)
    ranks = f"dense_rank() OVER (ORDER BY {_quoted(label)}) - 1"
    found = db.execute(
        f"SELECT {ranks} AS y, {casts} {source} WHERE {whole}", [str(path)]
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
