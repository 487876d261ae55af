"""What serving a model comes to, as text."""

from hwbench.estimate_units import kwh
from hwbench.estimate_value import Estimate
from hwbench.render import NOTHING, count, digits, half_width, seconds, size, table, wrapped
from hwbench.tokens import Load, Place, ServingFile

BATCHES = ("decode", "a token", "±", "tokens/s", "of bandwidth", "cache")
PLACES = ("instance", "", "a token", "requests/s", "a million", "±", "energy", "dearer from")
MOST_PLACES = 20  # all are in the JSON
LOADS = ("requests/s", "first token p50", "p90", "latency p50", "p90", "±", "tokens/s", "batch")


def text(found: ServingFile) -> str:
    """Return the whole of it."""
    t = found.times
    head = (
        f"{found.workload}: prompts of {found.prompt_tokens}, answers of {found.output_tokens}"
        f" tokens; {found.runtime} on {found.device}, {found.dtype}, {found.threads} threads;"
        f" weights {size(t.weights_bytes)}, {count(t.cache_bytes_per_token)} bytes of cache a token"
    )
    first = found.first_token_s
    alone = (
        f"a prompt alone: first token after {seconds(first.point)} {_half(first)},"
        f" {count(found.prompt_tokens / first.point)} tokens/s"
    )
    parts = [wrapped(head), wrapped(alone), _batches(found), _loads(found), _bound(found)]
    parts += [_cost(found), _energy(found), _places(found)]
    parts += [wrapped(note) for note in found.notes]
    return "\n".join(p for p in parts if p)


def _half(e: Estimate) -> str:
    return half_width(e.low, e.high, e.point)


def _batches(found: ServingFile) -> str:
    rows = [
        (
            f"{b.batch_size} at once",
            seconds(b.token_s.point),
            _half(b.token_s),
            count(b.tokens_per_s.point),
            f"{b.bandwidth_frac:.0%}",
            size(b.cache_bytes),
        )
        for b in found.batches
    ]
    said = (
        "of bandwidth: weights and cache that a pass reads, by what a large copy reads and writes a"
        f" second here ({count(found.times.copy_bytes_per_s)}B/s)"
    )
    return f"{table(BATCHES, rows)}\n{wrapped(said)}"


def _loads(found: ServingFile) -> str:
    most = found.most_requests_per_s
    said = (
        f"simulated from these passes: {found.loads[0].requests} requests, Poisson arrivals,"
        f" {found.slots} at once, prompts first;"
        f" the most that is served is {digits(most.point)} a second {_half(most)}"
    )
    late = [load for load in found.loads if not load.keeps_up]
    if late:
        said += "; above it the queue only grows, and times are those of the first requests"
    return f"{table(LOADS, [_load(x) for x in found.loads])}\n{wrapped(said)}"


def _load(x: Load) -> tuple[str, ...]:
    return (
        digits(x.requests_per_s) + ("" if x.keeps_up else " (too many)"),
        seconds(x.first_token_s["p50"].point),
        seconds(x.first_token_s["p90"].point),
        seconds(x.latency_s["p50"].point),
        seconds(x.latency_s["p90"].point),
        _half(x.latency_s["p90"]),
        count(x.output_tokens_per_s),
        digits(x.mean_batch),
    )


def _bound(found: ServingFile) -> str:
    if found.bound_s is None:
        return ""
    best = found.best_within_bound
    if best is None:
        return wrapped(f"p90 within {seconds(found.bound_s)}: at no rate: {found.bound_reason}")
    return wrapped(
        f"p90 within {seconds(found.bound_s)}: up to {digits(best.requests_per_s)} requests/s,"
        f" {count(best.output_tokens_per_s)} tokens/s"
    )


def _cost(found: ServingFile) -> str:
    c = found.cost
    if c is None:
        return wrapped("cost: null: no price of this machine: --usd-per-h")
    said = (
        f"a million tokens, prompts and answers: ${digits(c.usd_per_m_tokens.point)}"
        f" ({digits(c.usd_per_m_tokens.low)} to {digits(c.usd_per_m_tokens.high)}) at"
        f" ${digits(c.usd_per_h)}/h and {digits(c.requests_per_s)} requests/s; of answers alone"
        f" ${digits(c.usd_per_m_output_tokens.point)}"
    )
    if c.hosted_usd_per_m_tokens is not None and c.break_even_tokens_per_month is not None:
        reach = "which it can serve" if c.within_reach else "more than it can serve"
        said += (
            f"; a service at ${digits(c.hosted_usd_per_m_tokens)} is dearer from"
            f" {count(c.break_even_tokens_per_month)} tokens a month on, {reach}"
        )
    return wrapped(said)


def _energy(found: ServingFile) -> str:
    e = found.energy
    if e is None:
        return wrapped(f"energy: null: {found.energy_reason}")
    j = e.joules_per_m_tokens
    return wrapped(
        f"energy of a million tokens on a machine that is always full: {kwh(j.point)} {_half(j)},"
        f" at {digits(e.power_w)} W, the mean while the passes were measured ({e.covers})"
    )


def _places(found: ServingFile) -> str:
    """Return the instances, the cheapest a token first, then those of which nothing is told."""
    if not found.places:
        return ""
    ordered = sorted(
        found.places, key=lambda p: (p.cost is None, p.cost.usd_per_m_tokens.point if p.cost else 0)
    )
    rows = [_place(p) for p in ordered[:MOST_PLACES]]
    reasons = dict.fromkeys(f"{NOTHING}  {p.instance}: {p.reason}" for p in ordered if p.reason)
    lines = [table(PLACES, rows), *(wrapped(r) for r in list(reasons)[:MOST_PLACES])]
    if len(ordered) > MOST_PLACES:
        lines.append(f"{len(ordered) - MOST_PLACES} more are in the JSON (--json, --out)")
    methods = dict.fromkeys(p.method for p in ordered if p.method)
    lines += [wrapped(f"scaled: {m}") for m in methods]
    return "\n".join(lines)


def _place(p: Place) -> tuple[str, ...]:
    cost, energy = p.cost, p.energy
    if cost is None or p.requests_per_s is None or p.token_s is None:
        return (p.instance, p.dtype, NOTHING, NOTHING, NOTHING, "", NOTHING, NOTHING)
    even = cost.break_even_tokens_per_month
    month = NOTHING if even is None else count(even) + ("" if cost.within_reach else " (too many)")
    return (
        p.instance,
        p.dtype,
        seconds(p.token_s.point),
        digits(p.requests_per_s.point),
        f"${digits(cost.usd_per_m_tokens.point)}",
        _half(cost.usd_per_m_tokens),
        NOTHING if energy is None else kwh(energy.joules_per_m_tokens.point),
        month,
    )
