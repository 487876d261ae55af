"""A training on the user's data as text: the loop with each number of processes that load."""

from hwbench.advised import LoaderAdvice
from hwbench.estimate_units import duration
from hwbench.render import table, wrapped


def text(found: LoaderAdvice) -> str:
    """Return the data, the table, and which of loader and step the training waits for."""
    lines = [wrapped(f"data: {found.dataset.description}")]
    rows = [
        (
            str(r.workers),
            duration(r.step_s),
            f"{r.step_s / found.synthetic_s:.2f}x",
            f"{r.wait_frac:.0%}",
            duration(r.batch_s),
        )
        for r in found.rows
    ]
    lines.append(table(("workers", "step", "of made inputs", "waits", "loader alone"), rows))
    best = next(r for r in found.rows if r.workers == found.advised)
    if found.bound == "loader":
        said = (
            f"bound by the loader: a batch takes it {duration(best.batch_s)} at best, a step"
            f" {duration(found.synthetic_s)}: keep decoded or smaller images, or more cores"
        )
    else:
        said = (
            f"bound by compute: a step takes {duration(found.synthetic_s)}, a batch of the loader"
            f" {duration(best.batch_s)} with {found.advised} workers"
        )
    cold = "" if found.cold_s is None else f"; the first epoch reads {duration(found.cold_s)} more"
    return "\n".join([*lines, wrapped(said + cold)])
