"""The whole page: one self-contained file, the same for the same store."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from report.hand_made import STATES, fill, put, record, smoke_runs
from report.reading import read
from scalefree import figures
from scalefree.config import ConfigError
from scalefree.experiments.evidence import gather
from scalefree.figures import pages, styled
from scalefree.records import Outcome, Store
from scalefree.report import render, write

SECTIONS = ["found", "claims", "figures", "explore", "atlas", "coverage", "provenance", "runs"]


def test_the_page_has_every_section_and_no_external_resources(page: Path) -> None:
    assert page == page.parents[1] / "report" / "smoke.html"
    text = page.read_text()
    root = read(text.removeprefix("<!doctype html>"))
    assert [section.attributes["id"] for section in root.all("section")] == SECTIONS
    without_images = re.sub(r'"data:image/png;base64,[^"]*"', '""', text)
    assert not re.search(r"https?:|url\(|@import|<link|<iframe|<object|srcset", without_images)
    assert all(str(image.attributes["src"]).startswith("data:image/png;base64,") for image in root.all("img"))
    assert all("src" not in script.attributes for script in root.all("script"))
    policies = [str(meta.attributes["content"]) for meta in root.all("meta") if "http-equiv" in meta.attributes]
    assert len(policies) == 1 and policies[0].startswith("default-src 'none'; img-src data:;")


def test_links_inside_the_page_have_targets(page: Path) -> None:
    root = read(page.read_text().removeprefix("<!doctype html>"))
    targets = set(re.findall(r' id="([^"]+)"', page.read_text()))
    inside = [str(link.attributes["href"]) for link in root.all("a") if str(link.attributes["href"]).startswith("#")]
    assert {link[1:] for link in inside if "=" not in link} <= targets
    assert len(targets) == len(re.findall(r' id="([^"]+)"', page.read_text()))


def test_figures_are_whole_images_with_alt_texts_and_captions(page: Path) -> None:
    store = Store(page.parents[1])
    evidence = gather("smoke", store)
    with styled():
        drawn = {**pages("without_bn", evidence), "nothing": figures.THEORY["nothing"]()}
    shown = read(page.read_text().removeprefix("<!doctype html>")).all("figure")
    assert len(shown) == len(drawn) > 1
    for figure, (stem, made) in zip(shown, drawn.items(), strict=True):
        image = figure.one("img").attributes
        with Image.open(io.BytesIO(base64.b64decode(str(image["src"]).partition(",")[2]))) as opened:
            opened.load()
            assert opened.size == (int(str(image["width"])), int(str(image["height"])))
            inches = made.get_size_inches()
            assert opened.size[0] / opened.size[1] == pytest.approx(inches[0] / inches[1], rel=0.01)
        assert stem in str(image["alt"]) and len(str(image["alt"])) > len(stem) + 3
        caption = figure.one("figcaption").text
        assert caption.startswith(f"{stem}. ") and "\n" not in caption
        assert ("Drawn <by hand>." if stem == "nothing" else "profile smoke") in caption


def test_the_same_store_gives_the_same_page(page: Path) -> None:
    first = page.read_bytes()
    assert write("smoke", page.parents[1]).read_bytes() == first


def test_another_record_changes_the_page(page: Path) -> None:
    first = page.read_text()
    store = Store(page.parents[1])
    (store.directory(next(iter(smoke_runs()))) / "record.json").unlink()
    assert len(STATES) == len(smoke_runs())
    assert render("smoke", store.root) != first


def test_the_page_of_an_empty_store_says_so(tmp_path: Path, made_up: None) -> None:
    page = read(render("smoke", tmp_path / "nowhere").removeprefix("<!doctype html>"))
    assert "no records for this profile yet" in page.one("p", class_="notice").text
    assert "make reproduce-figures PROFILE=smoke" in page.one("p", class_="notice").text
    assert [image.attributes["alt"] for image in page.all("img")] == ["A figure of nothing (nothing)"]
    assert "Nothing to show yet for without_bn." in page.one("section", id="figures").text
    assert {row.attributes["data-status"] for row in page.one("table", id="runs-table").one("tbody").all("tr")} == {
        "missing"
    }
    assert not (tmp_path / "nowhere").exists()


def test_the_page_of_a_filled_store_has_no_notice(page: Path) -> None:
    assert 'class="notice"' not in page.read_text()


def test_runs_of_other_profiles_are_listed_but_are_not_evidence(tmp_path: Path, made_up: None) -> None:
    store = Store(tmp_path)
    fill(store)
    page = read(render("h200", store.root).removeprefix("<!doctype html>"))
    assert page.all("p", class_="notice") and len(page.all("img")) == 1
    rows = page.one("table", id="runs-table").one("tbody").all("tr")
    others = [row for row in rows if row.attributes["data-experiment"] == ""]
    assert len(others) == len(store.records())


# Text that a record may contain in its free-text entries.
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>${profile}$style&lt;b&gt;\x1b[2J\udce9"


def test_text_from_records_is_shown_but_not_executed(tmp_path: Path, made_up: None) -> None:
    store = Store(tmp_path)
    first, second, *_ = smoke_runs().values()
    environment = {"device": HOSTILE, "commit": HOSTILE, "packages": {"torch": HOSTILE}, HOSTILE[:60]: HOSTILE}
    put(store, record(first, environment=environment))
    put(store, record(second, None, outcome=Outcome("failed", 0, f"Traceback\n{HOSTILE}")))
    assert len(store.records()) == 2
    page = render("smoke", store.root)
    assert page.encode()
    root = read(page.removeprefix("<!doctype html>"))
    assert len(root.all("script")) == 3 and all("onerror" not in node.attributes for node in root.all("img"))
    assert page.count("&lt;script&gt;alert(1)") >= 4, "the failure, the device, the commit and a package"
    assert "<script>alert" not in page and "${profile}$style" in page and "\\udce9" in page


def test_a_bad_record_breaks_nothing_else_on_the_page(tmp_path: Path, made_up: None) -> None:
    store = Store(tmp_path)
    first, second, *_ = smoke_runs().values()
    for config in (first, second):
        put(store, record(config))
    bad = store.directory(next(iter(smoke_runs()))) / "record.json"
    for content in (b"", b"[" * 100_000, bad.read_bytes().replace(b'"wall_seconds": 60.0', b'"wall_seconds": NaN')):
        bad.write_bytes(content)
        rows = read(render("smoke", store.root)).one("table", id="runs-table").one("tbody").all("tr")
        states = [str(row.attributes["data-status"]) for row in rows]
        assert states.count("completed") == 1 and set(states) == {"completed", "missing"}


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="profile=huge is unknown"):
        write("huge", tmp_path)
    assert list(tmp_path.iterdir()) == []
