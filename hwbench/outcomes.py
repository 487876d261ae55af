"""How well earlier runs of this machine told what came later: its history, in a file of its own.

After a run each case's stretch - its mean, the spread between its visits, when it was - is added to
`stretches.jsonl`. Two stretches of the same case in the same software, one after the other, are an
outcome: how far the later one lay from what the earlier one said. From twenty on, the machine's own
drift over hours is learned from them; before that it is assumed, and said to be.

The folder is $HWBENCH_STATE, else `hwbench` in the user's state folder (XDG_STATE_HOME). It names
no person and no path, and nothing leaves it.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hwbench import history_file, stats
from hwbench.measurement import Measurement, Record
from hwbench.units import S_PER_H

ENOUGH = 20  # outcomes from which the machine's own drift is learned
ENOUGH_RUNS = 5  # that they come from: the cases of one pair of runs share its luck
LEAST_GAP_S, MOST_GAP_S = 0.5 * S_PER_H, 48 * S_PER_H  # between two stretches: "hours"
ASSUMED_SD = 0.06  # of the logarithm, from hour to hour; docs/methodology.md says where from
FILE = "stretches.jsonl"


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What one run said of one case."""

    machine: str
    key: str  # a hash of the case's id and version, the packages' versions and the threads
    record: str
    at_s: float  # the middle of the run, since the epoch
    log_mean: float  # of the visits' mean seconds an iteration
    sd: float  # of the logarithms of the visits' means
    visits: int


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How much a machine's speed differs from hour to hour: `sd` of the logarithm of a mean."""

    sd: float
    basis: str


ASSUMED = Spread(
    sd=ASSUMED_SD,
    basis=f"{ASSUMED_SD:.0%} from hour to hour, assumed: fewer than {ENOUGH} outcomes of this"
    " machine are known",
)


def folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the history of this machine is kept."""
    if environ.get("HWBENCH_STATE"):
        return Path(environ["HWBENCH_STATE"])
    base = environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "hwbench"


def remember(record: Record, place: Path) -> None:
    """Add the stretches of a record to the history; raise OSError if it cannot be written."""
    history_file.append(place / FILE, stretches(record))


def stretches(record: Record) -> list[Stretch]:
    """Return the stretch of every case that was visited at least twice."""
    began = datetime.fromisoformat(record.created_utc).timestamp()
    found = []
    for m in record.measurements:
        logs = [math.log(mean) for mean in visit_means(m)]
        if m.status == "ok" and len(logs) >= 2:
            found.append(
                Stretch(
                    machine=record.environment.machine_id,
                    key=_key(m, record),
                    record=record.id,
                    at_s=began + record.duration_s / 2,
                    log_mean=sum(logs) / len(logs),
                    sd=stats.standard_deviation(logs),
                    visits=len(logs),
                )
            )
    return found


def visit_means(m: Measurement) -> list[float]:
    """Return the mean seconds per iteration of each visit of a measurement."""
    rounds: dict[int, tuple[float, int]] = {}
    for s in m.samples:
        wall_s, loops = rounds.get(s.round, (0.0, 0))
        rounds[s.round] = wall_s + s.wall_s, loops + s.loops
    return [wall_s / loops for wall_s, loops in rounds.values()]


def _key(m: Measurement, record: Record) -> str:
    versions = sorted(record.environment.packages.items())
    text = json.dumps([m.id, m.version, versions, record.protocol.threads])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(place: Path) -> list[Stretch]:
    """Return the stretches on file; a line that is torn or of another form is passed over."""
    return history_file.read(place / FILE, Stretch, _sound)


def _sound(stretch: Stretch) -> bool:
    return math.isfinite(stretch.log_mean + stretch.at_s) and stretch.sd >= 0 and stretch.visits > 1


def spread(machine: str, known: Iterable[Stretch]) -> Spread:
    """Return the machine's drift from hour to hour: learned where enough is known, else assumed.

    An outcome is d = ln(later mean / earlier mean). Its variance is that of the two stretches'
    own means, sd^2 / k each, and the drift between them, twice: the drift's variance is what is
    left, at least 0, halved.
    """
    pairs = list(_pairs(s for s in known if s.machine == machine))
    runs = {(a.record, b.record) for a, b in pairs}
    if len(pairs) < ENOUGH or len(runs) < ENOUGH_RUNS:
        return ASSUMED
    left = [
        (b.log_mean - a.log_mean) ** 2 - a.sd**2 / a.visits - b.sd**2 / b.visits for a, b in pairs
    ]
    sd = math.sqrt(max(0.0, sum(left) / len(left)) / 2)
    return Spread(
        sd=sd,
        basis=f"{sd:.1%} from hour to hour, learned from {len(pairs)} outcomes of {len(runs)}"
        " pairs of this machine's runs",
    )


def _pairs(known: Iterable[Stretch]) -> Iterable[tuple[Stretch, Stretch]]:
    """Yield each stretch with the next one of the same case that is hours later."""
    by_key: dict[str, list[Stretch]] = {}
    for s in known:
        by_key.setdefault(s.key, []).append(s)
    for stretches_of in by_key.values():
        ordered = sorted(stretches_of, key=lambda s: s.at_s)
        for n, earlier in enumerate(ordered):
            for later in ordered[n + 1 :]:
                if LEAST_GAP_S <= later.at_s - earlier.at_s <= MOST_GAP_S:
                    yield earlier, later
                    break
