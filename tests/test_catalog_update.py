"""Fetching newer prices: what becomes of gpuhunt's offers; a failure keeps the old ones."""

import json
import os
import sys
import textwrap
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import pytest

from hwbench import catalog_fetch, catalog_update, instances
from hwbench.errors import HwbenchError, Unavailable, UnknownName

TODAY = date(2026, 11, 25)
GIB = 1024**3
ROOT = Path(__file__).parent.parent

# A library with the names of gpuhunt that are used, as a user's machine would have it installed.
GPUHUNT = """
    from dataclasses import dataclass

    @dataclass
    class CatalogItem:
        instance_name: str
        location: str
        price: float
        cpu: int
        memory: float
        gpu_count: int
        gpu_name: str
        gpu_memory: float
        spot: bool
        provider: str

    class Catalog:
        def __init__(self, balance_resources=True, auto_reload=True):
            assert (balance_resources, auto_reload) == (False, False)
            self.loaded = False
        def load(self, version=None):
            {load}
            self.loaded = True
        def query(self, *, provider=None, spot=None):
            (name,) = provider
            if name not in ("aws", "lambdalabs", "datacrunch"):
                raise ValueError(f"Unknown provider: {{name}}")
            assert self.loaded
            if name == "lambdalabs":
                {lambdas}
            one = ("m9.big", "us-east-1", 1.5, 8, 32.0, 0, None, None)
            return [CatalogItem(*one, False, name),
                    CatalogItem("p5.48xlarge", "us-east-1", 44.0, 192, 2048.0, 8, "H100", 80.0,
                                False, name)]
"""


class Library(Protocol):
    """Installs gpuhunt."""

    def __call__(self, load: str, lambdas: str = ...) -> None:
        """Take the lines that load the catalogue and that list Lambda."""


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the catalogue a home and a cache without anything in them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Library:
    """Install a gpuhunt whose catalogue loads, and lists Lambda, by a line of Python."""

    def installed(load: str, lambdas: str = "return []") -> None:
        folder = tmp_path / "site"
        folder.mkdir(exist_ok=True)
        text = textwrap.dedent(GPUHUNT).format(load=load, lambdas=lambdas)
        (folder / "gpuhunt.py").write_text(text, encoding="utf-8")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(ROOT)]))  # the child's
        monkeypatch.syspath_prepend(str(folder))  # of the question whether it is installed

    return installed


def _price(name: str) -> float:
    (found,) = instances.matching(name, instances.catalogue().instances)
    return found.usd_per_h


def test_newer_prices_land_in_the_cache_and_hold(library: Library) -> None:
    library("pass")
    (found,) = catalog_update.update(["aws"], timeout_s=60)
    assert (found.instances, found.reason) == (2, None)
    assert found.path == str(instances.cached_at("aws"))
    assert _price("aws:p5.48xlarge") == 44.0
    (new,) = instances.matching("aws:m9.big", instances.catalogue().instances)
    assert (new.usd_per_h, new.memory_bytes, new.accelerator) == (1.5, 32 * GIB, None)
    assert new.source.startswith("gpuhunt") and new.date >= TODAY


def test_what_fails_keeps_the_old_and_the_others_go_on(library: Library) -> None:
    """An empty list, a provider that this version does not know, and one under its older name."""
    library("pass")
    told = {u.provider: u for u in catalog_update.update(["lambda", "oci", "verda"], 60)}
    assert told["lambda"].reason == "its list came empty: gpuhunt could not load it"
    assert told["oci"].reason == "ValueError: Unknown provider: oci"
    assert told["verda"].instances == 2
    assert not instances.cached_at("lambda").exists()


def test_without_a_network_the_old_prices_stay(library: Library) -> None:
    library("pass")
    catalog_update.update(["aws"], 60)
    before = instances.cached_at("aws").read_bytes()
    library("raise RuntimeError('all failed') from OSError('no route to host')")
    (found,) = catalog_update.update(["aws"], 60)
    assert found.reason == "RuntimeError: all failed: no route to host"
    assert instances.cached_at("aws").read_bytes() == before


def test_a_hang_is_ended_at_the_limit(library: Library, home: Path) -> None:
    """In a thread that no exception reaches, as the library's downloads are."""
    library(
        "import threading, time; t = threading.Thread(target=time.sleep, args=(600,));"
        " t.start(); t.join()"
    )
    (found,) = catalog_update.update(["aws"], 0.5)
    assert found.reason == "nothing came within 0.5 s (--timeout)"
    assert list((home / "cache").iterdir()) == []  # nothing half made


def test_a_library_that_crashes_is_a_reason(library: Library) -> None:
    library("import os; os._exit(7)")
    (found,) = catalog_update.update(["aws"], 60)
    assert found.reason == "the fetching process ended with 7"


