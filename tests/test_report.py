"""`hwbench report`: one page with the answer first, that does nothing a stranger's file says."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hwbench import (
    codec,
    curves_study,
    report,
    report_html,
    report_markdown,
    report_words,
    shortcuts_file,
)
from hwbench.cli import status_of
from hwbench.power_record import SCHEMA, PowerRecord
from tests.estimates import (
    asked,
    case,
    kept,
    loader_known,
    machine,
    measured,
    record,
    simple,
)
from tests.test_charts import estimate, file_of
from tests.test_curves_study import learnt, points, power
from tests.test_shortcuts_study import by, compared, of_steps

__all__ = ["machine"]  # a fixture
pytest.importorskip("matplotlib")
pytestmark = pytest.mark.usefixtures("machine")

POWER = PowerRecord(
    schema=SCHEMA,
    created_utc="2026-11-25T18:00:00+00:00",
    hwbench_version="0.1.0",
    machine="a processor",
    command=(),
    duration_s=0.75,
    exit_status=None,
    interrupted=False,
    meters=(),
    channels=(),
    traces=(),
    phases=(),
)
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m\u202e|`=cmd()"


class Reader(HTMLParser):
    """What a page holds: tags with their attributes, and its text outside of scripts."""

    def __init__(self, page: str) -> None:
        """Read a page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self._skip = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        self._skip = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a script."""
        self._skip = False

    def handle_data(self, data: str) -> None:
        """Note text."""
        if not self._skip:
            self.text += data + " "

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each tag of a name."""
        return [a for t, a in self.tags if t == tag]


def written(*inputs: Path) -> str:
    """Return the page of these files."""
    return report_html.html(report_words.page(report.report(inputs)))


def test_the_answer_comes_first_with_its_interval_and_the_options_follow() -> None:
    path = estimate()
    page = Reader(written(path))
    told = json.loads(path.read_text())
    assert (
        "How long, how much energy and how much money does training resnet50 on 10,000" in page.text
    )
    assert re.search(r"takes .+ \(.+ to .+\), \$", page.text)
    assert "is the cheapest with a chance of" in page.text
    for row in told["rows"]:
        assert row["instance"] in page.text
    for a in {a["source"] for r in told["rows"] for a in r["assumptions"]}:
        assert a in page.text
    assert "How to reproduce it" in page.text and told["id"] in page.text


def test_the_page_asks_no_address_for_anything() -> None:
    page = Reader(written(estimate()))
    for _, attributes in page.tags:
        for name in ("src", "href", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))
    (policy,) = [a["content"] for a in page.of("meta") if "http-equiv" in a]
    assert policy is not None and policy.startswith("default-src 'none'")


def test_images_tables_and_inputs_can_be_read_aloud() -> None:
    page = Reader(written(estimate()))
    assert page.of("html") == [{"lang": "en"}]
    images = page.of("img")
    assert images and all(a["alt"] for a in images)
    labels = {a.get("for") for a in page.of("label")}
    for control in [*page.of("input"), *page.of("select")]:
        assert control.get("id") in labels or control.get("type") == "search"
    assert len(page.of("caption")) == len(page.of("table"))
    assert all(a.get("scope") == "col" for a in page.of("th"))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_two_estimates_in_one_page_have_tables_of_their_own() -> None:
    one = estimate()
    two = one.with_name("second.json")
    two.write_text(one.read_text())
    page = Reader(written(one, two))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids)) and {"options", "options-2"} <= set(ids)


def test_the_sliders_have_the_files_own_numbers() -> None:
    path = estimate()
    (held,) = re.findall(r'id="curves">(.*?)</script>', written(path))
    data, rows = json.loads(held), json.loads(path.read_text())["rows"]
    assert [w["time_s"] for w in data["ways"]] == [r["curve"]["time_s"] for r in rows]
    assert [w["cost_usd"] for w in data["ways"]] == [r["curve"]["cost_usd"] for r in rows]
    assert data["samples"] == rows[0]["curve"]["samples"]


def test_a_strangers_strings_do_no_harm_in_the_page_nor_in_markdown() -> None:
    path = estimate()
    told = json.loads(path.read_text())
    told["rows"][1]["instance"] = told["plan"]["workload"] = EVIL
    told["notes"], told["argv"] = [EVIL], ["hwbench", EVIL, "```"]
    path.write_text(json.dumps(told))
    page = written(path)
    harmless = Reader(page)
    assert len(harmless.of("script")) == 2  # its own, and the numbers
    assert all("onerror" not in a for a in harmless.of("img"))
    assert "alert(1)" in harmless.text  # shown, not run
    assert "\x1b" not in page and "\u202e" not in page
    text = report_markdown.markdown(report_words.page(report.report([path])))
    assert "<script>" not in text.replace("\\<", "") or "&lt;script&gt;" in text
    outside = re.sub(r"```(text|sh)\n.*?\n```\n", "", text, flags=re.S)
    assert "<img" not in outside and "`=cmd" not in outside.replace("\\`", "")
    assert "\x1b" not in text and text.count("```") % 2 == 0


def test_two_records_are_compared_and_what_cannot_be_says_why() -> None:
    one = record(measured(case(100), *(0.1,) * 5))
    two = record(measured(case(100), *(0.2,) * 5))
    page = Reader(written(*kept(Path("given"), one, two)))
    assert "Which machine is faster" in page.text and "geometric mean 2.000" in page.text
    other = record(measured(replace(case(100), name="lstm", shape={}), *(0.1,) * 5))
    page = Reader(written(*kept(Path("given"), one, other)))
    assert "no case can be compared" in page.text


