"""Which cases of two records are the same measurement, and why the others are not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hwbench.case import SIDE
from hwbench.compared import NotComparable
from hwbench.measurement import Measurement, Record

DIMENSIONS = (
    "kind", "name", "phase", "scenario", "runtime", "device", "dtype", "batch", "shape",
    "options", SIDE,
)  # fmt: skip
Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A case of the base and one of the other record, the same but for what is left open."""

    base: Measurement
    other: Measurement


def parts_of(m: Measurement) -> dict[str, str]:
    """Return what a case's id is made of, by dimension."""
    own = {k: v for k, v in m.runtime_options.items() if k != SIDE}
    options = ",".join(f"{k}={v}" for k, v in sorted(own.items()))
    shape = ",".join(f"{k}={v}" for k, v in m.shape.items())
    values = (m.kind, m.name, m.phase, m.scenario, m.runtime, m.device, m.dtype)
    return dict(
        zip(
            DIMENSIONS,
            (*values, str(m.batch_size), shape, options, str(m.runtime_options.get(SIDE, ""))),
            strict=True,
        )
    )


def matched(
    base: Record, other: Record, only: Sequence[str] = (), across: Sequence[str] = ()
) -> tuple[list[Matched], list[NotComparable]]:
    """Return the pairs, and the cases that are in none with the reason.

    Cases match by id; with `across` by the rest of it, each of the base with each of the other that
    differs from it in what is left open (in one record: every two once).
    """
    left, right = _wanted(base, only), _wanted(other, only)
    pairs, refused, seen, same = [], [], set(), base.id == other.id
    for a, b in _candidates(left, right, across, same=same):
        seen |= {("base", a.id), ("other", b.id)} | ({("base", b.id)} if same else set())
        why = _why_not(a, b, base, other)
        if why is None:
            pairs.append(Matched(base=a, other=b))
        else:
            refused.append(NotComparable(id=_pair_id(a, b), record=other.id, reason=why))
    lonely = [(a, "base", right) for a in left] + [(b, "other", left) for b in right]
    for m, side, others in lonely:
        if (side, m.id) not in seen and not (same and side == "other"):
            reason = _alone(m, side, others, across)
            refused.append(NotComparable(id=m.id, record=other.id, reason=reason))
    return pairs, refused


def _pair_id(a: Measurement, b: Measurement) -> str:
    return a.id if a.id == b.id else f"{a.id} : {b.id}"


def _wanted(record: Record, only: Sequence[str]) -> list[Measurement]:
    return [
        m for m in record.measurements if not only or any(fnmatchcase(m.id, glob) for glob in only)
    ]


def _candidates(
    left: Sequence[Measurement], right: Sequence[Measurement], across: Sequence[str], same: bool
) -> Iterator[tuple[Measurement, Measurement]]:
    by_key: dict[Key, list[Measurement]] = {}
    for b in right:
        by_key.setdefault(_key(b, across), []).append(b)
    for a in left:
        for b in by_key.get(_key(a, across), ()):
            if not across or (a.id != b.id and not (same and b.id < a.id)):
                yield a, b


def _key(m: Measurement, across: Sequence[str]) -> Key:
    return tuple(v for k, v in parts_of(m).items() if k not in across)


def _why_not(a: Measurement, b: Measurement, base: Record, other: Record) -> str | None:
    """Return why two cases of one id are not one measurement, None where they are."""
    for m, side in ((a, "base"), (b, "other")):
        if m.status != "ok":
            return f"{m.status} in the {side}: {m.reason or 'no reason is kept'}"
        if m.wall_s is None:
            return f"no time is kept in the {side}"
        if m.verdict == "implausible":
            return f"implausible in the {side}: {_first_warning(m)}"
    if a.version != b.version:
        return f"version {a.version} of {a.name} in the base, {b.version} in the other"
    threads = (base.protocol.threads, other.protocol.threads)
    if "cpu" in (a.device, b.device) and threads[0] != threads[1]:
        return f"{threads[0]} threads in the base, {threads[1]} in the other"
    return None


def _first_warning(m: Measurement) -> str:
    return m.warnings[0].message if m.warnings else "more than its device can do"


def _alone(m: Measurement, side: str, others: Sequence[Measurement], across: Sequence[str]) -> str:
    """Return why a case has no counterpart: the nearest of the other side, and where it differs."""
    other = "other" if side == "base" else "base"
    own, nearest = parts_of(m), None
    for candidate in others:
        theirs = parts_of(candidate)
        if any(own[k] != theirs[k] for k in ("kind", "name", "phase")):
            continue
        apart = [k for k in DIMENSIONS if own[k] != theirs[k] and k not in across]
        if nearest is None or len(apart) < len(nearest[0]):
            nearest = (apart, theirs)
    if nearest is None:
        return f"only in the {side}"
    if not nearest[0]:
        return f"nothing in the {other} differs from it in {', '.join(across)} alone"
    said = ", ".join(f"{k} {own[k] or '-'} against {nearest[1][k] or '-'}" for k in nearest[0])
    return f"only in the {side}; the nearest of the {other} has {said}"
