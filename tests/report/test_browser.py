"""The page in headless Chromium: no broken images, nothing on the console, and a working filter."""

from pathlib import Path

from report.chromium import Frame, look
from report.hand_made import EXPERIMENT, smoke_runs
from scalefree.report import write

PHONE = 360
NAMES = list(smoke_runs())

FRAMES = {
    "desktop": Frame(),
    "phone": Frame(width=PHONE),
    "words": Frame("#filter=adamw"),
    "selects": Frame("#depth=8&bn=no&status=completed&filter=seed0"),
    "nothing": Frame("#optimizer=sgd"),
    "encoded": Frame("#filter=ADAMW%20%20diverged"),
    "experiment": Frame(f"#experiment={EXPERIMENT}"),
    "ascending": Frame("#sort=error"),
    "descending": Frame("#sort=-error"),
    "section": Frame("#coverage"),
    # A reader types, chooses and sorts twice.
    "reader": Frame(
        steps="""
        const form = document.getElementById("runs-form");
        form.elements.filter.value = "seed0"; form.elements.status.value = "completed";
        form.dispatchEvent(new Event("input"));
        const head = document.querySelector("[data-key=error] button"); head.click(); head.click()"""
    ),
    "reset": Frame(
        "#filter=nothing-like-it&sort=error",
        steps="""document.querySelector("#runs-form [type=reset]").click()""",
    ),
    "later": Frame("#filter=adamw", steps="""location.hash = "#filter=adaml2" """),
}


def test_the_page_works_in_chromium(page: Path, tmp_path: Path) -> None:
    saw, console = look(page, tmp_path, FRAMES)
    assert console == []
    for name, frame in FRAMES.items():
        assert saw[name]["images"] > 0 and saw[name]["broken"] == 0 and saw[name]["requests"] == 0
        # Tables scroll inside their own containers; the page itself never scrolls sideways.
        assert saw[name]["width"] == frame.width and saw[name]["overflow"] <= 0, name

    every = saw["desktop"]["names"]
    assert set(NAMES) < set(every) and saw["desktop"]["shown"] == f"{len(every)} of {len(every)} runs"
    assert saw["phone"]["names"] == every

    adamw = [name for name in every if "adamw" in name]
    assert 0 < len(adamw) < len(every)
    assert saw["words"]["names"] == adamw
    assert saw["words"]["shown"] == f"{len(adamw)} of {len(every)} runs"
    assert saw["words"]["scrolled"] > 0 and saw["desktop"]["scrolled"] == 0
    completed = [name for name in NAMES[:2] if "resnet8" in name]
    assert saw["selects"]["names"] == completed != []
    assert saw["nothing"]["names"] == []
    assert saw["encoded"]["names"] == NAMES[2:3]
    assert sorted(saw["experiment"]["names"]) == sorted(NAMES)
    assert saw["section"]["names"] == every and saw["section"]["hash"] == "#coverage"

    # Three completed and one diverged run; those without an error come last in either direction.
    other = next(name for name in every if "seed77" in name)
    assert saw["ascending"]["names"][:4] == [*NAMES[:2], other, NAMES[2]]
    assert saw["descending"]["names"][:4] == [NAMES[2], other, *NAMES[:2]]
    assert saw["descending"]["sorted"] == [["error", "descending"]]

    assert saw["reader"]["names"] == NAMES[:2]
    assert saw["reader"]["hash"] == "#filter=seed0&status=completed&sort=-error"
    assert saw["reset"]["names"] == every and saw["reset"]["hash"] == "#runs" and saw["reset"]["sorted"] == []
    assert saw["later"]["names"] == [name for name in every if "adaml2" in name]


def test_the_check_finds_a_broken_page(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    broken = text.replace("base64,iVBOR", "base64,xxxxx", 1).replace('"use strict";', "nonsense();", 1)
    broken = broken.replace("</main>", '<img src="https://example.org/x.png"><hr style="width: 2000px"></main>')
    page.write_text(broken)
    saw, console = look(page, tmp_path, {"desktop": Frame()})
    assert saw["desktop"]["broken"] == 2 and saw["desktop"]["overflow"] > 0
    assert any("nonsense is not defined" in line for line in console)
    assert any("Content Security Policy" in line for line in console)


def test_a_page_without_records_has_no_errors(tmp_path: Path, made_up: None) -> None:
    page = write("smoke", tmp_path / "results")
    saw, console = look(page, tmp_path, {"phone": Frame("#filter=adamw", width=PHONE)})
    assert console == [] and saw["phone"]["images"] == 1 and saw["phone"]["overflow"] <= 0
    assert saw["phone"]["names"] and all("adamw" in name for name in saw["phone"]["names"])
