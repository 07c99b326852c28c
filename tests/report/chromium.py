"""Opens pages in a real browser: frames of given widths, each of which reports what it shows."""

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=10000", "--dump-dom"),
)

# Added to a copy of the page: tells the surrounding frame what a reader would see, after running the frame's steps.
_LOOK = """<script>addEventListener("load", async () => {
  const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
  const explorer = document.getElementById("explorer");
  for (let tries = 0; explorer && !("ready" in explorer.dataset) && tries < 200; tries++) await pause(10);
  %s;
  setTimeout(() => {
    const seen = [...document.querySelectorAll("#runs-table tbody tr")].filter((row) => row.getClientRects().length);
    parent.postMessage({frame: window.name, saw: {
      width: innerWidth, overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      images: document.images.length,
      broken: [...document.images].filter((image) => !image.complete || !image.naturalWidth).length,
      requests: performance.getEntriesByType("resource").filter((entry) => !entry.name.startsWith("data:")).length,
      names: seen.map((row) => row.cells[0].textContent), shown: document.getElementById("runs-shown")?.textContent,
      scrolled: scrollY, hash: location.hash,
      chart: explorer && {
        hidden: explorer.hidden, said: document.getElementById("explorer-shown").textContent,
        rows: [...document.querySelectorAll("#explorer-lines tbody tr")]
          .map((row) => [...row.cells].map((cell) => cell.textContent)),
        head: [...document.querySelectorAll("#explorer-lines th")].at(-1)?.textContent,
        drawn: document.querySelectorAll("#explorer-chart .line").length,
        crosses: document.querySelectorAll("#explorer-chart .cross").length,
        ticks: [...document.querySelectorAll("#explorer-chart .tick")].map((tick) => tick.textContent),
        heights: [...document.querySelectorAll("#explorer-chart .tick")].map((tick) => Number(tick.getAttribute("y"))),
        reading: document.getElementById("explorer-reading").textContent,
        same: document.getElementById("explorer-same").textContent,
        offered: [...document.querySelectorAll("#explorer-facets fieldset")]
          .filter((set) => set.getClientRects().length)
          .map((set) => [set.querySelector("legend").textContent,
            ...[...set.querySelectorAll("label")].filter((label) => !label.hidden).map((label) => label.textContent)]),
        unnamed: [...explorer.querySelectorAll("input, select, button")].filter((control) =>
          !(control.labels?.[0]?.textContent ?? control.textContent).trim()).length,
      },
      sorted: [...document.querySelectorAll("[aria-sort]")].map((head) => [head.dataset.key, head.ariaSort]),
    }}, "*");
  }, 50);
});</script></body>"""
_FRAMES = """<html><body><script>
  const saw = {};
  addEventListener("message", (event) => {
    saw[event.data.frame] = event.data.saw;
    document.documentElement.dataset.saw = JSON.stringify(saw);
  });
</script>%s</body></html>"""


@dataclass(frozen=True)
class Frame:
    """A reader of the page: the URL fragment, the window's width, and steps to run once it is loaded."""

    fragment: str = ""
    width: int = 1280
    steps: str = ""


def browser() -> str:
    """The path of a browser; without one the test is skipped."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium on PATH (Debian: apt-get install chromium)")


def look(page: Path, folder: Path, frames: dict[str, Frame]) -> tuple[dict[str, Any], list[str]]:
    """What each frame saw, by name, and every console line; the copies go to `folder`."""
    program = browser()
    copies = []
    for name, frame in frames.items():
        (folder / f"{name}.html").write_text(page.read_text().replace("</body>", _LOOK % frame.steps))
        source = html.escape(f"{name}.html{frame.fragment}")
        copies.append(
            f'<iframe name="{name}" src="{source}" width="{frame.width}" height="800" style="border:0"></iframe>'
        )
    around = folder / "frames.html"
    around.write_text(_FRAMES % "".join(copies))
    command = [program, *FLAGS, f"--user-data-dir={folder / 'browser'}", around.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    console = re.findall(r":CONSOLE[^\]]*\] (.*)", done.stderr)
    written = re.search(r'<html[^>]* data-saw="([^"]*)"', done.stdout)
    assert written, f"nothing came back from {program}: {done.stderr[-2000:]}"
    saw = json.loads(html.unescape(written[1]))
    assert saw.keys() == frames.keys()
    return saw, console
