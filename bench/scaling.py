"""Scaling to a device that was left out, on the published table: how far off, beside simple rules.

Definition. Figures of one device, 16 devices in two publications (18 columns), ten trainings in
full and half precision. For every ordered pair of different devices and every training that both
publish in a precision, the source's figure is "measured" and the target's is predicted; the error
is |predicted / actual - 1|. `unseen`: no figure of the target is known, only its data sheet;
`known`: its figures for other trainings are, of the training itself in neither precision. The
training is `in the table` where other devices' figures for it are known, `new` where nobody's is
but the source's, and of a `new family` where those of its family are not either. `twins out`: all
devices with the same architecture as the target are left out too, and are no sources. Hyper-
parameters are fitted without the target (`--refit` fits them anew: some minutes).
"""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.figure import Figure, parser, show
from bench.scaling_fit import kept, key, refit
from hwbench import data_sheets, published, scaling
from hwbench.data_sheet import DataSheet
from hwbench.published_workloads import PUBLISHED
from hwbench.scaled import Sighting
from hwbench.scaling_table import HALF, Table

# Devices of one architecture and kind of memory: a target among them has near twins.
TWINS = (
    {"A100-PCIe-40GB", "A100-SXM-40GB", "A100-PCIe-80GB", "A100-SXM-80GB"},
    {"H100-PCIe-80GB", "H100-SXM-80GB", "GH200-96GB", "H200-SXM-141GB"},
    {"A10-24GB", "RTX-3090-24GB", "RTX-A6000-48GB"},
    {"RTX-4090-24GB", "RTX-6000-Ada-48GB"},
)
REFERENCE = "resnet50"
Z = 1.2816


class Pair(NamedTuple):
    """A source's figure and a target's of one training in one precision."""

    source: published.Figure
    target: published.Figure


class Case(NamedTuple):
    """What is known when a target is predicted."""

    name: str
    unseen: bool
    training: str  # in the table | new | new family
    twins_out: bool = False


CASES = (
    Case("unseen, training in the table", True, "in the table"),
    Case("unseen, new training", True, "new"),
    Case("unseen, new family", True, "new family"),
    Case("unseen, twins out, in the table", True, "in the table", True),
    Case("unseen, twins out, new training", True, "new", True),
    Case("known, training in the table", False, "in the table"),
    Case("known, new training", False, "new"),
    Case("known, new family", False, "new family"),
)
TARGETS = {  # median and 90th percentile in %, at most
    "unseen, training in the table": (14, 40),
    "unseen, new training": (14, 40),
    "known, training in the table": (7, 24),
    "known, new training": (7, 24),
}


class Outcome(NamedTuple):
    """ln(predicted / actual) of a pair, and the sigma that was stated (None of a simple rule)."""

    pair: Pair
    log_error: float
    sigma_log: float | None = None


@functools.cache
def twins(sheet: str) -> frozenset[str]:
    """Return the device and those of its architecture."""
    return frozenset(next((t for t in TWINS if sheet in t), {sheet}))


def half(figure: published.Figure) -> bool:
    return figure.dtype in HALF


def pairs(figures: Sequence[published.Figure]) -> list[Pair]:
    """Return every ordered pair of figures of one training and precision on two devices."""
    return [
        Pair(a, b)
        for a in figures
        for b in figures
        if a.workload == b.workload and half(a) == half(b) and a.sheet != b.sheet
    ]


def family(workload: str) -> str:
    return PUBLISHED[workload].family


def is_known(case: Case, figure: published.Figure, target: str, workload: str) -> bool:
    """Return whether a figure is in the table when a training on a target is predicted."""
    gone = twins(target) if case.twins_out else {target}
    if case.training == "new" and figure.workload == workload:
        return False
    if case.training == "new family" and family(figure.workload) == family(workload):
        return False
    if figure.sheet in gone:
        return not case.unseen and figure.workload != workload
    return True


def outcomes(
    case: Case,
    figures: Sequence[published.Figure],
    sheets: Mapping[str, DataSheet],
    asked: Sequence[Pair],
) -> Iterator[Outcome]:
    """Predict all pairs of a case, each with a table that never saw what it predicts."""
    hypers = kept()

    @functools.cache
    def table(target: str, workload: str) -> Table:
        known = [f for f in figures if is_known(case, f, target, workload)]
        gone = twins(target) if case.twins_out else {target}
        return Table(known, sheets, hypers[key(gone)])

    for pair in asked:
        target = pair.target.sheet
        if case.twins_out and pair.source.sheet in twins(target):
            continue
        whole = case.unseen and case.training == "in the table"
        fit = table(target, "" if whole else pair.target.workload)
        dtype = "float16" if half(pair.source) else "tf32"
        sighting = Sighting(
            workload=pair.source.workload,
            dtype=dtype,
            sheet=published.sheet_of(pair.source, sheets),
            items_per_s=pair.source.items_per_s,
            sigma_log=0.0,
        )
        found = scaling.predict(
            sighting,
            published.sheet_of(pair.target, sheets),
            workload=pair.source.workload,
            dtype=dtype,
            flops_per_item=None,
            table=fit,
        )
        if found.ratio is not None:
            error = math.log(sighting.items_per_s * found.ratio / pair.target.items_per_s)
            yield Outcome(pair, error, found.sigma_log)


