"""What `hwbench instances` shows: tables that fit the terminal, each price with its date."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

from hwbench.catalog_update import Updated
from hwbench.data_sheet import DataSheet
from hwbench.instance import Instance, Problem, Provider
from hwbench.instance_peak import peak
from hwbench.instances_study import Checked, Listing, Shown
from hwbench.render import NOTHING, digits, gib, prefixed, printable, table, width

_WIDE = 110  # columns of a terminal from which on region, processor and memory are shown
_PROBLEMS = 5  # that a listing tells one by one

Column = Callable[[Instance], str]


def usd(value: float | None) -> str:
    """Return dollars an hour to the cent, to a hundredth of one below a dollar."""
    return NOTHING if value is None else f"{value:,.2f}" if value >= 1 else f"{value:.4f}"


def accelerators(i: Instance) -> str:
    """Return what computes beside the processor: `8x H100-SXM-80GB`."""
    return f"{i.n_accelerators}x {i.accelerator}" if i.accelerator else NOTHING


def _usd_per_tflops(i: Instance) -> str:
    found = peak(i)
    return f"{digits(i.usd_per_h / found.flops_per_s * 1e12)} {found.dtype}" if found else NOTHING


def _columns(listing: Listing, by_peak: bool) -> Mapping[str, Column]:
    """Return the columns that this width has room for; prices and their dates always."""
    columns: dict[str, Column] = {"name": lambda i: i.name}
    gpus = any(i.accelerator for i in listing.instances)
    wide = width() >= _WIDE
    if gpus:
        columns["accelerators"] = accelerators
    if wide or not gpus:
        columns["vCPU"] = lambda i: NOTHING if i.vcpus is None else str(i.vcpus)
        columns["memory"] = lambda i: gib(i.memory_bytes)
    if wide:
        columns["region"] = lambda i: i.region or NOTHING
    if by_peak:
        columns["USD/h per TFLOP/s"] = _usd_per_tflops
    columns["USD/h"] = lambda i: usd(i.usd_per_h)
    if wide or not by_peak:
        columns["spot"] = lambda i: usd(i.spot_usd_per_h)
    columns["as of"] = lambda i: i.date.isoformat()
    return columns


def listing(found: Listing, by_peak: bool = False) -> str:
    """Return the table of a listing, and below it how old its prices are."""
    if not found.instances:
        return "no instance meets all of these wishes"
    columns = _columns(found, by_peak)
    rows = [[cell(i) for cell in columns.values()] for i in found.instances]
    said = [table(list(columns), rows), ""]
    if by_peak:
        said.append("TFLOP/s are dense peaks of data sheets, by dtype: what no job reaches.")
    n = len(found.instances)
    said.append(f"{n} instance type{'s' if n > 1 else ''}, USD an hour on demand.")
    said += _old(found.ages)
    return "\n".join(said)


def _old(ages: Sequence[str]) -> list[str]:
    if not ages:
        return []
    remedy = "`hwbench instances update` fetches newer ones, --catalog FILE takes your own"
    return [f"old prices ({remedy}):", *(f"  {line}" for line in ages)]


def left_out(problems: Sequence[Problem]) -> list[str]:
    """Return what is told of rows that a listing lacks."""
    told = [f"{p.where}: {p.what}" for p in problems[:_PROBLEMS]]
    more = len(problems) - len(told)
    return told + ([f"and {more} more: `hwbench instances check` names all"] if more else [])


def details(found: Shown) -> str:
    """Return all that is known of one instance, a line each."""
    i = found.instance
    facts = _machine(i, found.provider) | _price(i, found.provider)
    if found.data_sheet is not None:
        facts |= _sheet(found.data_sheet)
    facts["source"] = f"{i.source} (confidence {i.confidence})"
    if i.notes:
        facts["notes"] = i.notes
    lines = [i.name, *(_fact(k, v) for k, v in facts.items())]
    if found.warning:
        lines.append(textwrap.fill(found.warning, width(), initial_indent="  ! "))
    return printable("\n".join(lines))


def _fact(name: str, value: str | None) -> str:
    indent = " " * 17
    text = f"  {name:<14} {value or 'not known'}"
    return textwrap.fill(text, width(), subsequent_indent=indent, break_long_words=False)


def _machine(i: Instance, provider: Provider | None) -> dict[str, str | None]:
    facts = {
        "provider": provider.full_name if provider else i.provider,
        "region": i.region,
        "accelerators": accelerators(i) if i.accelerator else "none",
    }
    if i.accelerator:
        facts["memory of each"] = gib(i.accelerator_memory_bytes)
    facts |= {"vCPU": _vcpus(i), "memory": gib(i.memory_bytes), "processor": i.cpu}
    return {k: None if v == NOTHING else v for k, v in facts.items()}


def _price(i: Instance, provider: Provider | None) -> dict[str, str | None]:
    pue = provider.pue if provider else None
    from_where = f" ({pue.source}, {pue.date})" if pue and pue.value == i.pue else ""
    return {
        "on demand": f"{usd(i.usd_per_h)} USD/h as of {i.date}",
        "spot": f"{usd(i.spot_usd_per_h)} USD/h" if i.spot_usd_per_h else None,
        "billing": _billing(i),
        "PUE": f"{i.pue:g}{from_where}" if i.pue else None,
    }


def _sheet(s: DataSheet) -> dict[str, str | None]:
    """Return the data sheet's facts: of one accelerator, or of a whole socket."""
    peaks = [f"{dtype} {prefixed(v, 'FLOP/s')}" for dtype, v in s.peak_flops_per_s.items()]
    rate = prefixed(s.bandwidth_bytes_per_s, "B/s") if s.bandwidth_bytes_per_s else None
    return {
        "data sheet": f"{s.name}, of one: {s.source}, {s.date}, confidence {s.confidence}",
        "dense peaks": ", ".join(peaks) or None,
        "bandwidth": rate,
        "TDP": f"{s.tdp_w:g} W" if s.tdp_w else None,
    }


def _vcpus(i: Instance) -> str | None:
    if i.vcpus is None:
        return None
    words = {1: "each a core", 2: "two a core"}
    return f"{i.vcpus}, {words.get(i.vcpus_per_core or 0, 'how many a core is not known')}"


def _billing(i: Instance) -> str | None:
    if i.granularity_s is None:
        return None
    least = f", {i.minimum_s:g} s at least" if i.minimum_s else ""
    return f"by {i.granularity_s:g} s{least}"


def checked(found: Checked) -> str:
    """Return what a check found, one line each."""
    lines = [f"{p.where}: {p.what}" for p in found.problems]
    went = f"{found.n_instances} instance types"
    if found.n_devices:
        went += f", {found.n_devices} data sheets, {found.n_regions} regions"
    lines.append(f"{went}: {len(found.problems) or 'nothing'} wrong")
    return printable("\n".join(lines + _old(found.ages)))


def updated(found: Updated) -> str:
    """Return what came of one provider's update."""
    if found.reason is not None:
        return printable(f"{found.provider}: not updated, the old prices stay: {found.reason}")
    return f"{found.provider}: {found.instances} instance types in {found.path}"
