"""Which devices a shortcut opens up: their memory holds its step, not the one from scratch.

By the peak that was measured here. On a processor that is the whole process with its libraries,
more than a card would have to hold, which is said.
"""

from collections.abc import Sequence

from hwbench import data_sheets
from hwbench.measurement import Measurement
from hwbench.shortcut_rows import Opened, ShortcutRow

USABLE_FRAC = 0.92  # of a device's memory; methodology, batch sizes
KINDS = ("gpu", "accelerator")


def peak_bytes(m: Measurement) -> int | None:
    """Return the most memory that a case held: of the device that trained, else of the process."""
    memory = m.memory_peak_bytes
    return (memory.device or memory.host) if memory else None


def opened(
    scratch: int | None, rows: Sequence[ShortcutRow]
) -> tuple[tuple[Opened, ...], str | None]:
    """Return the devices that shortcuts open, or why there are none."""
    needs = {r.shortcut: r.memory_peak_bytes for r in rows if r.memory_peak_bytes}
    if scratch is None or not needs:
        return (), "the memory of the steps was not measured"
    found = []
    for sheet in data_sheets.all_sheets():
        room = (sheet.memory_bytes or 0) * USABLE_FRAC
        able = tuple(dict.fromkeys(name for name, need in needs.items() if need <= room < scratch))
        if sheet.kind in KINDS and able and sheet.memory_bytes:
            found.append(Opened(device=sheet.name, memory_bytes=sheet.memory_bytes, shortcuts=able))
    if found:
        return tuple(sorted(found, key=lambda o: -o.memory_bytes)), None
    return (), "training from scratch at this batch fits every device that a shortcut fits"
