"""Which cases of two records are the same measurement, and why the others are not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hwbench.case import SIDE
from hwbench.case_facts import CaseFacts, RecordFacts
from hwbench.compared import NotComparable

DIMENSIONS = (
    "kind", "name", "phase", "scenario", "runtime", "device", "dtype", "batch", "shape",
    "options", SIDE,
)  # fmt: skip
Key = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """A case of the base and one of the other record, the same but for what is left open."""

    base: CaseFacts
    other: CaseFacts


def parts_of(case_id: str) -> dict[str, str]:
    """Return what a case's id is made of, by dimension."""
    *own, options = [*case_id.split("/", 9), *[""] * 10][:10]
    named = [o for o in options.split(",") if o]
    side = "".join(o.removeprefix(f"{SIDE}=") for o in named if o.startswith(f"{SIDE}="))
    rest = ",".join(o for o in named if not o.startswith(f"{SIDE}="))
    return dict(zip(DIMENSIONS, (*own, rest, side), strict=True))


def matched(
    base: RecordFacts, other: RecordFacts, only: Sequence[str] = (), across: Sequence[str] = ()
) -> tuple[list[Matched], list[NotComparable]]:
    """Return the pairs, and the cases that are in none with the reason.

    Cases match by id; with `across` by the rest of it, each of the base with each of the other that
    differs from it in what is left open (in one record: every two once).
    """
    left, right = _wanted(base, only), _wanted(other, only)
    pairs, refused, seen, same = [], [], set(), base.id == other.id
    for a, b in _candidates(left, right, across, same=same):
        seen |= {("base", a.id), ("other", b.id)} | ({("base", b.id)} if same else set())
        why = _why_not(a, b)
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


def _pair_id(a: CaseFacts, b: CaseFacts) -> str:
    return a.id if a.id == b.id else f"{a.id} : {b.id}"


def _wanted(record: RecordFacts, only: Sequence[str]) -> list[CaseFacts]:
    return [m for m in record.cases if not only or any(fnmatchcase(m.id, glob) for glob in only)]


def _candidates(
    left: Sequence[CaseFacts], right: Sequence[CaseFacts], across: Sequence[str], same: bool
) -> Iterator[tuple[CaseFacts, CaseFacts]]:
    by_key: dict[Key, list[CaseFacts]] = {}
    for b in right:
        by_key.setdefault(_key(b, across), []).append(b)
    for a in left:
        for b in by_key.get(_key(a, across), ()):
            if not across or (a.id != b.id and not (same and b.id < a.id)):
                yield a, b


def _key(m: CaseFacts, across: Sequence[str]) -> Key:
    if not across:
        return (m.id,)
    return tuple(v for k, v in parts_of(m.id).items() if k not in across)


def _why_not(a: CaseFacts, b: CaseFacts) -> str | None:
    """Return why two cases of one id are not one measurement, None where they are."""
    for m, side in ((a, "base"), (b, "other")):
        if m.status != "ok":
            return f"{m.status} in the {side}: {m.reason or 'no reason is kept'}"
        if m.time_s is None:
            return f"no time is kept in the {side}"
        if m.verdict == "implausible":
            return f"implausible in the {side}: {m.warning or 'more than its device can do'}"
    if a.version != b.version:
        name = parts_of(a.id)["name"]
        return f"version {a.version} of {name} in the base, {b.version} in the other"
    if a.threads != b.threads and "cpu" in (parts_of(m.id)["device"] for m in (a, b)):
        return f"{a.threads} threads in the base, {b.threads} in the other"
    return None


def _alone(m: CaseFacts, side: str, others: Sequence[CaseFacts], across: Sequence[str]) -> str:
    """Return why a case has no counterpart: the nearest of the other side, and where it differs."""
    other = "other" if side == "base" else "base"
    own, nearest = parts_of(m.id), None
    for candidate in others:
        theirs = parts_of(candidate.id)
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
