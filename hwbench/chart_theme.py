"""The colours of figures, on a light ground and on a dark one."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Theme:
    """The colours of a figure; `lines` are Okabe and Ito's, told apart by all eyes."""

    paper: str
    ink: str
    quiet: str
    grid: str
    faint: str
    lines: tuple[str, ...]


_OKABE_ITO = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LIGHT = Theme(
    paper="#FFFFFF",
    ink="#1A1A1A",
    quiet="#555555",
    grid="#EBEBEB",
    faint="#C4C4C4",
    lines=("#000000", *_OKABE_ITO, "#8A8A8A"),
)
DARK = Theme(
    paper="#16181D",
    ink="#ECECEC",
    quiet="#A8A8A8",
    grid="#2B2F36",
    faint="#555B66",
    lines=("#FFFFFF", "#F0844C", "#4CA3DD", "#2FC59A", "#E3A0C4", "#F2B632", "#8CD0F5", "#9A9A9A"),
)
