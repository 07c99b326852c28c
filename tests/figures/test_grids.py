"""Heatmap pages: which there are, which cells are framed, the paper's numbers, and a selection in progress."""

from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, to_hex
from matplotlib.figure import Figure

from experiments.made import Loaded, load
from figures.hand_made import Made, chance, evidence, world
from figures.reading import caption, lines, texts, title
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.frozen import Cell, Frozen
from scalefree.experiments.names import number
from scalefree.figures import pages, styled
from scalefree.figures.caption import beyond
from scalefree.figures.heatmap import error_colorbar
from scalefree.figures.published import is_published, mark_published_shares, published_grid
from scalefree.figures.style import ALPHA, LAMBDA, ordered

L2 = "Adam-\u2113\u2082"


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [(7.9, 91, ["7.9", "18", "40", "91"]), (36.8, 38.6, ["36.8", "37.4", "38", "38.6"])],
)
def test_labels_of_the_colour_scale_differ(low: float, high: float, labels: list[str]) -> None:
    figure = Figure()
    error_colorbar(figure, LogNorm(low, high), [figure.subplots()])
    assert [tick.get_text() for tick in figure.axes[1].get_yticklabels()] == labels


@pytest.fixture(scope="module")
def selection(full: Evidence) -> Figure:
    with styled():
        return pages("selection", full)["selection"]


@pytest.fixture(scope="module")
def in_progress(begun: Evidence) -> Figure:
    with styled():
        return pages("selection", begun)["selection"]


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title()]


def framed(axes: Axes, gid: str) -> set[tuple[str, str]]:
    """Step size and decay of the framed cells, according to their ticks."""
    corners = {patch.get_xy() for patch in axes.patches if patch.get_gid() == gid}
    rows, columns = ([label.get_text() for label in of] for of in (axes.get_yticklabels(), axes.get_xticklabels()))
    return {(rows[round(y + 0.5)], columns[round(x + 0.5)]) for x, y in corners}


def test_the_selection_shows_each_grid_and_the_frozen_cell(selection: Figure) -> None:
    assert title(selection) == "Selection of step sizes and decays"
    titles = [axes.get_title() for axes in panels(selection)]
    assert len(titles) == 3 * 4 + 2 + 2 + 2 + 2 and titles.count("AdamW") == 6
    assert [framed(axes, "chosen") for axes in panels(selection) if axes.get_title() == "AdamW"] == [
        {("2e-3", "1e-3")}
    ] * 6
    assert {str(framed(axes, "chosen")) for axes in panels(selection) if axes.get_title() == L2} == {
        str({("1e-3", "3e-4")})
    }
    assert "so far" not in caption(selection) and "frozen for the confirmation seeds" in caption(selection)


def test_a_selection_in_progress_says_so_and_shows_its_progress(in_progress: Figure) -> None:
    assert title(in_progress).endswith(": in progress, no cell has been chosen yet")
    titles = [axes.get_title() for axes in panels(in_progress)]
    # Three of eight decays are below 1e-3; for the coarser rungs six of seven.
    assert titles.count("AdamW\n15 of 40 cells") == 3 and titles.count("AdamW\n18 of 48 cells") == 1  # with BatchNorm
    assert f"scaled {L2} by layer\n24 of 28 cells" in titles
    assert all(framed(axes, "chosen") == set() for axes in panels(in_progress))
    assert "Dashed frames: the lowest error so far, which decides nothing" in caption(in_progress)
    crossed = sum(len(lines(axes, "missing")) for axes in panels(in_progress))
    assert crossed > 0 and "missing" in caption(in_progress)


def test_the_lowest_cell_so_far_is_complete_and_has_the_lowest_validation_error(
    begun: Evidence, in_progress: Figure
) -> None:
    network, grid = next((n, of) for n, of in begun.grids("selection").items() if n.label == "resnet80w8-nobn")
    points = [point for point in grid["adamw"] if point.status == "completed"]
    best = min(points, key=lambda point: point.exact_error("validation") or 0)
    assert network.depth == 80 and best.weight_decay < 1e-3
    cell = (f"{best.lr:.0e}".replace("e-0", "e-"), f"{best.weight_decay:.0e}".replace("e-0", "e-"))
    every = [framed(axes, "so far") for axes in panels(in_progress) if axes.get_title().startswith("AdamW")]
    assert {cell} in every and all(len(of) == 1 for of in every)


