"""Records on disk: read with every field checked, written whole or not at all."""

import contextlib
import errno
import gc
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hwbench import codec
from hwbench.errors import BadInput, BadRecord, StorageFull
from hwbench.measurement import SCHEMA, Record

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def load(path: Path) -> Record:
    """Read a record; raise BadRecord naming the file and the field that is wrong."""
    value = read_json(path)
    check_schema(value, SCHEMA, path)
    with _collector_off():
        return codec.decode(Record, value, where=str(path))


def read_json(path: Path) -> Any:
    """Parse a JSON file; raise BadRecord if it cannot be read or is cut off."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BadRecord(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as e:
        raise BadRecord(f"{path}: cannot be read: {e}") from None
    try:
        with _collector_off():
            return json.loads(text)
    except json.JSONDecodeError as e:
        raise BadRecord(
            f"{path}: is not whole JSON (line {e.lineno}, column {e.colno}: {e.msg});"
            " if its run was cut short, `hwbench run --resume` takes its .jsonl journal"
        ) from None


def check_schema(value: Any, schema: str, path: Path) -> None:
    """Raise BadRecord unless `value` is of this schema, or of an older one of the same name."""
    found = value.get("schema") if isinstance(value, dict) else None
    name, _, newest = schema.rpartition("/")
    asked, _, number = found.rpartition("/") if isinstance(found, str) else ("", "", "")
    if asked != name or not number.isdecimal():
        raise BadRecord(f"{path}: schema must be {schema}, found {found!r}")
    if int(number) > int(newest):
        raise BadRecord(
            f"{path}: schema {found} is newer than {schema}, which this hwbench reads: update it"
        )


def save(record: Record, path: Path) -> None:
    """Write the record beside `path` and move it there; raise StorageFull if it does not fit."""
    write_whole(path, text_of(record))


def text_of(record: Record) -> str:
    """Return the record as JSON with a line for each field and each measurement."""
    fields = {k: _compact(v) for k, v in codec.encode(replace(record, measurements=())).items()}
    rows = ",\n".join(_compact(codec.encode(m)) for m in record.measurements)
    fields["measurements"] = f"[\n{rows}\n]" if rows else "[]"
    return "{\n" + ",\n".join(f'"{k}": {text}' for k, text in fields.items()) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: readers see the old text or the new, never a part."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as e:
        raise _full(path, e) from None
    finally:  # it is there after a failure or a Ctrl-C only
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)


def _full(path: Path, error: OSError) -> Exception:
    if error.errno in _FULL:
        return StorageFull(f"{path}: the disk is full; what was there before is kept")
    return StorageFull(f"{path}: cannot be written: {error.strerror}")


def set_aside(paths: Sequence[Path]) -> Path | None:
    """Move the files of an earlier run at the same place; return where the first now is.

    `r.json` and `r.json.jsonl` become `r.old-1.json` and `r.old-1.json.jsonl`: still one run.
    """
    present = [p for p in paths if p.exists()]
    if not present:
        return None
    for n in itertools.count(1):
        moved = [_aside(p, paths[0], n) for p in present]
        if not any(p.exists() for p in moved):
            break
    for path, target in zip(present, moved, strict=True):
        path.rename(target)
    return moved[0]


def _aside(path: Path, record: Path, n: int) -> Path:
    """Return the name of `path` with `.old-n` put before the record's own suffix."""
    tail = path.name.removeprefix(record.stem)
    return path.with_name(f"{record.stem}.old-{n}{tail}")


def check_writable(path: Path) -> None:
    """Raise BadInput unless a file can be written at `path`; makes its folder if need be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise BadInput(f"--out {path}: is a folder; name a file in it")
        probe = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        probe.write_text("")
        probe.unlink()
        if path.exists() and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
    except OSError as e:
        raise BadInput(
            f"--out {path}: cannot be written ({e.strerror or e}); nothing was measured:"
            " name another place with --out"
        ) from None


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Pause the garbage collector: a big record is many small objects and no garbage."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
