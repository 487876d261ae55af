"""`hwbench instances` as a user meets it: tables, JSON, refusals in one line, exit statuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from hwbench.cli import status_of


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the catalogue a home and a cache without anything in them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HWBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Any:
    def asked(*arguments: str, status: int = 0) -> str:
        assert status_of(["instances", *arguments]) == status
        return capsys.readouterr().out

    return asked


@pytest.mark.parametrize("command", ["list", "show", "check", "update"])
def test_every_help_has_an_example(command: str, ask: Any) -> None:
    assert f"Example: hwbench instances {command}" in ask(command, "--help")


def test_without_a_command_it_helps(ask: Any) -> None:
    assert {"list", "show", "check", "update"} <= set(ask().split())


def _names(text: str) -> list[str]:
    return [i["provider"] + ":" + i["sku"] for i in json.loads(text)["instances"]]


def test_the_filters_narrow_the_list(ask: Any) -> None:
    everything = json.loads(ask("list", "--json"))["instances"]
    h100 = json.loads(ask("list", "--gpu", "h100", "--json"))["instances"]
    assert {i["accelerator"].split("-")[0] for i in h100} == {"H100"}
    assert len(h100) == sum((i["accelerator"] or "").startswith("H100-") for i in everything)
    cheap = json.loads(
        ask("list", "--provider", "aws", "--cpu-only", "--max-usd-per-hour", "0.2", "--json")
    )["instances"]
    assert cheap and all(
        i["provider"] == "aws" and i["accelerator"] is None and i["usd_per_h"] <= 0.2 for i in cheap
    )
    large = json.loads(ask("list", "--min-memory-gib", "2048", "--json"))["instances"]
    assert large and all(i["memory_bytes"] >= 2048 * 1024**3 for i in large)
    roomy = json.loads(ask("list", "--min-gpu-memory-gib", "180", "--json"))["instances"]
    assert roomy and all(i["accelerator_memory_bytes"] >= 180 * 1024**3 for i in roomy)


@pytest.mark.parametrize(
    ("gpu", "found"),
    [
        ("A100-80GB", {"A100-SXM-80GB", "A100-PCIe-80GB"}),
        ("RTX5090", {"RTX-5090-32GB"}),
        ("L4", {"L4-24GB"}),
        ("A10", {"A10-24GB"}),
        ("tpu", {"TPU-v2", "TPU-v3", "TPU-v4", "TPU-v5e", "TPU-v5p", "TPU-v6e"}),
    ],
)
def test_a_gpu_is_meant_by_its_whole_words(gpu: str, found: set[str], ask: Any) -> None:
    listed = json.loads(ask("list", "--gpu", gpu, "--json"))["instances"]
    assert {i["accelerator"] for i in listed} == found


def test_the_orders(ask: Any) -> None:
    rows = json.loads(ask("list", "--json"))["instances"]
    prices = [i["usd_per_h"] for i in rows]
    assert prices == sorted(prices)
    names = _names(ask("list", "--sort", "name", "--json"))
    assert names == sorted(names)
    memory = [
        i["memory_bytes"] or 0
        for i in json.loads(ask("list", "--sort", "memory", "--json"))["instances"]
    ]
    assert memory == sorted(memory, reverse=True)


def test_usd_per_tflops_is_the_price_by_the_dense_peak(ask: Any) -> None:
    """By hand: 8 A100 of 312 TFLOP/s for 21.95764 USD/h; a whole order by the same rule."""
    (row,) = [
        line
        for line in ask("list", "--gpu", "A100", "--sort", "usd-per-tflops").splitlines()
        if "p4d.24xlarge" in line
    ]
    assert f"{21.95764 / (8 * 312):.5f} bfloat16" in row
    names = _names(ask("list", "--provider", "aws", "--sort", "usd-per-tflops", "--json"))
    by_hand = {"aws:p4d.24xlarge": 21.95764 / (8 * 312), "aws:p5.48xlarge": 55.04 / (8 * 989.4)}
    by_hand |= {"aws:g4dn.xlarge": 0.526 / 65, "aws:c7i.large": 0.08925 / (7.373 / 48)}
    assert sorted(by_hand, key=lambda n: by_hand[n]) == [n for n in names if n in by_hand]


@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_terminal_and_dates_each_price(
    columns: int, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (["--gpu", "H100"], ["--cpu-only"], ["--sort", "usd-per-tflops"]):
        out = ask("list", *arguments)
        assert max(len(line) for line in out.splitlines()[:-12]) <= columns
        assert "as of" in out and "USD/h" in out
    row = next(r for r in ask("list", "--gpu", "H100").splitlines() if "aws:p5.48xlarge" in r)
    assert "55.04" in row and "2026-07-20" in row
    assert ("us-east-1" in row) == (columns == 120)


def test_old_prices_are_told_with_what_to_do(ask: Any) -> None:
    out = ask("list", "--provider", "lambda")
    assert "lambda: 20 prices dated 2025-01-01" in out
    assert "hwbench instances update" in out and "--catalog FILE" in out


def test_show_tells_the_price_the_sheet_and_what_is_not_known(ask: Any) -> None:
    out = " ".join(ask("show", "aws:p5.48xlarge").split())
    for told in (
        "8x H100-SXM-80GB",
        "55.04 USD/h as of 2026-07-20",
        "spot not known",
        "by 1 s, 60 s at least",
        "bfloat16 989 TFLOP/s",
        "karpenter",
    ):
        assert told in out
    (found,) = json.loads(ask("show", "p5.48xlarge", "--json"))
    assert found["instance"]["usd_per_h"] == 55.04
    assert found["data_sheet"]["peak_flops_per_s"]["float8"] == 1978.9e12
    assert found["provider"]["full_name"] == "Amazon Web Services"
    assert len(json.loads(ask("show", "aws:p5*", "--json"))) == 3


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("show aws:p5.48xlrge", "no instance is named 'aws:p5.48xlrge': did you mean aws:p5.48x"),
        ("list --gpu H10", "no accelerator is named 'H10': did you mean"),
        ("list --provider asw", "no provider is named 'asw': did you mean aws"),
        ("list --cpu-only --gpu H100", "--cpu-only and a wish for a GPU leave no instance"),
        ("list --max-usd-per-hour 0", "Invalid value for '--max-usd-per-hour'"),
        ("list --catalog none.toml", "none.toml: cannot be read"),
        ("lst", "did you mean list?"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(
    line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(["instances", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert told in err and err.count("\n") == 1 and out == ""


def test_a_companys_file_wins_and_its_wrong_line_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "provider,sku,usd_per_h\naws,p5.48xlarge,20\nours,free,0\n"
    (home / "ours.csv").write_text(text, encoding="utf-8")
    assert status_of(["instances", "show", "p5.48xlarge", "--catalog", "ours.csv"]) == 0
    assert "20.00 USD/h" in capsys.readouterr().out
    assert status_of(["instances", "list", "--catalog", "ours.csv", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "aws:p5.48xlarge" in _names(out)
    assert "left out: ours.csv:3: usd_per_h must be above 0" in err
    assert status_of(["instances", "check", "ours.csv"]) == 1
    assert "ours.csv:3: usd_per_h must be above 0, is 0" in capsys.readouterr().out


def test_the_shipped_catalogue_passes_its_own_check(ask: Any) -> None:
    out = ask("check")
    assert "nothing wrong" in out and "276 instance types" in out
    assert json.loads(ask("check", "--json"))["problems"] == []


def test_no_wish_met_is_said(ask: Any) -> None:
    assert "no instance" in ask("list", "--gpu", "H100", "--max-usd-per-hour", "0.01")


def test_update_without_the_library_is_one_line_and_exit_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert status_of(["instances", "update"]) == 1
    err = capsys.readouterr().err
    assert "gpuhunt is not installed: pip install 'hwbench-dl[catalog]'" in err
    assert err.count("\n") == 1


def test_update_tells_what_came_and_exits_1_if_something_did_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hwbench import catalog_update
    from hwbench.catalog_update import Updated

    done = Updated(provider="aws", instances=812, path="/c/instances-aws.json", reason=None)
    not_done = Updated(provider="oci", instances=None, path=None, reason="no route to host")
    came = [done]
    monkeypatch.setattr(catalog_update, "update", lambda names, timeout_s: tuple(came))
    assert status_of(["instances", "update"]) == 0
    assert "aws: 812 instance types" in capsys.readouterr().out
    came.append(not_done)
    assert status_of(["instances", "update", "--json"]) == 1
    out, err = capsys.readouterr()
    assert [u["reason"] for u in json.loads(out)["updates"]] == [None, "no route to host"]
    assert "oci: not updated, the old prices stay: no route to host" in err


def test_list_names_the_instances_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(["list", "instances", "--json"]) == 0
    items = {i["name"]: i for i in json.loads(capsys.readouterr().out)}
    assert items["aws:p5.48xlarge"]["details"]["usd_per_h"] == 55.04
    assert status_of(["list"]) == 0
    assert "hwbench list instances" in capsys.readouterr().out  # 276 lines are told in one
