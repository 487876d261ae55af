"""The other side of `run --against`: another revision, Python environment or setting.

Both sides are visited in turn in every round, in fresh processes, so that what the machine does
meanwhile is in both; `hwbench compare` takes the ratios of the rounds.
"""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from hwbench import user_cache
from hwbench.errors import BadInput

ROOT = Path(__file__).parent.parent
PYTHON = "HWBENCH_CHILD_PYTHON"  # taken by `child.Child`: whose Python a child runs in
THREADS = "threads"
_SETTING = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.S)


@dataclass(frozen=True, kw_only=True)
class Side:
    """How the children of the other side are started; `what` says it for a reader.

    `spec` asks for the same side again: of a revision it is the commit, which HEAD may leave.
    """

    spec: str
    label: str  # in the ids of its cases
    what: str
    environment: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None


def side_of(spec: str) -> Side:
    """Return the side of a spec: NAME=VALUE, threads=N, a folder or Python on the disk, a revision.

    Raises BadInput for what is none of them.
    """
    setting = _SETTING.fullmatch(spec)
    path = Path(spec)
    if path.exists():
        return _of_path(spec, path)
    if setting:
        return _of_setting(*setting.groups())
    return _of_revision(spec)


def label_of(spec: str) -> str:
    """Return a spec as it stands in the id of a case, in which / , = have their own meaning."""
    name = spec if _SETTING.fullmatch(spec) and not Path(spec).exists() else Path(spec).name or spec
    return re.sub(r"[^A-Za-z0-9_.+-]", "-", name)


def _of_setting(name: str, value: str) -> Side:
    spec = f"{name}={value}"
    label = label_of(spec)
    if name == THREADS:
        if not value.isdecimal() or int(value) < 1:
            raise BadInput(f"--against threads={value}: a number of threads from 1")
        return Side(spec=spec, label=label, what=f"{value} threads", threads=int(value))
    what = f"{name}={value} in the environment"
    return Side(spec=spec, label=label, what=what, environment={name: value})


def _of_path(spec: str, path: Path) -> Side:
    whole = path.absolute()
    label = label_of(spec)
    if (path / "hwbench" / "__init__.py").is_file():
        return Side(spec=spec, label=label, what=f"the checkout {spec}", environment=_from(whole))
    python = path / "bin" / "python" if path.is_dir() else whole
    if not python.is_file() or not os.access(python, os.X_OK):
        raise BadInput(
            f"--against {spec}: holds neither hwbench/__init__.py (a checkout) nor bin/python (an"
            " environment), and is no Python itself"
        )
    return Side(
        spec=spec,
        label=label,
        what=f"the Python of {spec}",
        environment={PYTHON: str(python.absolute())},
    )


def _from(checkout: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(checkout)}


def _of_revision(spec: str) -> Side:
    """Return a revision of this checkout, its files laid out once in the user's cache."""
    sha = _git("rev-parse", "--verify", "--quiet", f"{spec}^{{commit}}")
    if sha is None:
        raise BadInput(
            f"--against {spec}: is no setting (NAME=VALUE, threads=N), no folder or Python here,"
            f" and no revision of {ROOT.name}"
        )
    name = sha.decode().strip()
    place = user_cache.place() / "against" / name
    if not (place / "hwbench" / "__init__.py").is_file():
        packed = _git("archive", name, "hwbench", "kernels")
        if packed is None:
            raise BadInput(f"--against {spec}: git cannot lay out the files of {name[:12]}")
        _lay_out(packed, place)
    what = f"revision {name[:12]} ({spec})"
    return Side(spec=name, label=name[:12], what=what, environment=_from(place))


def _lay_out(packed: bytes, place: Path) -> None:
    """Unpack an archive into `place`, all of it or nothing."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        made = Path(folder) / place.name
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(made, filter="data")
        shutil.rmtree(place, ignore_errors=True)  # half of one, of a run that was killed
        made.rename(place)


def _git(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
