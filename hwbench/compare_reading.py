"""The records of a comparison: read whole where they are few, else through a table."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hwbench import comparable, record_facts, record_files, record_table, store
from hwbench.case_facts import RecordFacts
from hwbench.compared import LeftOut
from hwbench.errors import BadInput, BadRecord
from hwbench.record_files import Named

FEW = 50  # records that are read whole; more go through a table, which is read by columns
Note = Callable[[str], None]


def read(
    given: Sequence[str], where: str | None, note: Note
) -> tuple[list[RecordFacts], tuple[LeftOut, ...]]:
    """Return the records that paths and globs name, with the cases that `where` leaves.

    A file that only a glob matched and that is no record is left out, with the reason. `note` is
    told what takes a while. Raises BadRecord for a named file that is no record, BadInput where
    none is, or `where` is no condition.
    """
    files = record_files.named(given)
    if len(files) > FEW:
        with record_table.opened(files, where, note=note) as table:
            return record_facts.of(table), table.left_out
    chosen = None if where is None else _chosen(files, where, note)
    found: list[RecordFacts] = []
    left_out: list[LeftOut] = []
    for file in files:
        try:
            record = comparable.of_record(store.load(file.path), file.path.name)
        except BadRecord as e:
            if not file.by_glob:
                raise
            left_out.append(LeftOut(path=str(file.path), reason=str(e)))
            continue
        if chosen is not None:
            wanted = chosen.get(str(file.path.absolute()), ())
            record = replace(record, cases=tuple(c for c in record.cases if c.id in wanted))
        found.append(record)
    if not found:
        raise BadInput(f"{len(files)} files, and none is a record: {left_out[0].reason}")
    return found, tuple(left_out)


def _chosen(files: Sequence[Named], where: str, note: Note) -> dict[str, set[str]]:
    """Return the ids of the cases that `where` leaves, by the path of their record."""
    with record_table.opened(files, where, note=note) as table:
        found: dict[str, set[str]] = {}
        for path, case in table.rows(("path", "id")):
            found.setdefault(path, set()).add(case)
        return found
