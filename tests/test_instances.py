"""The catalogue of instances: what is shipped, other files, which row holds, names and ages."""

import os
import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from hwbench import catalog_check, catalog_file, data_sheets, instances, registry
from hwbench.errors import BadInput, UnknownName
from hwbench.instance import Instance

GIB = 1024**3
TODAY = date(2026, 11, 25)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the catalogue a home and a cache without anything in them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str], Path]:
    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return written


def _named(name: str, path: Path | None = None) -> Instance:
    (found,) = instances.matching(name, instances.catalogue(path).instances)
    return found


def test_the_shipped_catalogue_is_whole() -> None:
    found = instances.catalogue()
    assert found.problems == ()
    assert catalog_check.of_instances(found.instances) == ()
    assert len(found.instances) >= 270
    assert len({i.provider for i in found.instances}) >= 11
    for i in found.instances:
        assert len(i.source) > 8 and i.date <= TODAY, i.name
        assert 0 < i.usd_per_h < 1000 and (i.spot_usd_per_h or 0) <= i.usd_per_h, i.name
        assert i.memory_bytes is None or i.memory_bytes % GIB == 0, i.name  # GiB, in bytes
        assert (i.accelerator is None) == (i.accelerator_memory_bytes is None), i.name


@pytest.mark.parametrize(
    "chip", ["H100", "H200", "B200", "MI300X", "L4", "T4", "A10", "A100", "TPU", "Trainium1"]
)
def test_every_current_accelerator_can_be_rented(chip: str) -> None:
    rows = instances.catalogue().instances
    assert any(i.accelerator and i.accelerator.split("-")[0] == chip for i in rows)


def test_machines_without_an_accelerator_are_there() -> None:
    rows = [i for i in instances.catalogue().instances if i.accelerator is None]
    assert {"aws", "gcp", "azure"} <= {i.provider for i in rows} and len(rows) > 80


def test_a_row_in_full() -> None:
    """By the list of AWS of July 2026, us-east-1, and its instance page."""
    found = _named("aws:p5.48xlarge")
    assert (found.usd_per_h, found.region, found.date) == (55.04, "us-east-1", date(2026, 7, 20))
    assert (found.vcpus, found.vcpus_per_core, found.memory_bytes) == (192, 2, 2048 * GIB)
    assert (found.accelerator, found.n_accelerators) == ("H100-SXM-80GB", 8)
    assert found.accelerator_memory_bytes == 80 * GIB
    assert (found.granularity_s, found.minimum_s, found.pue) == (1, 60, 1.15)


def test_a_vcpu_is_a_thread_or_a_core() -> None:
    per_core = {n: _named(n).vcpus_per_core for n in ("aws:c7i.xlarge", "aws:c7a.xlarge")}
    assert per_core == {"aws:c7i.xlarge": 2, "aws:c7a.xlarge": 1}
    assert _named("aws:c7g.xlarge").vcpus_per_core == 1
    assert _named("gcp:t2d-standard-4").vcpus_per_core == 1
    assert _named("lambda:gpu_1x_a10").vcpus_per_core is None  # not told


def test_bare_metal_of_oci_is_billed_an_hour_at_least() -> None:
    assert _named("oci:BM.GPU.H100.8").minimum_s == 3600
    assert _named("oci:VM.GPU.A10.1").minimum_s == 60


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"usd_per_h": 0.0}, "usd_per_h must be above 0"),
        ({"usd_per_h": float("nan")}, "usd_per_h must be above 0"),
        ({"spot_usd_per_h": 60.0}, "spot_usd_per_h 60 is above usd_per_h 55.04"),
        ({"memory_bytes": -1}, "memory_bytes must be above 0"),
        ({"n_accelerators": 0}, "do not go together"),
        ({"accelerator": None}, "do not go together"),
        ({"pue": 0.9}, "pue must be at least 1"),
        ({"sku": ""}, "sku is empty"),
    ],
)
def test_an_instance_that_cannot_be_is_refused(wrong: dict[str, object], reason: str) -> None:
    sound = _named("aws:p5.48xlarge")
    with pytest.raises(ValueError, match=reason):
        replace(sound, **wrong)  # type: ignore[arg-type]