Rule = Callable[[Pair], float | None]  # ln(target / source), None where it tells nothing


def rules(figures: Sequence[published.Figure], sheets: Mapping[str, DataSheet]) -> dict[str, Rule]:
    """Return the simple rules: of data sheets, and of the target's other figures."""
    logs = {(f.workload, half(f), f.sheet, f.source): math.log(f.items_per_s) for f in figures}
    names = sorted({f.workload for f in figures})

    def ratio(pair: Pair, of: Callable[[DataSheet], float]) -> float:
        return math.log(of(sheets[pair.target.sheet]) / of(sheets[pair.source.sheet]))

    def of_other(pair: Pair, workload: str) -> float | None:
        a, b = pair
        source = logs.get((workload, half(a), a.sheet, a.source))
        target = logs.get((workload, half(b), b.sheet, b.source))
        return target - source if source is not None and target is not None else None

    def reference(pair: Pair) -> float | None:
        return None if pair.source.workload == REFERENCE else of_other(pair, REFERENCE)

    def mean(pair: Pair) -> float | None:
        others = [of_other(pair, n) for n in names if n != pair.source.workload]
        told = [x for x in others if x is not None]
        return sum(told) / len(told) if told else None

    def nearest(pair: Pair) -> float | None:
        own = PUBLISHED[pair.source.workload]
        near = [n for n in names if n != own.name and PUBLISHED[n].family == own.family]
        near = near or [n for n in names if n != own.name and PUBLISHED[n].kind == own.kind]
        told = [x for n in near if (x := of_other(pair, n)) is not None]
        return sum(told) / len(told) if told else mean(pair)

    def peak(sheet: DataSheet) -> float:
        return sheet.peak_flops_per_s["float16"]

    def bandwidth(sheet: DataSheet) -> float:
        return sheet.bandwidth_bytes_per_s or math.nan

    return {
        "ratio of tensor peaks (float16)": lambda p: ratio(p, peak),
        "ratio of bandwidths": lambda p: ratio(p, bandwidth),
        "geometric mean of the two": lambda p: (ratio(p, peak) + ratio(p, bandwidth)) / 2,
        f"one reference training ({REFERENCE})": reference,
        "mean ratio of the other trainings": mean,
        "trainings of the same family or kind": nearest,
    }


def of_rule(rule: Rule, asked: Sequence[Pair]) -> list[Outcome]:
    """Return the outcomes of a simple rule, where it tells anything."""
    found = []
    for pair in asked:
        told = rule(pair)
        if told is not None:
            actual = math.log(pair.target.items_per_s / pair.source.items_per_s)
            found.append(Outcome(pair, told - actual))
    return found


class Summary(NamedTuple):
    """Median and 90th percentile of |predicted / actual - 1|, and the share inside 80 %."""

    median_frac: float
    p90_frac: float
    inside_frac: float | None
    n: int


def summary(found: Sequence[Outcome]) -> Summary:
    """Return the summary of outcomes."""
    errors = np.abs(np.expm1([o.log_error for o in found]))
    stated = [abs(o.log_error) <= Z * o.sigma_log for o in found if o.sigma_log is not None]
    return Summary(
        float(np.median(errors)),
        float(np.percentile(errors, 90)),
        sum(stated) / len(stated) if stated else None,
        len(found),
    )


def figure(name: str, s: Summary) -> Figure:
    """Return a row of the table: errors, coverage, and whether the targets are met."""
    wanted = TARGETS.get(name)
    measured = f"median {s.median_frac:.1%}, 90th {s.p90_frac:.1%}"
    target = "-"
    met = None
    if s.inside_frac is not None:
        measured += f"; 80 % intervals held {s.inside_frac:.1%}"
    if wanted and s.inside_frac is not None:
        target = f"<= {wanted[0]} / {wanted[1]} %, 75..88 % inside"
        near = s.median_frac <= wanted[0] / 100 and s.p90_frac <= wanted[1] / 100
        met = near and 0.75 <= s.inside_frac <= 0.88
    return Figure(name=name, measured=f"{measured} ({s.n})", target=target, met=met)


def study(sheets: Mapping[str, DataSheet], every: int = 1) -> list[Figure]:
    """Return all figures, of each `every`th pair."""
    figures = published.of_one_device(published.figures())
    asked = pairs(figures)[::every]
    found = [figure(n, summary(of_rule(r, asked))) for n, r in rules(figures, sheets).items()]
    for case in CASES:
        found.append(figure(case.name, summary([*outcomes(case, figures, sheets, asked)])))
    return found


def main() -> None:
    """Predict every pair, and show the figures."""
    sheets = {s.name: s for s in data_sheets.all_sheets()}
    options = parser(__doc__)
    options.add_argument("--refit", action="store_true", help="the hyperparameters anew: minutes")
    chosen = options.parse_args()
    figures = published.of_one_device(published.figures())
    if chosen.refit:
        single = sorted({f.sheet for f in figures})
        refit(figures, sheets, [*({s} for s in single), *TWINS])
    show(study(sheets, 29 if chosen.tiny else 1), chosen.json)


if __name__ == "__main__":
    main()
