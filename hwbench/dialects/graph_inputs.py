"""What the inputs of a user's graph are drawn from, where its file tells their types alone."""

from hwbench.model_facts import TensorFacts

VOCAB = 1000  # of ids
IDS = ("int32", "int64")


def ranges(name: str, kind: str, notes: list[str]) -> tuple[int, int]:
    """Return the least and the highest of whole numbers by an input's name and type.

    `notes` are added to where that was chosen for the user.
    """
    if kind not in IDS:
        return (-128 if kind == "int8" else 0), {"uint8": 255, "int8": 127}.get(kind, 1)
    if any(w in name.lower() for w in ("mask", "type", "segment")):
        return int("mask" in name.lower()), 1
    notes.append(f"{name} is drawn from 0 to {VOCAB - 1}: what it takes is not told")
    return 0, VOCAB - 1


def sizes(inputs: tuple[TensorFacts, ...]) -> dict[str, int]:
    """Return what the first input is by its shape: an image, channels first, ids or features."""
    first = inputs[0]
    if len(first.shape) == 3 and first.dtype == "float32":
        return {"image": first.shape[2], "channels": first.shape[0]}
    if len(first.shape) == 1 and first.dtype in IDS:
        return {"seq": first.shape[0], "vocab": first.high + 1}
    return {"features": first.shape[0]} if len(first.shape) == 1 else {}


def item(found: dict[str, int]) -> str:
    """Return what one of a batch is called, by its sizes."""
    return "image" if "image" in found else "sequence" if "seq" in found else "item"