def test_doubles_and_unknown_devices_are_caught() -> None:
    sound = _named("aws:p5.48xlarge")
    voodoo = replace(sound, sku="old", accelerator="Voodoo2", accelerator_memory_bytes=None)
    small = replace(sound, sku="small", accelerator_memory_bytes=40 * GIB)
    told = catalog_check.of_instances([sound, sound, voodoo, small])
    assert [(p.where, p.what.split(",")[0]) for p in told] == [
        ("aws:p5.48xlarge", "stands 2 times for region us-east-1"),
        ("aws:old", "no data sheet of the accelerator Voodoo2"),
        ("aws:small", f"accelerator_memory_bytes is {40 * GIB}"),
    ]


# A company's own file.


def test_wrong_lines_are_named_and_the_rest_is_kept(file: Callable[[str, str], Path]) -> None:
    path = file(
        "ours.csv",
        """\
        provider,sku,vcpus,memory_gib,accelerator,n_accelerators,usd_per_h,spot_usd_per_h,date
        ours,good,8,64,NVIDIA A100-SXM4-80GB,1,1.10,,2026-11-01
        ours,free,8,64,,,0,,2026-11-01
        ours,dear-spot,8,64,,,1.0,1.5,2026-11-01
        ours,no-count,8,64,H100-SXM-80GB,,2.0,,2026-11-01
        ours,half,0.5,64,,,2.0,,2026-11-01
        ours,word,8,lots,,,2.0,,2026-11-01
        ours,when,8,64,,,2.0,,1.11.2026
        ours,priceless,8,64,,,,,2026-11-01
        ours,last,8,64,,,0.2,0.1,2026-11-02
        """,
    )
    found = catalog_file.read(path)
    assert [i.sku for i in found.instances] == ["good", "last"]
    good = found.instances[0]
    assert (good.accelerator, good.accelerator_memory_bytes) == ("A100-SXM-80GB", 80 * GIB)
    assert (good.memory_bytes, good.source, good.date) == (64 * GIB, "ours.csv", date(2026, 11, 1))
    told = {int(p.where.rpartition(":")[2]): p.what for p in found.problems}
    assert set(told) == {3, 4, 5, 6, 7, 8, 9}
    assert "usd_per_h must be above 0, is 0" in told[3]
    assert "spot_usd_per_h 1.5 is above usd_per_h 1" in told[4]
    assert "do not go together" in told[5]
    assert "vcpus must be a whole number, is '0.5'" in told[6]
    assert "memory_gib must be a number, is 'lots'" in told[7]
    assert "date must be written as 2026-11-23, is '1.11.2026'" in told[8]
    assert told[9] == "usd_per_h is missing"


def test_a_column_that_is_no_field_is_named_once(file: Callable[[str, str], Path]) -> None:
    text = "provider,sku,usd_per_h,spot_usd_per_hour\nours,a,1,0.5\nours,b,1,0.5\n"
    found = catalog_file.read(file("ours.csv", text))
    assert len(found.instances) == 2
    (problem,) = found.problems
    assert problem.where.endswith("ours.csv:1")
    assert "unknown column 'spot_usd_per_hour': did you mean spot_usd_per_h?" in problem.what