def test_a_record_alone_says_what_its_machine_did() -> None:
    path = kept(Path("given"), record(measured(case(100), *(0.1,) * 5)))
    page = Reader(written(*path))
    assert "What can this machine do?" in page.text
    assert "It trains mlp at 1,000 items a second" in page.text


def test_two_files_of_a_kind_have_headings_of_their_own() -> None:
    one, two = kept(Path("given"), *(record(measured(case(100), *(0.1,) * 5)) for _ in range(2)))
    page = written(one, two)
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert len(headings) == len(set(headings)) and any(h.endswith(": r1.json") for h in headings)
    assert all(a.get("role") for a in Reader(page).of("pre"))


def test_what_is_not_known_has_its_reason_once_below_the_table() -> None:
    loader_known(1e-9)
    path = file_of(asked(simple(0.1, 100), on=("machine", "aws:g5.xlarge")))
    row = next(r for r in json.loads(path.read_text())["rows"] if r["energy_j"] is None)
    page = written(path)
    assert "<td" in page and ">- [1]</td>" in page
    reason = html.escape(row["reasons"]["energy_j"])
    assert len(re.findall(rf'<p class="quiet">\[\d\] {re.escape(reason)}</p>', page)) == 1
    text = report_markdown.markdown(report_words.page(report.report([path])))
    assert "- \\[1\\] |" in text


def test_learning_curves_are_told_by_what_the_target_takes() -> None:
    loader_known(1e-9)
    file = compared(of_steps(by("lora", 0.05)), "lora")
    scratch = curves_study.curve(
        "from_scratch",
        points(lambda n: power(n, a=4), noise=0.05),
        classes=5,
        n_test=300,
        target=0.9,
    )
    path = Path("learn.json")
    shortcuts_file.save(replace(file, curves=(learnt(points(noise=0.05)), scratch)), path)
    page = Reader(written(path))
    assert "To be right in 0.9 of the test, lora takes the fewest samples" in page.text
    assert "What each way learns from" in page.text
    assert any("error against training samples" in (a["alt"] or "") for a in page.of("img"))


def test_the_command_writes_a_page_or_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    path = str(estimate())
    assert status_of(["report", path]) == 2
    assert "-o report.html, or --markdown" in capsys.readouterr().err
    assert status_of(["report", path, "-o", "r.html"]) == 0
    assert Path("r.html").read_text().startswith("<!DOCTYPE html>")
    assert status_of(["report", path, "-o", "r.html"]) == 2
    assert status_of(["report", path, "-o", "r.pdf"]) == 2
    assert status_of(["report", path, "-o", "r.html", "--force"]) == 0
    capsys.readouterr()
    assert status_of(["report", path, "--markdown"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# How long") and "## The options" in out and "|---:" in out
    Path("p.json").write_text(json.dumps(codec.encode(POWER)))
    assert status_of(["report", "p.json", "-o", "y.html"]) == 2
    assert "`hwbench plot power` draws it" in capsys.readouterr().err
    Path("x.json").write_text("[]")
    assert status_of(["report", "x.json", "-o", "y.html"]) == 2
    assert "is no record, estimate or comparison" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("node") is None, reason="no node to read the script with")
def test_the_script_is_one_that_a_browser_can_read() -> None:
    script = Path(report_html.__file__).parent / "page" / "page.js"
    done = subprocess.run(["node", "--check", str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


MOVED = """<script>
var seen = [];
function note() {
  var lines = document.querySelectorAll("#live polyline"), cells = [];
  document.querySelectorAll("#live-rows td").forEach(function (c) { cells.push(c.textContent); });
  seen.push({ first: lines[lines.length - 1].getAttribute("points"), cells: cells,
    size: document.getElementById("size-said").textContent });
}
function set(name, value) {
  var input = document.getElementById(name);
  input.value = value;
  input.dispatchEvent(new Event("input"));
  note();
}
note(); set("price", 30); set("price", 0); set("size", 1000); set("what", "time_s");
document.querySelector("#options th button").click();
var order = [];
document.querySelectorAll("#options tbody tr").forEach(function (r) {
  order.push(r.cells[0].textContent);
});
var told = document.createElement("pre");
told.id = "told";
told.textContent = JSON.stringify({ seen: seen, order: order });
document.body.appendChild(told);
</script></body>"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser to open the page in")
def test_in_a_browser_the_sliders_move_the_curves_and_heads_sort(tmp_path: Path) -> None:
    path = estimate()
    page = tmp_path / "r.html"
    page.write_text(written(path).replace("</body>", MOVED))
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}",
         "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr  # no error, and nothing that the policy had to refuse
    (found,) = re.findall(r'<pre id="told">(.*?)</pre>', done.stdout, re.S)
    told = json.loads(html.unescape(found))
    start, dearer, back, larger, time = told["seen"]
    rows = json.loads(path.read_text())["rows"]
    costs = sorted(r["cost_usd"]["point"] for r in rows if r["cost_usd"])
    assert start["size"] == "10,000 samples"
    shown = [float(c[1:].replace(",", "")) for c in start["cells"][2::3] if c.startswith("$")]
    assert shown == pytest.approx(costs, abs=0.01)  # the file's own, at the plan's own size
    assert dearer["first"] != start["first"] == back["first"]
    raised = [float(c[1:].replace(",", "")) for c in dearer["cells"][2::3] if c.startswith("$")]
    assert raised == pytest.approx([c * 10**0.3 for c in costs], abs=0.02)
    assert larger["size"] == "100,000 samples" and larger["cells"] != start["cells"]
    assert time["first"] != larger["first"]
    assert told["order"] == sorted(told["order"])
