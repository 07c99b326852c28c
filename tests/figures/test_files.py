"""Figure files: where they go, and that the same records give the same bytes."""

import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from experiments.made import Loaded
from figures.hand_made import Made, evidence, fill, world
from scalefree.config import ConfigError, RunConfig
from scalefree.experiments.evidence import Evidence, gather
from scalefree.figures import FIGURES, draw, draw_all, files, pages, png, styled
from scalefree.records import Store

REDRAW = """import sys
from scalefree.experiments.evidence import gather
from scalefree.figures import draw
from scalefree.records import Store
for name in sys.argv[2:]:
    draw(name, gather("smoke", Store(sys.argv[1])))
"""


def plain(config: RunConfig) -> Made | None:
    """Runs of depth 8 that differ only in the method."""
    usual = config.training.loss_multiplier == 1 and not config.training.gradient_unbalance
    return world(config) if usual and config.model.depth == 8 else None


@pytest.fixture
def store(smoke: Loaded, tmp_path: Path) -> Store:
    """A store on disk with records of part of the smoke profile."""
    return fill(tmp_path, smoke, plain)


@pytest.fixture
def found(store: Store) -> Evidence:
    return gather("smoke", store)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_records_are_gathered_from_disk_unchanged(smoke: Loaded, found: Evidence) -> None:
    made = evidence(smoke, plain)
    for name in FIGURES["corners"].needs:
        there = [result.record for result in found.results[name] if result.record is not None]
        expected = [result.record for result in made.results[name] if result.record is not None]
        assert [record.document() for record in there] == [record.document() for record in expected] != []


def test_a_figure_is_a_png_and_a_pdf_in_its_profiles_folder(found: Evidence) -> None:
    paths = draw("corners", found)
    folder = found.store.root / "figures" / "smoke"
    assert paths == [folder / "corners.png", folder / "corners.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and paths[1].read_bytes().startswith(b"%PDF")


def test_a_png_holds_what_matplotlib_draws_and_no_opacity(found: Evidence) -> None:
    with styled():
        figure = pages("corners", found)["corners"]
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file)
        ours, theirs = Image.open(io.BytesIO(png(figure))), Image.open(file)
    assert ours.mode == "RGB" and ours.info["dpi"] == theirs.info["dpi"]
    assert np.asarray(theirs)[..., 3].min() == 255
    assert np.array_equal(np.asarray(ours), np.asarray(theirs)[..., :3])


def test_redrawing_gives_the_same_bytes_in_any_process(found: Evidence) -> None:
    names = ("corners", "with_bn", "effective_decay")
    for name in names:
        draw(name, found)
    root = found.store.root
    first = contents(root / "figures" / "smoke")
    assert {f"{name}.{ending}" for name in names for ending in ("png", "pdf")} <= set(first)
    # Another process, another hash seed, and a user with different settings.
    (root / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 5\nsavefig.dpi: 30\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(root)}
    subprocess.run([sys.executable, "-c", REDRAW, str(root), *names], check=True, env=environment)
    assert contents(root / "figures" / "smoke") == first
    assert not any(b"CreationDate" in content for content in first.values())


def test_drawing_changes_no_global_settings(found: Evidence) -> None:
    before = dict(matplotlib.rcParams)
    draw("corners", found)
    assert dict(matplotlib.rcParams) == before


def test_different_records_give_different_figures(smoke: Loaded, found: Evidence, tmp_path: Path) -> None:
    draw("corners", found, tmp_path / "first")

    def worse(config: RunConfig) -> Made | None:
        made = plain(config)
        return Made(made.error + 1) if made and made.error and config.optimizer.name == "adaml2" else made

    draw("corners", evidence(smoke, worse), tmp_path / "second")
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert first.keys() == second.keys() and all(second[name] != first[name] for name in first)


def test_figures_drawn_in_parallel_equal_those_drawn_one_by_one(
    found: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("corners", "balance")
    monkeypatch.setattr(files, "FIGURES", {name: FIGURES[name] for name in names})
    alone = [path for name in names for path in draw(name, found, tmp_path / "alone")]
    paths = draw_all(found, tmp_path / "together", jobs=2)
    together = contents(tmp_path / "together")
    assert {path.name for path in paths} == set(together)
    assert {path.name: path.read_bytes() for path in alone} == together


def test_drawing_figures_of_records_does_not_import_torch() -> None:
    code = "import sys, scalefree.figures; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_figure_is_refused_by_name(found: Evidence) -> None:
    with pytest.raises(ConfigError, match="figure=heatmap is unknown; choose one of corners"):
        draw("heatmap", found)