def test_the_lines_of_toml_are_told_for_tables(file: Callable[[str, str], Path]) -> None:
    path = file(
        "ours.toml",
        """\
        provider = "ours"
        common.region = "basement"
        common.source = "contract"
        sources.contract = { text = "contract 12 of 2026", date = 2026-10-01 }

        [[instance]]
        sku = "a"
        usd_per_h = 2

        [[instance]]
        sku = "later"
        usd_per_h = 2
        date = 2026-10-05

        [[instance]]
        sku = "b"
        usd_per_hour = 2

        [[instance]]
        sku = "c"
        usd_per_h = true
        """,
    )
    found = catalog_file.read(path)
    a, later = found.instances
    assert later.date == date(2026, 10, 5)  # its own, not its source's
    assert (a.name, a.region, a.source) == ("ours:a", "basement", "contract 12 of 2026")
    assert a.date == date(2026, 10, 1)
    assert [(p.where.rpartition(":")[2], p.what) for p in found.problems] == [
        ("15", "unknown field 'usd_per_hour': did you mean usd_per_h?"),
        ("19", "usd_per_h must be a number, is True"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "provider = \nsku", r"a.toml: .*line 1"),
        ("a.toml", "sku = 'x'", r"holds no \[\[instance\]\] tables"),
        ("a.csv", "provider,price\nours,1\n", "line 1 lacks the column sku and usd_per_h"),
        ("a.json", "{", r"a.json: .*line 1"),
        ("a.xlsx", "", "a catalogue is a .toml, .csv or .json file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    file: Callable[[str, str], Path], name: str, text: str, told: str
) -> None:
    with pytest.raises(BadInput, match=told) as error:
        catalog_file.read(file(name, text))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml: cannot be read: No such file"):
        catalog_file.read(tmp_path / "none.toml")


def test_a_companys_price_wins_and_the_machine_stays_known(
    file: Callable[[str, str], Path],
) -> None:
    path = file("ours.csv", "provider,sku,usd_per_h,date\naws,p5.48xlarge,21.5,2026-01-05\n")
    ours, shipped = _named("aws:p5.48xlarge", path), _named("aws:p5.48xlarge")
    assert (ours.usd_per_h, ours.date, ours.source) == (21.5, date(2026, 1, 5), "ours.csv")
    assert (ours.accelerator, ours.n_accelerators) == ("H100-SXM-80GB", 8)
    assert (ours.memory_bytes, ours.pue) == (shipped.memory_bytes, shipped.pue)
    assert ours.spot_usd_per_h is None  # the old spot price goes with the old price


# The user's own update.


def _update(file: Callable[[str, str], Path], usd: float, day: str, accelerator: str) -> None:
    file(
        "cache/instances-aws.json",
        f'{{"provider": "aws", "instance": [{{"sku": "p5.48xlarge", "usd_per_h": {usd},'
        f' "accelerator": "{accelerator}", "n_accelerators": 8, "date": "{day}",'
        ' "source": "a price list", "confidence": "high"},'
        f' {{"sku": "p7.metal", "usd_per_h": 9, "date": "{day}", "source": "a price list"}}]}}',
    )


def test_a_newer_update_holds_and_an_older_one_does_not(file: Callable[[str, str], Path]) -> None:
    _update(file, 40.0, "2026-11-20", "H100")
    found = _named("aws:p5.48xlarge")
    assert (found.usd_per_h, found.source) == (40.0, "a price list")
    assert found.accelerator == "H100-SXM-80GB"  # the list does not say SXM
    assert found.vcpus == 192
    new = _named("aws:p7.metal")
    assert (new.usd_per_h, new.granularity_s, new.pue) == (9.0, 1.0, 1.15)
    _update(file, 40.0, "2026-07-19", "H100")
    assert _named("aws:p5.48xlarge").usd_per_h == 55.04


def test_an_update_that_names_another_device_is_believed(file: Callable[[str, str], Path]) -> None:
    _update(file, 40.0, "2026-11-20", "H200-SXM-141GB")
    found = _named("aws:p5.48xlarge")
    assert (found.accelerator, found.accelerator_memory_bytes) == ("H200-SXM-141GB", 141 * GIB)


def test_a_damaged_update_is_a_problem_and_no_hindrance(file: Callable[[str, str], Path]) -> None:
    file("cache/instances-aws.json", '{"provider": "aws", "inst')
    found = instances.catalogue()
    assert len(found.instances) >= 270
    (problem,) = found.problems
    assert problem.where.endswith("instances-aws.json")


# SkyPilot's price lists.

SKY = """\
InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region
p5.48xlarge,H100,8.0,192.0,2048.0,,60.0,70.0,eu-west-1
p5.48xlarge,H100,8.0,192.0,2048.0,,50.0,20.0,us-east-1
p5.48xlarge,H100,8.0,192.0,2048.0,,45.0,20.0,us-west-9
x9.large,,,4.0,16.5,,0.25,,us-west-9
x9.large,,,4.0,16.5,,0.2,0.1,eu-west-1
share.large,A10,0.25,4.0,16.0,,0.2,,us-east-1
unpriced.large,,,4.0,16.0,,,,us-east-1
odd.large,,,4.0,16.0,,dear,,us-east-1
"""


def test_skypilots_list_is_read_where_there_is_one(
    file: Callable[[str, str], Path], home: Path
) -> None:
    file(".sky/catalogs/v5/aws/vms.csv", SKY.replace("50.0", "1.0"))
    path = file(".sky/catalogs/v10/aws/vms.csv", SKY)
    os.utime(path, (1_795_000_000, 1_795_000_000))  # 2026-11-18
    found = _named("aws:p5.48xlarge")
    assert (found.usd_per_h, found.spot_usd_per_h, found.region) == (50.0, 20.0, "us-east-1")
    assert found.date == date.fromtimestamp(1_795_000_000)
    assert "SkyPilot" in found.source
    assert (found.accelerator, found.vcpus_per_core) == ("H100-SXM-80GB", 2)
    new = _named("aws:x9.large")  # not in the home region: the cheapest
    assert (new.usd_per_h, new.region, new.memory_bytes) == (0.2, "eu-west-1", 16.5 * GIB)
    names = {i.sku for i in instances.catalogue().instances}
    assert not {"share.large", "unpriced.large", "odd.large"} & names
    (problem,) = instances.catalogue().problems
    assert problem.where.endswith("vms.csv:9") and "usd_per_h" in problem.what


def test_skypilots_list_of_an_older_day_does_not_hold(file: Callable[[str, str], Path]) -> None:
    path = file(".sky/catalogs/v10/aws/vms.csv", SKY)
    os.utime(path, (1_700_000_000, 1_700_000_000))  # 2023
    assert _named("aws:p5.48xlarge").usd_per_h == 55.04


def test_of_google_only_whole_machines_are_taken(file: Callable[[str, str], Path]) -> None:
    """Its list prices an accelerator apart from the machine that holds it."""
    file(
        ".sky/catalogs/v10/gcp/vms.csv",
        "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,Price,SpotPrice,Region\n"
        ",T4,1.0,,,0.35,0.1,us-central1\n"
        "a2-highgpu-1g,,,12.0,85.0,0.74,0.2,us-central1\n"
        "n4-new-8,,,8.0,32.0,0.4,0.2,us-central1\n",
    )
    assert _named("gcp:a2-highgpu-1g").usd_per_h == 3.67339
    assert _named("gcp:n4-new-8").usd_per_h == 0.4


# Names and ages.


def test_names_globs_and_all() -> None:
    rows = instances.catalogue().instances
    assert {i.sku for i in instances.matching("aws:p5*", rows)} == {
        "p5.4xlarge",
        "p5.48xlarge",
        "p5en.48xlarge",
    }
    assert [i.name for i in instances.matching("P5.48XLARGE", rows)] == ["aws:p5.48xlarge"]
    assert {i.provider for i in instances.matching("azure:*", rows)} == {"azure"}
    assert instances.matching("all", rows) == rows


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("aws:p5.48xlrge", "did you mean aws:p5.48xlarge"),
        ("p5.48xlrge", "did you mean p5.48xlarge"),
    ],
)
def test_an_unknown_name_offers_near_ones(asked: str, near: str) -> None:
    with pytest.raises(UnknownName, match=re.escape(near)):
        instances.matching(asked, instances.catalogue().instances)


