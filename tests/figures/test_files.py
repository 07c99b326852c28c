"""Figures as files: where they go, and that the same records give the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import pytest

from figures.hand_made import write_record
from scalefree.config import ConfigError
from scalefree.experiments import load_experiment
from scalefree.figures import FIGURES, catalogue, draw, draw_all
from scalefree.records import Store

REDRAW = "import sys; from scalefree.figures import draw; from scalefree.records import Store; \
draw(sys.argv[1], 'smoke', Store(sys.argv[2]))"


@pytest.fixture
def store(tmp_path) -> Store:
    """Records of two smoke experiments, each error different."""
    store = Store(tmp_path)
    for name in ("with_bn", "without_bn"):
        for index, cell in enumerate(load_experiment(name, "smoke").cells):
            write_record(store, cell.run, 0.1 + 0.02 * index)
    return store


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_figure_is_a_png_and_a_pdf_below_its_profile(store):
    paths = draw("with_bn", "smoke", store)
    folder = store.root / "figures" / "smoke"
    assert paths == [folder / "with_bn.png", folder / "with_bn.pdf"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and paths[1].read_bytes().startswith(b"%PDF")


def test_redrawing_gives_the_same_bytes_whoever_redraws(store):
    draw("with_bn", "smoke", store)
    first = contents(store.root / "figures" / "smoke")
    # Another process, another hash seed, and a user whose settings are not ours.
    (store.root / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 5\nsavefig.dpi: 30\n")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(store.root)}
    subprocess.run([sys.executable, "-c", REDRAW, "with_bn", str(store.root)], check=True, env=environment)
    assert contents(store.root / "figures" / "smoke") == first
    assert not any(b"CreationDate" in content for content in first.values())


def test_drawing_touches_no_global_setting(store):
    before = dict(matplotlib.rcParams)
    draw("with_bn", "smoke", store)
    assert dict(matplotlib.rcParams) == before


def test_other_records_give_other_figures(store):
    draw("with_bn", "smoke", store)
    first = contents(store.root / "figures" / "smoke")
    write_record(store, load_experiment("with_bn", "smoke").cells[0].run, 0.77)
    draw("with_bn", "smoke", store)
    second = contents(store.root / "figures" / "smoke")
    assert all(second[name] != first[name] for name in first)


def test_all_figures_on_several_processes_are_those_drawn_one_by_one(store, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FIGURES", {name: FIGURES[name] for name in ("without_bn", "with_bn")})
    alone = [path for name in ("without_bn", "with_bn") for path in draw(name, "smoke", store, tmp_path / "alone")]
    paths = draw_all("smoke", store, tmp_path / "together", jobs=2)
    together = contents(tmp_path / "together")
    assert {path.name for path in paths} == set(together)
    assert {path.name: path.read_bytes() for path in alone} == together


def test_figures_of_records_need_no_torch():
    code = "import sys, scalefree.figures; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_figure_is_refused_by_name(store):
    with pytest.raises(ConfigError, match="figure=heatmap is unknown; choose one of without_bn"):
        draw("heatmap", "smoke", store)
