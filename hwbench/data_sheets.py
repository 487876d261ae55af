"""The data sheets of `catalog/devices.toml`: by name, or by what a driver calls the device."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from hwbench import registry
from hwbench.data_sheet import DataSheet
from hwbench.errors import UnknownName

# Words that say nothing of which device it is: makers, series, and what drivers add.
_FILLERS = frozenset(
    (
        *("nvidia", "amd", "intel", "google", "aws", "amazon", "corporation"),
        *("tesla", "geforce", "instinct", "graphics", "gpu", "cpu", "processor"),
        *("gen", "generation", "the", "with"),
    )
)
# "(R)", "64-Core", "@ 2.30GHz", "11th", "Model B Rev 1.0"
_NOISE = re.compile(
    r"\((?:r|tm)\)|\b\d+-core\b|@|\b[\d.]+ ?ghz\b|\b\d+th\b|\bmodel [ab]\b|\brev [\d.]+", re.I
)
_FORMS = frozenset({"sxm", "pcie", "nvl", "se", "ws"})
_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One row of the file: the sheet, and the names that it goes by."""

    sheet: DataSheet
    names: tuple[frozenset[str], ...]


@cache
def _rows() -> tuple[_Row, ...]:
    text = (registry.PACKAGE / "catalog" / "devices.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    found = []
    for row in data["device"]:
        names = tuple(_words(" ".join(words)) for words in row.pop("words"))
        row["source"] = data["sources"].get(row["source"], row["source"])
        found.append(_Row(sheet=DataSheet(**row), names=names))
    return tuple(found)


def all_sheets() -> tuple[DataSheet, ...]:
    """Return every data sheet, in the order of the file."""
    return tuple(row.sheet for row in _rows())


@cache
def _by_name() -> Mapping[str, DataSheet]:
    return {s.name.lower(): s for s in all_sheets()}


def sheet(name: str) -> DataSheet:
    """Return the sheet of that name, case aside; raise UnknownName with the near ones."""
    found = _by_name().get(name.lower())
    if found is None:
        raise UnknownName("device", name, (s.name for s in all_sheets()))
    return found


def find(model: str) -> DataSheet | None:
    """Return the sheet of a device as NVML, torch, jax or the system names it; None if unknown.

    All words that tell devices apart must agree, so that an RTX 4090 Laptop GPU, an A100's MIG
    slice or a 4080 SUPER is not taken for the device that it resembles.
    """
    if model.lower() in _by_name():
        return _by_name()[model.lower()]
    told = _words(model)
    return next((row.sheet for row in _rows() if told and told in row.names), None)


def _words(model: str) -> frozenset[str]:
    return frozenset(re.split(r"[\s\-_,]+", _NOISE.sub(" ", model).lower())) - _FILLERS - {""}


def of_kind(kind: str, memory_bytes: int | None = None, hint: str = "") -> DataSheet | None:
    """Return the sheet of an accelerator as price lists name it; None if more than one fits.

    `kind` is such as `A100-80GB`, `RTX4090`, `H100-SXM`; `hint` is a text that may tell SXM from
    PCIe (the instance's name). `memory_bytes` of one accelerator, to 10 %.
    """
    words = re.split(r"[\s\-_]+", re.sub(r"sxm\d*|pcie|nvl", " ", kind.lower()))
    size = next((int(w[:-2]) * _GIB for w in words if re.fullmatch(r"\d+gb", w)), memory_bytes)
    chip = "".join(w for w in words if not re.fullmatch(r"\d+gb", w))
    fits = [s for s in all_sheets() if _chip(s) in _spellings(chip) and _holds(s, size)]
    told = re.findall("sxm|pcie|nvl", f"{kind} {hint}".lower())
    formed = [s for s in fits if set(told) & set(s.name.lower().split("-"))]
    fits = formed or fits
    return fits[0] if len(fits) == 1 else None


def _chip(of: DataSheet) -> str:
    words = of.name.lower().split("-")
    return "".join(w for w in words if w not in _FORMS and not re.fullmatch(r"\d+gb", w))


def _spellings(chip: str) -> set[str]:
    return {chip, f"rtx{chip}", f"quadro{chip}"}


def _holds(of: DataSheet, size: int | None) -> bool:
    if size is None or of.memory_bytes is None:
        return True
    return abs(size - of.memory_bytes) <= 0.1 * of.memory_bytes
