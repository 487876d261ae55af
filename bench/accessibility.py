"""What axe-core finds wrong with a report, in headless Chromium.

`npm pack axe-core && tar xzf axe-core-*.tgz`, then `python -m bench.accessibility REPORT.html...`
prints what it found for each page; exits with 1 where a finding is serious or critical. The page is
tried as a copy without its policy, which would refuse a script that is not its own.
"""

import argparse
import html
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

GRAVE = ("serious", "critical")
_RUN = """axe.run(document, {resultTypes: ["violations", "incomplete"]}).then(function (found) {
  var told = document.createElement("pre");
  function short(v) { return { id: v.id, impact: v.impact, help: v.help,
    where: v.nodes.slice(0, 3).map(function (n) { return n.html.slice(0, 120); }) }; }
  told.id = "axe-told";
  told.textContent = JSON.stringify({ violations: found.violations.map(short),
    undecided: found.incomplete.map(short), passes: found.passes.length });
  document.body.appendChild(told);
});"""


def findings(page: Path, axe: Path) -> dict[str, list[dict[str, str]]]:
    """Return what axe says of a page."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    scripts = axe.read_text(encoding="utf-8").replace("</script>", "<\\/script>")
    text = text.replace("</body>", f"<script>{scripts}</script><script>{_RUN}</script></body>")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "page.html"
        copy.write_text(text, encoding="utf-8")
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
             f"--user-data-dir={scratch}/profile", "--virtual-time-budget=60000", "--dump-dom",
             copy.as_uri()],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
    (found,) = re.findall(r'<pre id="axe-told">(.*?)</pre>', done.stdout, re.S)
    told: dict[str, list[dict[str, str]]] = json.loads(html.unescape(found))
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--axe", type=Path, default=Path("package/axe.min.js"))
    asked = parser.parse_args()
    grave = 0
    for page in asked.pages:
        told = findings(page, asked.axe)
        print(f"{page}: {told['passes']} rules passed")
        for kind in ("violations", "undecided"):
            for v in told[kind]:
                print(f"  {kind} {v['impact']}: {v['id']}: {v['help']}: {v['where'][0]}")
        grave += sum(v["impact"] in GRAVE for v in told["violations"])
    sys.exit(1 if grave else 0)


if __name__ == "__main__":
    main()