def test_a_price_older_than_180_days_has_a_warning() -> None:
    found = _named("aws:p5.48xlarge")  # 2026-07-20
    assert instances.age_warning(found, date(2027, 1, 16)) is None
    warning = instances.age_warning(found, date(2027, 1, 17))
    assert warning is not None and "181 days" in warning and "2026-07-20" in warning
    assert instances.ageing([found, found], date(2027, 1, 17)) == (
        "aws: 2 prices dated 2026-07-20, 181 days ago",
    )
    assert instances.ageing([found], date(2027, 1, 16)) == ()


def test_an_undated_list_counts_as_old_and_says_so() -> None:
    found = _named("lambda:gpu_1x_a10")
    assert instances.age_warning(found, TODAY)
    assert "no date" in found.notes


def test_adding_a_provider_is_adding_a_file(
    file: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file(
        "package/catalog/instances-ours.toml",
        """\
        provider = "ours"
        full_name = "Our own room"
        pue.value = 1.3
        pue.source = "our meter"
        pue.date = 2026-10-01
        pue.confidence = "high"
        instance = [
          { sku = "a", usd_per_h = 0.5, source = "the books", date = 2026-10-01 },
          { sku = "b", usd_per_h = -1, source = "the books", date = 2026-10-01 },
        ]
        """,
    )
    data_sheets.all_sheets()  # of the true package
    monkeypatch.setattr(registry, "PACKAGE", tmp_path / "package")
    instances.shipped.cache_clear()
    try:
        found = instances.catalogue()
        assert [(i.name, i.pue) for i in found.instances] == [("ours:a", 1.3)]
        assert [p.where.rpartition(":")[2] for p in found.problems] == ["9"]
        assert instances.providers()["ours"].full_name == "Our own room"
    finally:
        instances.shipped.cache_clear()