def test_what_came_before_the_limit_is_kept(library: Library) -> None:
    library("pass", "import time; time.sleep(600)")
    aws, slow = catalog_update.update(["aws", "lambda"], 5)
    assert aws.instances == 2
    assert slow.reason == "nothing came within 5 s (--timeout)"


def test_without_the_library_the_line_that_installs_it_is_told() -> None:
    assert "gpuhunt" not in sys.modules
    with pytest.raises(Unavailable, match=r"not installed: pip install 'hwbench-dl\[catalog\]'"):
        catalog_update.update([], 60)


def test_a_provider_that_cannot_be_fetched_is_refused(library: Library) -> None:
    library("pass")
    with pytest.raises(UnknownName, match="did you mean aws"):
        catalog_update.update(["awss"], 60)


def test_a_cache_that_cannot_be_written_is_told(
    library: Library, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    library("pass")
    (home / "plain").write_text("a file", encoding="utf-8")
    monkeypatch.setenv("HWBENCH_CACHE", str(home / "plain"))
    with pytest.raises(HwbenchError, match=r"plain: cannot be written: .*; the old ones stay"):
        catalog_update.update(["aws"], 60)


# What becomes of the offers.


@dataclass
class Offer:
    """One of gpuhunt's items."""

    instance_name: str
    location: str
    price: float
    spot: bool = False
    cpu: int | None = 8
    memory: float | None = 16.0
    gpu_count: int | None = 0
    gpu_name: str | None = None
    gpu_memory: float | None = None


def _rows(provider: str, *offers: Offer) -> dict[object, dict[str, object]]:
    rows = catalog_fetch.rows_of(offers, provider, TODAY, "1.2")
    json.dumps(rows, allow_nan=False)
    return {row["sku"]: row for row in rows}


def test_the_region_of_the_catalogue_is_taken_else_the_cheapest() -> None:
    found = _rows(
        "aws",
        Offer("a", "us-west-2", 1.0),
        Offer("a", "us-east-1", 2.0),
        Offer("a", "us-east-1", 0.5, spot=True),
        Offer("a", "us-west-2", 0.1, spot=True),
        Offer("b", "eu-west-1", 4.0),
        Offer("b", "us-west-2", 3.0),
    )
    a, b = found["a"], found["b"]
    assert (a["region"], a["usd_per_h"], a["spot_usd_per_h"]) == ("us-east-1", 2.0, 0.5)
    assert (b["region"], b["usd_per_h"], b.get("spot_usd_per_h")) == ("us-west-2", 3.0, None)
    assert (a["source"], a["date"]) == ("gpuhunt 1.2", "2026-11-25")


def test_a_spot_price_above_the_one_on_demand_or_alone_is_not_taken() -> None:
    found = _rows(
        "aws",
        Offer("a", "us-east-1", 2.0),
        Offer("a", "us-east-1", 2.5, spot=True),
        Offer("b", "us-east-1", 2.5, spot=True),
        Offer("free", "us-east-1", 0.0),
    )
    assert list(found) == ["a"] and "spot_usd_per_h" not in found["a"]


def test_googles_zones_attached_gpus_and_tpus() -> None:
    t4 = {"gpu_count": 1, "gpu_name": "T4", "gpu_memory": 16.0}
    found = _rows(
        "gcp",
        Offer("n1-standard-8", "us-central1-a", 0.38),
        Offer("n1-standard-8", "us-central1-b", 0.73, **t4),  # type: ignore[arg-type]
        Offer("v5litepod-4", "us-central1-a", 4.8, gpu_count=4, gpu_name="v5litepod"),
    )
    assert set(found) == {"n1-standard-8", "n1-standard-8+1xT4"}
    gpu = found["n1-standard-8+1xT4"]
    assert (gpu["region"], gpu["accelerator"]) == ("us-central1", "T4-16GB")


def test_runpods_machines_are_told_apart_by_their_number_of_gpus() -> None:
    name = "NVIDIA A100 80GB PCIe"
    one = Offer(name, "EU-1", 1.5, gpu_count=1, gpu_name="A100", gpu_memory=80.0)
    two = Offer(name, "EU-1", 3.0, gpu_count=2, gpu_name="A100", gpu_memory=80.0)
    found = _rows("runpod", two, one)
    prices = {k: (row["usd_per_h"], row["accelerator"]) for k, row in found.items()}
    assert prices == {
        "1x_NVIDIA_A100_80GB_PCIe": (1.5, "A100-PCIe-80GB"),
        "2x_NVIDIA_A100_80GB_PCIe": (3.0, "A100-PCIe-80GB"),
    }


def test_a_gpu_of_untold_form_keeps_the_lists_name() -> None:
    h100 = {"gpu_count": 8, "gpu_name": "H100", "gpu_memory": 80.0}
    found = _rows("aws", Offer("p9", "us-east-1", 2.0, **h100))  # type: ignore[arg-type]
    assert found["p9"]["accelerator"] == "H100"
    assert found["p9"]["accelerator_memory_bytes"] == 80 * GIB
