"""What a training that was measured on one device would do on another (docs/methodology.md).

Between GPUs by a model of published training throughput (`scaling_table`); where a CPU is at
either end, by what little is known (`scaling_cpu`). The interval is of 80 % and is the wider the
less is known of the target; a step for which no accuracy was measured says so.
"""

from collections.abc import Sequence

from hwbench import published_workloads, scaling_cpu, scaling_facts
from hwbench.data_sheet import DataSheet
from hwbench.errors import BadInput
from hwbench.published_workloads import Likeness
from hwbench.scaled import Assumption, Scaled, Sighting, scaled, unknown
from hwbench.scaling_table import LogNormal, Table, precision_of

# The least standard deviation of a logarithm, by what is known of the target.
PUBLISHED_SIGMA = 0.04  # its figures for other trainings
SHEET_SIGMA = 0.07  # its data sheet, and devices of the same maker
VENDOR_SIGMA = 0.30  # another maker: no figure at all [judgement: no accuracy measured]
STRICT_SIGMA = 0.10  # added: float32 without TF32, for which the newer GPUs have no figures
# The model's own errors have heavier tails than the normal distribution of the same variance, so
# that 80 % intervals of its sigma held 86-89 % in the study; one factor brings them nearer.
CALIBRATION = 0.92
SOFTWARE = Assumption(
    "age of the published figures",
    "software of 2022-25",
    "",
    "Lambda deeplearning-benchmark v1 (NGC 22.09), v2 (2024-25)",
    None,
)
BATCH = Assumption(
    "batch in the published figures",
    "as large as each device's memory takes; no accuracy measured for a batch that is kept",
    "",
    SOFTWARE.source,
    None,
)


def predict(
    source: Sighting,
    target: DataSheet,
    *,
    workload: str,
    dtype: str,
    flops_per_item: float | None,
    table: Table,
    bytes_per_item: float | None = None,
    kind: str | None = None,
    share_frac: float = 1.0,
) -> Scaled:
    """Return the throughput of a measured training on another device.

    `flops_per_item` and `bytes_per_item` are of forward and backward together. `kind` (conv,
    transformer, rnn, embedding) is for a network that has no known name. `share_frac` is
    the part of the target that is had (cores of a processor).

    Raise BadInput where `source` is of another workload.
    """
    return predict_all(
        source,
        [target],
        workload=workload,
        dtype=dtype,
        flops_per_item=flops_per_item,
        table=table,
        bytes_per_item=bytes_per_item,
        kind=kind,
        share_frac=share_frac,
    )[0]


def predict_all(
    source: Sighting,
    targets: Sequence[DataSheet],
    *,
    workload: str,
    dtype: str,
    flops_per_item: float | None,
    table: Table,
    bytes_per_item: float | None = None,
    kind: str | None = None,
    share_frac: float = 1.0,
) -> list[Scaled]:
    """Return `predict` of many targets at once, in their order."""
    if workload != source.workload:
        raise BadInput(
            f"asked for {workload} on another device, found a measurement of {source.workload}:"
            f" measure {workload} first"
        )
    like = published_workloads.likeness(workload, kind)
    between = [t for t in targets if not _is_cpu(t) and not _is_cpu(source.sheet)]
    by_gpu = iter(_between_gpus(source, between, dtype, like, table))
    found = []
    for target in targets:
        if _is_cpu(target) or _is_cpu(source.sheet):
            work = scaling_cpu.Work(dtype, flops_per_item, bytes_per_item, share_frac)
            found.append(scaling_cpu.predict(source, target, work, like, table))
        else:
            found.append(next(by_gpu))
    return found


def _is_cpu(sheet: DataSheet) -> bool:
    return sheet.kind == "cpu"


def _between_gpus(
    source: Sighting,
    targets: Sequence[DataSheet],
    dtype: str,
    like: Likeness,
    table: Table,
) -> list[Scaled]:
    precision = precision_of(dtype, like.same)
    reasons = [_why_not(source, target, precision, dtype) for target in targets]
    clear = [t for t, reason in zip(targets, reasons, strict=True) if reason is None]
    rows = [table.row(like, dtype, target) for target in clear]
    told = iter(
        table.differences(table.row(like, dtype, source.sheet), rows, source.sigma_log)
        if rows
        else []
    )
    basis = f"scaled from the {source.sheet.name}"
    return [
        _told(source, target, next(told), dtype, like, table)
        if reason is None
        else unknown(reason, basis)
        for target, reason in zip(targets, reasons, strict=True)
    ]


def _why_not(source: Sighting, target: DataSheet, precision: str, dtype: str) -> str | None:
    if dtype != source.dtype:
        return f"measured in {source.dtype}, asked for {dtype}: measure it in {dtype}"
    return scaling_facts.missing(source.sheet, precision, dtype) or scaling_facts.missing(
        target, precision, dtype
    )


def _told(
    source: Sighting,
    target: DataSheet,
    told: LogNormal,
    dtype: str,
    like: Likeness,
    table: Table,
) -> Scaled:
    if target.name == source.sheet.name:
        return scaled(source, 0.0, source.sigma_log, f"measured on the {target.name}")
    least, basis = _case(source.sheet, target, table)
    sigma = max(CALIBRATION * told.sigma, least)
    if dtype == "float32" and "tf32" in target.peak_flops_per_s:
        sigma = (sigma**2 + STRICT_SIGMA**2) ** 0.5
        basis += "; no figure of float32 without TF32 is published for such devices"
    notes = _assumptions(source, target, like)
    return scaled(
        source, told.mean, sigma, f"scaled from the {source.sheet.name} by {basis}", notes
    )


def _case(source: DataSheet, target: DataSheet, table: Table) -> tuple[float, str]:
    """Return the least sigma, and in words what the prediction rests on."""
    strange = [s for s in (source, target) if s.vendor not in table.vendors or s.kind != "gpu"]
    if strange:
        return VENDOR_SIGMA, (
            f"data sheets: no published figure of any {strange[0].vendor} {strange[0].kind}, no"
            " accuracy measured"
        )
    if target.name in table.devices:
        return PUBLISHED_SIGMA, "published figures of the target"
    return SHEET_SIGMA, "the target's data sheet and published figures of other devices"


def _assumptions(source: Sighting, target: DataSheet, like: Likeness) -> tuple[Assumption, ...]:
    sheet = Assumption(f"data sheet of {target.name}", "", "", target.source, target.date)
    if like.same:
        taken = f"the published {like.same}"
    elif like.family:
        taken = f"a network of the published family {like.family}"
    else:
        taken = f"a network of kind {like.kind}" if like.kind else "like no published training"
    alike = Assumption(
        f"{source.workload} taken for", taken, "", "hwbench", published_workloads.COMPILED
    )
    found = [SOFTWARE, BATCH, sheet, alike]
    for fact in scaling_facts.told(target):
        found.append(
            Assumption(f"{fact} of {target.name}", "as of devices alike", "", "hwbench", None)
        )
    return tuple(found)
