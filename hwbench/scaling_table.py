"""What the published table says once it is fitted: the throughput of any training on any device."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from hwbench import published, scaling_facts
from hwbench.data_sheet import DataSheet
from hwbench.published import Figure
from hwbench.published_workloads import PUBLISHED, Likeness
from hwbench.scaling_kernel import HYPER, Hyper, Points, Row, covariance, levels

if TYPE_CHECKING:
    from hwbench.scaling_kernel import Floats

HALF = ("float16", "bfloat16", "fp16", "amp")
AS = {"half": "float16", "full": "tf32"}  # of the published rows: fp32 has TF32 where it exists


class LogNormal(NamedTuple):
    """The mean and the standard deviation of a logarithm."""

    mean: float
    sigma: float


def precision_of(dtype: str, published_name: str | None) -> str:
    """Return whether a training in a dtype computes in `half` or `full` precision."""
    mixed = published_name is None or PUBLISHED[published_name].mixed
    return "half" if dtype in HALF and mixed else "full"


class Table:
    """The published figures of single devices with their data sheets, fitted.

    A fit takes some milliseconds, and everything that is asked later rests on it: make it once.
    """

    def __init__(
        self,
        figures: Iterable[Figure],
        sheets: Mapping[str, DataSheet],
        hyper: Hyper = HYPER,
    ) -> None:
        """Fit; raise UnknownName where `sheets` lacks a device of the figures."""
        import numpy as np

        self.figures = published.of_one_device(figures)
        self.hyper = hyper
        of = [published.sheet_of(f, sheets) for f in self.figures]
        self.gaps = scaling_facts.gaps(list({s.name: s for s in of}.values()))
        pairs = zip(self.figures, of, strict=True)
        rows = [self._published(f.workload, f.dtype, s, f.source) for f, s in pairs]
        self.points = Points(rows)
        self.devices = frozenset(f.sheet for f in self.figures)
        self.vendors = frozenset(s.vendor for s in of)
        logs = np.log([f.items_per_s for f in self.figures])
        before = np.array([scaling_facts.before(r.facts) for r in rows])
        self._middle = {f.workload: 0.0 for f in self.figures}
        for name in self._middle:  # the levels' prior mean: theirs, since their units are arbitrary
            of_it = [i for i, f in enumerate(self.figures) if f.workload == name]
            self._middle[name] = float((logs - before)[of_it].mean())
        middle = np.array([self._middle[f.workload] for f in self.figures])
        self.left: Floats = logs - before - middle
        self._fit(self.left)

    def _fit(self, left: "Floats") -> None:
        import numpy as np

        p, h = self.points, self.hyper
        whole = covariance(p, p, h) + levels(p, p) + h.noise**2 * np.eye(len(p))
        self._inverse: Floats = np.asarray(np.linalg.inv(whole), dtype=np.float64)
        self._weights: Floats = self._inverse @ left

    def _published(self, workload: str, dtype: str, sheet: DataSheet, origin: str) -> Row:
        w = PUBLISHED[workload]
        precision = precision_of(dtype, w.name)
        facts = scaling_facts.facts(sheet, precision, AS[precision], self.gaps)
        label = "half" if dtype in HALF else "full"
        return Row(w.name, label, w.name, w.family, w.kind, precision, sheet.name, origin, facts)

    def row(self, like: Likeness, dtype: str, sheet: DataSheet) -> Row:
        """Return the row of a training of one's own, with a level of its own."""
        precision = precision_of(dtype, like.same)
        exact = dtype if precision_of(dtype, None) == precision else AS[precision]
        return Row(
            "own",
            dtype,
            like.same or "own",
            like.family or "own",
            like.kind or "own",
            precision,
            sheet.name,
            "own",
            scaling_facts.facts(sheet, precision, exact, self.gaps),
        )

    def differences(self, source: Row, targets: list[Row], sigma_log: float) -> list[LogNormal]:
        """Return ln(target / source) of a training of which only the source was measured.

        Its level is free: the limit of a level's variance without end, in closed form.
        """
        import numpy as np

        h, p = self.hyper, Points([source, *targets])
        to_table = covariance(p, self.points, h) if len(self.points) else np.zeros((len(p), 0))
        before = [scaling_facts.before(row.facts) for row in (source, *targets)]
        told = to_table @ self._weights + np.array(before)
        left = covariance(p, p, h) - to_table @ self._inverse @ to_table.T
        own = h.noise**2
        variance = left[0, 0] + np.diag(left)[1:] - 2 * left[0, 1:] + 2 * own + sigma_log**2
        means = told[1:] - told[0]
        return [LogNormal(float(m), float(v) ** 0.5) for m, v in zip(means, variance, strict=True)]

    def level(self, workload: str, dtype: str, sheet: DataSheet) -> LogNormal:
        """Return the logarithm of a published training's items/s on a device."""
        precision = precision_of(dtype, workload)
        exact = dtype if precision_of(dtype, None) == precision else AS[precision]
        row = self._published(workload, dtype, sheet, "own")
        row = row._replace(facts=scaling_facts.facts(sheet, precision, exact, self.gaps))
        p = Points([row])
        h = self.hyper
        to_table = covariance(p, self.points, h) + levels(p, self.points)
        mean = float((to_table @ self._weights)[0]) + scaling_facts.before(row.facts)
        whole = covariance(p, p, h) + levels(p, p) + h.noise**2
        variance = float((whole - to_table @ self._inverse @ to_table.T)[0, 0])
        return LogNormal(mean + self._middle.get(workload, 0.0), max(variance, 0.0) ** 0.5)
