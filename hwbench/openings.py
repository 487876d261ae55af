"""Which devices a shortcut opens up: their memory holds its step, not the one from scratch.

By the peak that was measured here. On a processor that is the whole process with its libraries,
more than a card would have to hold, which is said. Beside each device the instances of the
catalogue that have it, the cheapest first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from hwbench import data_sheets, instance_ways, sightings
from hwbench.data_sheet import DataSheet
from hwbench.instance import Instance
from hwbench.measurement import Measurement
from hwbench.memory_fit import USABLE_FRAC
from hwbench.shortcut_rows import Opened, ShortcutRow

KINDS = ("gpu", "accelerator")
Offers = Mapping[tuple[str, int], Sequence[Instance]]  # by a device's name and memory


def peak_bytes(m: Measurement) -> int | None:
    """Return the most memory that a case held: of the device that trained, else of the process."""
    memory = m.memory_peak_bytes
    return (memory.device or memory.host) if memory else None


def opened(
    scratch: int | None, rows: Sequence[ShortcutRow], instances: Iterable[Instance] = ()
) -> tuple[tuple[Opened, ...], str | None]:
    """Return the devices that shortcuts open, or why there are none."""
    needs = {r.shortcut: r.memory_peak_bytes for r in rows if r.memory_peak_bytes}
    if scratch is None or not needs:
        return (), "the memory of the steps was not measured"
    found = []
    for (name, held), offers in _devices(instances).items():
        room = held * USABLE_FRAC
        able = tuple(s for s, need in needs.items() if need <= room < scratch)
        if able:
            found.append(
                Opened(
                    device=name,
                    memory_bytes=held,
                    shortcuts=able,
                    instances=tuple(dict.fromkeys(i.name for i in offers)),
                    usd_per_h=offers[0].usd_per_h if offers else None,
                )
            )
    if found:
        return tuple(sorted(found, key=lambda o: -o.memory_bytes)), None
    return (), "training from scratch at this batch fits every device that a shortcut fits"


def _devices(instances: Iterable[Instance]) -> Offers:
    """Return the devices of the data sheets and of the catalogue, and who rents them out."""
    found: dict[tuple[str, int], list[Instance]] = defaultdict(list)
    for sheet in data_sheets.all_sheets():
        if _trains(sheet) and sheet.memory_bytes:
            found[sheet.name, sheet.memory_bytes] = []
    for instance in sorted(instances, key=lambda i: i.usd_per_h):
        known = sightings.sheet_of(instance)
        if isinstance(known, DataSheet) and _trains(known):
            held = instance_ways.room_of(instance, known)
            if held:
                found[known.name, int(held)].append(instance)
    return found


def _trains(sheet: DataSheet) -> bool:
    return sheet.trains and sheet.kind in KINDS