def test_a_cell_at_the_edge_of_its_grid_is_named(full: Evidence) -> None:
    import dataclasses

    cells = {network: dict(methods) for network, methods in full.frozen.cells.items()}
    cells["resnet80w8-nobn"]["adamw"] = dataclasses.replace(cells["resnet80w8-nobn"]["adamw"], edges=("larger lr",))
    edged = dataclasses.replace(full, frozen=dataclasses.replace(full.frozen, cells=cells))
    with styled():
        figure = pages("selection", edged)["selection"]
        corners = pages("corners", edged)["corners"]
    assert [axes.get_title() for axes in panels(figure)].count(f"AdamW\nat the edge: larger {ALPHA}") == 1
    assert f"provisional: AdamW in ResNet-80 (larger {ALPHA})" in caption(corners)
    with styled():
        assert "provisional" not in caption(pages("corners", full)["corners"])


def test_sides_of_a_grid_are_named_like_its_axes() -> None:
    assert beyond(("larger weight_decay", "larger lr")) == f"larger {LAMBDA} and {ALPHA}"
    assert beyond(("larger weight_decay", "smaller lr")) == f"larger {LAMBDA}, smaller {ALPHA}"


def test_heatmaps_have_an_overview_and_one_page_per_network(full: Evidence) -> None:
    with styled():
        drawn = pages("with_bn", full)
    assert list(drawn) == ["with_bn", "with_bn_resnet38w8-bn"]
    sheet = drawn["with_bn_resnet38w8-bn"]
    assert title(sheet) == "Test errors with BatchNorm: ResNet-38 with BN"
    # Two heatmaps, their colour bar, and three panels below.
    assert len(sheet.axes) == 6
    assert "20 confirmation seeds, all at AdamW's best cell with a decay" in caption(sheet)
    entries = [text.get_text() for text in sheet.legends[0].get_texts()]
    assert [entry.partition(": test error ")[0] for entry in entries] == [
        "AdamW at (2e-3, 1e-3)",
        f"{L2} at (2e-3, 1e-3)",
    ]


def test_captions_say_when_methods_share_a_run(full: Evidence, quick: Loaded) -> None:
    with styled():
        shared = caption(pages("with_bn", full)["with_bn"])
        without = caption(pages("without_bn", evidence(quick, world))["without_bn"])
    assert "methods are the same algorithm and share one run" in shared
    assert "share one run" not in without, "all decays of quick's grids are above 0"


def test_a_profile_with_one_cell_shows_its_curves_and_says_that_nothing_was_tuned(quick: Loaded) -> None:
    with styled():
        drawn = pages("without_bn", evidence(quick, world))
    assert set(drawn) == {"without_bn", "without_bn_resnet20w8-nobn", "without_bn_resnet80w8-nobn"}
    for figure in drawn.values():
        said = caption(figure)
        assert (
            "black frame: the only cell tried" in said
            and "Step sizes and decays were not tuned for each method" in said
        )
        assert "chosen" not in said and "best" not in said and "own cell" not in said
    assert "2 seeds, all at the only cell" in caption(drawn["without_bn_resnet80w8-nobn"])


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure]:
    """The paper's grids without held-out images, at two of its decays; cells are known only at depth 110."""

    def some(config: RunConfig) -> bool:
        return config.optimizer.weight_decay in (1e-4, 5e-4) and config.model.depth in (56, 110)

    known = {"adamw": Cell(5e-4, 1e-4, None, ()), "adaml2": Cell(1e-3, 5e-4, None, ())}
    loaded = load("paper", Frozen({"resnet110-nobn": known}, 0, ""), tmp_path_factory.mktemp("paper"))
    found = evidence(loaded, lambda config: world(config) if some(config) else None)
    with styled():
        return {**pages("without_bn", found), **pages("depth", found)}


def test_the_papers_numbers_are_shown_only_beside_resnet_110(papers: dict[str, Figure]) -> None:
    assert {"without_bn_resnet56-nobn", "without_bn_resnet110-nobn"} <= set(papers)
    assert not any("the paper's" in text for text in texts(papers["without_bn_resnet56-nobn"])[:-1])
    shown = texts(papers["without_bn_resnet110-nobn"])
    assert "AdamW: the paper's, 300 epochs" in shown and "11.5" in shown and "14.6" in shown
    assert "read off its figures" in caption(papers["without_bn_resnet110-nobn"])


def test_published_cells_are_framed_and_named_in_the_caption(papers: dict[str, Figure]) -> None:
    sheet = papers["without_bn_resnet110-nobn"]
    assert "black frame: the best published cell" in caption(sheet)
    assert framed(sheet.axes[0], "chosen") == {("5e-4", "1e-4")}
    assert "each method at its own cell" in caption(sheet) and "validation" not in caption(sheet)
    assert "are the best published ones. Nothing here was planned" in caption(papers["depth"])


