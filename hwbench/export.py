"""The verb `export`: the cases of records as a table in a file, a row each."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hwbench import case_columns, record_files, record_table, store
from hwbench.compared import LeftOut
from hwbench.errors import BadInput, StorageFull, UnknownName

FORMATS = {"csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet, COMPRESSION zstd"}


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and the files that a glob matched and that are no records."""

    written: str
    rows: int
    columns: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def export(
    records: Sequence[str],
    out: Path,
    form: str | None = None,
    where: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write the cases of records, named by path or glob, to `out`; return what was written.

    `form` is csv or parquet, by default as `out` is called; `where` is a condition in SQL.
    Raises UnknownName for another format, BadRecord for a file that is no record, BadInput where
    no case is left, StorageFull where `out` cannot be written; what was there before is kept then.
    """
    name = form or out.suffix.lstrip(".").lower()
    if name not in FORMATS:
        raise UnknownName("format", name or f"of {out}", FORMATS)
    store.check_writable(out)
    scratch = out.absolute().with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with record_table.opened(
            record_files.named(records), where, out=scratch, note=note
        ) as table:
            rows = table.count()
            if not rows:
                raise BadInput(f"no case to export: --where {where} leaves none")
            texts = table.texts() if name == "csv" else frozenset()
            columns = [_plain(c) if c in texts else c for c in case_columns.public()]
            table.write(scratch, FORMATS[name], columns)
            left_out = table.left_out
        _moved(scratch, out)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
    return Exported(written=str(out), rows=rows, columns=case_columns.public(), left_out=left_out)


def _plain(name: str) -> str:
    """Return a text as SQL that is no formula to a spreadsheet, and no control to a screen.

    As `chart_numbers.safe` does it (OWASP, CSV injection); Parquet keeps texts as they are.
    """
    shown = rf"regexp_replace({name}, '[\p{{C}}\p{{Zl}}\p{{Zp}}]', '', 'g')"
    return rf"regexp_replace({shown}, '^([-=+@])', '''\1') AS {name}"


def _moved(scratch: Path, out: Path) -> None:
    try:
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        scratch.replace(out)
    except OSError as e:
        raise StorageFull(f"{out}: cannot be written: {e.strerror or e}") from None
