"""What a report says of serving a language model: loads, decoding, dollars, instances."""

from hwbench.chart_kind import Given
from hwbench.estimate_units import kwh, usd
from hwbench.estimate_value import Estimate
from hwbench.pages import Cell, Section, Table
from hwbench.render import NOTHING, count, digits, half_width, seconds, size
from hwbench.report_parts import drawings, warned
from hwbench.tokens import Load, Place, ServingFile


def sections(given: Given) -> tuple[list[str], list[Section]]:
    """Return the answer in sentences, and the tables that it stands on."""
    file: ServingFile = given.value
    measured = Section(
        title="What was measured",
        paragraphs=(
            f"{file.runtime} on {file.device}, {file.dtype}, {file.threads} threads: prompts and"
            " next tokens with keys and values in a static cache.",
        ),
        tables=(_batches(file),),
    )
    simulated = Section(
        title="Under load",
        paragraphs=(
            "Simulated from the measured passes: Poisson arrivals, continuous batching, prompts"
            " first.",
        ),
        tables=(_loads(file),),
        drawings=tuple(drawings(given, ("serving",))),
    )
    rented = [Section(title="Rented instances", tables=(_places(file),))] if file.places else []
    return _answer(file), [simulated, measured, *rented, *warned((), file.notes)]


def _answer(file: ServingFile) -> list[str]:
    most = file.most_requests_per_s
    said = [
        f"{file.workload} with prompts of {file.prompt_tokens} and answers of"
        f" {file.output_tokens} tokens is served at up to {digits(most.point)}"
        f" ({digits(most.low)} to {digits(most.high)}) requests a second on {file.device}."
    ]
    if file.bound_s is not None:
        best = file.best_within_bound
        bound = seconds(file.bound_s)
        said.append(
            f"Nine of ten are answered within {bound} at up to {digits(best.requests_per_s)} a"
            " second."
            if best is not None
            else f"Nine of ten are within {bound} at no rate: {file.bound_reason}."
        )
    if file.cost is not None:
        dollars = file.cost.usd_per_m_tokens
        said.append(
            f"A million tokens cost {usd(dollars.point)} ({usd(dollars.low)} to"
            f" {usd(dollars.high)}) at {usd(file.cost.usd_per_h)} an hour."
        )
    if file.energy is not None:
        said.append(f"They take {kwh(file.energy.joules_per_m_tokens.point)}.")
    return said


def _figure(value: Estimate | None, said: str, why: str | None = None) -> Cell:
    if value is None:
        return Cell(text=NOTHING, figure=True, why=why)
    half = half_width(value.low, value.high, value.point)
    return Cell(text=f"{said} {half}", key=value.point, figure=True)


def _batches(file: ServingFile) -> Table:
    rows = tuple(
        (
            Cell(text=str(b.batch_size), key=float(b.batch_size), figure=True),
            _figure(b.token_s, seconds(b.token_s.point)),
            _figure(b.tokens_per_s, count(b.tokens_per_s.point)),
            Cell(text=f"{b.bandwidth_frac:.0%}", key=b.bandwidth_frac, figure=True),
            Cell(text=size(b.cache_bytes), key=float(b.cache_bytes), figure=True),
        )
        for b in file.batches
    )
    return Table(
        name="decode",
        caption="Decoding, with half of the 90 % interval; of bandwidth: what a pass reads by what"
        " a large copy moves here",
        columns=("requests at once", "a token", "tokens/s", "of bandwidth", "cache"),
        rows=rows,
    )


def _loads(file: ServingFile) -> Table:
    return Table(
        name="loads",
        caption="Times from the arrival of a request, with half of the 90 % interval",
        columns=("requests/s", "first token p50", "p90", "answer p50", "p90", "tokens/s", ""),
        rows=tuple(_load(x) for x in file.loads),
    )


def _load(x: Load) -> tuple[Cell, ...]:
    times = [x.first_token_s.get(p) for p in ("p50", "p90")]
    times += [x.latency_s.get(p) for p in ("p50", "p90")]
    return (
        Cell(text=digits(x.requests_per_s), key=x.requests_per_s, figure=True),
        *(_figure(t, seconds(t.point) if t else "") for t in times),
        Cell(text=count(x.output_tokens_per_s), key=x.output_tokens_per_s, figure=True),
        Cell(text="" if x.keeps_up else "too many: the queue grows"),
    )


def _places(file: ServingFile) -> Table:
    columns = ("instance", "in", "requests/s", "a token", "a million tokens", "energy")
    return Table(
        name="instances",
        caption="Always full; scaled from this machine's passes, no accuracy measured",
        columns=(*columns, "a hosted service is dearer from"),
        rows=tuple(_place(p) for p in file.places),
    )


def _place(p: Place) -> tuple[Cell, ...]:
    dollars = p.cost.usd_per_m_tokens if p.cost else None
    even = p.cost.break_even_tokens_per_month if p.cost else None
    joules = p.energy.joules_per_m_tokens if p.energy else None
    reach = "" if p.cost is None or p.cost.within_reach else ", more than it serves"
    return (
        Cell(text=p.instance),
        Cell(text=p.dtype),
        _figure(
            p.requests_per_s, digits(p.requests_per_s.point) if p.requests_per_s else "", p.reason
        ),
        _figure(p.token_s, seconds(p.token_s.point) if p.token_s else "", p.reason),
        _figure(dollars, usd(dollars.point) if dollars else "", p.reason),
        _figure(joules, kwh(joules.point) if joules else "", p.energy_reason),
        Cell(
            text=NOTHING if even is None else f"{count(even)} tokens a month{reach}",
            key=even,
            figure=True,
        ),
    )
