"""The journal of real trainings: the plan, then each of them, on disk before the next begins."""

from dataclasses import dataclass
from pathlib import Path

from hwbench import journal
from hwbench.bounds import Fraction, PositiveInt
from hwbench.errors import BadInput
from hwbench.learning_asks import Ask, Paced, StudiedData, StudyAsked
from hwbench.learning_rows import Pretraining, Training

# hwbench.learning/1  2026-11: the first.
SCHEMA = "hwbench.learning/1"


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line: what was asked, what was found, and the trainings of the curves in order."""

    schema: str
    id: str
    created_utc: str
    hwbench_version: str
    argv: tuple[str, ...]
    machine_id: str
    asked: StudyAsked  # with every choice made
    data: StudiedData
    sizes: tuple[PositiveInt, ...]
    shortcuts: tuple[str, ...]
    refused: dict[str, str]
    paces: tuple[Paced, ...]
    asks: tuple[Ask, ...]
    cuts: dict[str, Fraction]  # what each shortcut's steps were cut by, for want of time
    pretrain_steps: PositiveInt | None  # null: weights are given, or nothing starts from any


@dataclass(frozen=True, kw_only=True)
class Line:
    """A further line: the pretraining, or a training."""

    pretraining: Pretraining | None = None
    training: Training | None = None


def read(path: Path) -> tuple[Header, tuple[Line, ...], Path]:
    """Read the journal that is named, or lies beside the result that is; return its result's place.

    Raises BadRecord for a wrong line; a last one that is cut off is dropped.
    """
    place = path if path.suffix == ".jsonl" else journal.path_of(path)
    if not place.exists():
        raise BadInput(
            f"--resume {path}: there is no journal {place.name} of real trainings: name the file"
            " that ends in .jsonl"
        )
    header, lines = journal.read_as(place, SCHEMA, Header, Line)
    return header, lines, place.with_name(place.name.removesuffix(".jsonl"))


def check_same(header: Header, machine_id: str, data: StudiedData, path: Path) -> None:
    """Raise BadInput unless the trainings to come are of the machine and the data of those made."""
    if header.machine_id != machine_id:
        raise BadInput(
            f"--resume {path}: was made on another machine ({header.machine_id}, this is"
            f" {machine_id}): their times make no curve; start a new study"
        )
    then, now = header.data, data
    if (then.samples, then.n_test, then.classes) != (now.samples, now.n_test, now.classes):
        raise BadInput(
            f"--resume {path}: {then.name} had {then.samples:,} samples to train on and"
            f" {then.n_test:,} to test, now {now.samples:,} and {now.n_test:,}: the data have"
            " changed; start a new study"
        )