def test_without_known_cells_or_held_out_images_the_lowest_test_error_is_shown(papers: dict[str, Figure]) -> None:
    sheet = papers["without_bn_resnet56-nobn"]
    assert "each method where its test error is lowest" in caption(sheet) and "black frame" not in caption(sheet)
    rings = [lines(axes, "lowest") for axes in sheet.axes[:2]]
    cells = [text.get_text() for text in sheet.legends[0].get_texts()]
    for axes, (ring,), cell in zip(sheet.axes[:2], rings, cells, strict=True):
        row, column = (round(float(values[0])) for values in (ring.get_ydata(), ring.get_xdata()))
        lr, decay = (of[at].get_text() for of, at in ((axes.get_yticklabels(), row), (axes.get_xticklabels(), column)))
        assert f"at ({lr}, {decay}): " in cell


def test_without_known_cells_or_held_out_images_nothing_is_compared(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    loaded = load("paper", Frozen({}, 0, ""), tmp_path_factory.mktemp("unknown"))
    with styled():
        (figure,) = pages("prox_equivalence", evidence(loaded, world)).values()
    assert list(figure.axes) == []
    said = "no images are held out for choosing step sizes and decays, and none are chosen by test error here"
    assert f"prox_equivalence: {said}" in texts(figure)


PAPERS = {"dataset": "cifar10", "model": "resnet", "model.depth": 110, "model.batch_norm": False, "optimizer": "adamw"}


@pytest.mark.parametrize(
    "key, value",
    [
        ("model.batch_norm", True),
        ("dataset", "cifar100"),
        ("model.width", 8),
        ("dataset.resolution", 16),
        ("training.loss_multiplier", 100),
        ("model.initialization", "zero_last"),
    ],
)
def test_other_networks_data_and_losses_are_not_published_ones(key: str, value: object) -> None:
    assert is_published(run_config(PAPERS))
    assert not is_published(run_config({**PAPERS, key: value}))


def test_published_cells_have_the_papers_values() -> None:
    grid = published_grid("adamw", weight_decays=[1e-2])
    assert grid.labels[grid.place(5e-4, 1e-4)] == "11.5"
    assert grid.labels[grid.place(5e-3, 1e-3)] == "30"
    assert grid.labels[grid.place(5e-3, 0.0)] == ">40"
    assert grid.states[grid.place(5e-4, 1e-2)] == "absent"
    assert published_grid("adaml2").errors[published_grid("adaml2").place(1e-4, 5e-3)] == pytest.approx(15)


def test_published_shares_are_in_the_middle_of_their_bins() -> None:
    axes = Figure().subplots()
    mark_published_shares(axes)
    marks = {
        (float(x.get_xdata()[0]), float(x.get_ydata()[0])): x.get_markeredgecolor() for x in lines(axes, "published")
    }
    assert marks[(-2.5, 0.18)] == "#0072B2" and marks[(-6.5, 0.045)] == "#D55E00"
    assert sorted(y for (x, y), color in marks.items() if x < -27) == [0.34, 0.38]
    assert {to_hex(color) for (x, _), color in marks.items() if x < -27} == {"#555555"}


def test_the_selections_colours_and_frames_show_validation_errors(tmp_path: Path) -> None:
    """Here the best cell on the held-out images is the worst on the test images."""

    def turned(config: RunConfig) -> Made:
        error = 20 + 10 * chance(config.model, config.optimizer)
        return Made(error, validation=90 - error)

    found = evidence(load("cifar16", None, tmp_path), turned)
    with styled():
        figure = pages("selection", found)["selection"]
    grids = [of[method] for of in found.grids("selection").values() for method in ordered(of)]
    assert len(grids) == len(panels(figure))
    for points, axes in zip(grids, panels(figure), strict=True):
        worst = max(points, key=lambda point: point.exact_error("test") or 0)
        expected = {(number(worst.lr), number(worst.weight_decay))} if len(points) > 1 else set()
        assert framed(axes, "so far") == expected
        assert ("no choice" in axes.get_title()) == (len(points) == 1)
        (mesh,) = (child for child in axes.get_children() if isinstance(child, QuadMesh))
        errors = sorted(float(100 * (point.exact_error("validation") or 0)) for point in points)
        assert sorted(mesh.get_array().compressed().tolist()) == pytest.approx(errors) and min(errors) > 60
