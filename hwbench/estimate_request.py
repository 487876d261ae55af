"""What the user asks of an estimate, as it was asked: nothing of it is checked here."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Money:
    """What buying needs beside the catalogue's prices; None is not known."""

    usd_per_h: float | None = None  # of this machine, where it is rented
    spot_usd_per_h: float | None = None
    interruptions: str = "some"  # a preset's name, or a rate an hour
    restart_s: float = 180.0
    reserved_usd_per_h: float | None = None
    reserved_discount_frac: float | None = None
    utilisation_frac: float = 0.7
    purchase_usd: float | None = None
    residual_frac: float = 0.3
    years: float = 3.0
    opex_usd_per_year: float = 0.0
    interest_frac: float = 0.0
    usd_per_mtoken: float | None = None
    hosted_usd_per_h: float | None = None
    storage: str = "gp3"
    embodied: str | None = None


@dataclass(frozen=True, kw_only=True)
class SearchAsked:
    """A search over hyperparameters as it was asked for; no algorithm: none."""

    algorithm: str | None = None
    trials: int | None = None
    grid: tuple[int, ...] = ()  # levels of each hyperparameter
    eta: float | None = None
    resource: float | None = None  # R: a full run by the shortest training
    parallel: int | None = None
    top_frac: float | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """An estimate as it was asked for; what is None is left to the record or has no bound."""

    records: tuple[Path, ...] = ()
    records_dir: Path | None = None
    workload: str
    samples: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    steps: int | None = None
    hardening: str | None = None  # pgd-7, free-4, fast, private
    epsilon: float | None = None  # of a private training
    delta: float | None = None
    tasks: int | None = None  # of shortcuts that have several
    sharing: tuple[str, ...] = ()  # of `tasks`; none: every way
    scratch_epochs: float | None = None  # of what has no usual epochs, where none are given
    batch_size: int | None = None
    runtime: str | None = None
    device: str | None = None
    dtype: str | None = None
    shortcuts: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    purchases: tuple[str, ...] = ()
    catalog: Path | None = None
    region: str | None = None
    electricity_usd_per_kwh: float | None = None
    pue: float | None = None
    deadline_s: float | None = None
    budget_usd: float | None = None
    level: float = 0.9
    evaluation_frac: float = 0.1
    data: Path | None = None
    image_px: tuple[int, int] | None = None  # of generated images
    item_bytes: float | None = None
    residence: str = "disk"
    workers: int | None = None
    target_accuracy: float | None = None
    curve: Path | None = None
    solve: str | None = None
    confirm: int = 0
    measure: bool = True  # what this machine's records lack
    max_age_s: float = 7 * 86400.0
    max_usd: float | None = None
    money: Money = field(default_factory=Money)
    search: SearchAsked = field(default_factory=SearchAsked)
    curve_sizes: int = 25
    argv: tuple[str, ...] = ()
