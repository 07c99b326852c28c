"""Whole pages: which files, their captions, the paper's numbers, and that nothing is too small to read."""

import pytest
from matplotlib.text import Text
from scalefree.figures.comparison import all_at_the_first_ones_best

from figures.hand_made import DIVERGED, evidence, experiment
from scalefree.config import RunConfig
from scalefree.experiments.names import slugs
from scalefree.figures import FIGURES, gather, pages, styled
from scalefree.figures.published import is_published, published_grid
from scalefree.records import Store

TWO_BY_TWO = {"optimizer.lr": [1e-3, 1e-2], "optimizer.weight_decay": [0, 1e-3]}
# A grid for every figure that shows what it can: several settings, two seeds, heatmaps or lines.
GRIDS = {
    "without_bn": {**TWO_BY_TWO, "model.depth": [8, 14], "seed": [0, 1]},
    "with_bn": {**TWO_BY_TWO, "model.depth": [8, 14], "model.batch_norm": True},
    "depth": {"model.depth": [8, 14], "model.batch_norm": [False, True], "seed": [0, 1, 2]},
    "prox_equivalence": {**TWO_BY_TWO, "optimizer": ["adamw", "adamprox"], "schedule": ["constant", "cosine"]},
    "loss_scale": {"training.loss_multiplier": [1, 10, 100]},
    "metric_prox": {**TWO_BY_TWO, "optimizer": ["adaml2", "adamw", "adam_metric_prox"]},
    "epsilon": {"optimizer.eps": [0, 1e-8, 1e-3], "seed": [0, 1, 2]},
    "initialization": {"model.initialization": ["kaiming", "zero_last", "fixup"]},
    "seeds": {"model.depth": [8, 14], "seed": [0, 1, 2]},
}


def error_of(run: RunConfig) -> float | str:
    return 0.2 + 0.01 * run.seed + 5 * run.optimizer.weight_decay + 0.05 * (run.optimizer.name == "adaml2")


def texts(figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def caption_of(figure) -> str:
    return max(texts(figure), key=len).replace("\n", " ")


def test_every_figure_has_a_grid_here():
    assert set(GRIDS) == set(FIGURES)


@pytest.mark.parametrize("name", GRIDS)
def test_all_text_is_at_least_seven_points(tmp_path, name):
    with styled():
        for figure in pages(name, evidence(tmp_path, name, GRIDS[name], error_of)).values():
            assert figure.get_figwidth() == 6.5
            assert min(text.get_fontsize() for text in figure.findobj(Text)) >= 7


@pytest.mark.parametrize("name", GRIDS)
def test_an_empty_store_gives_a_page_that_says_so(tmp_path, name):
    made = experiment(name, GRIDS[name])
    with styled():
        drawn = pages(name, gather(made, "hand-made", Store(tmp_path), {}))
    assert set(drawn) == {name}
    assert f"{name}: no records yet of its {len({cell.identity for cell in made.cells})} runs" in texts(drawn[name])


@pytest.mark.parametrize("name", GRIDS)
def test_one_record_is_enough(tmp_path, name):
    first = next(iter(experiment(name, GRIDS[name]).cells)).identity
    one = evidence(tmp_path, name, GRIDS[name], lambda run: 0.5)
    some = gather(one.experiment, "hand-made", one.store, {first: one.store.records()[first]})
    with styled():
        for figure in pages(name, some).values():
            figure.draw_without_rendering()


def test_the_caption_counts_cells(tmp_path):
    def error(run: RunConfig) -> float | str | None:
        if run.optimizer.name == "adaml2" and run.optimizer.lr == 1e-2:
            return DIVERGED
        if run.optimizer.name == "adamw" and run.optimizer.weight_decay > 0:
            return None if run.optimizer.lr == 1e-2 or run.seed else 0.3
        return 0.4

    grid = {**TWO_BY_TWO, "seed": [0, 1], "training.batch_size": 16}
    with styled():
        drawn = pages("without_bn", evidence(tmp_path, "without_bn", grid, error))
    text = caption_of(drawn["without_bn"])
    # 8 cells: Adam-l2 at 1e-2 with decay diverged; AdamW with decay lacks one seed at 1e-3 and everything at 1e-2.
    assert "7 of 8 cells, 1 diverged, 1 with seeds missing, 1 missing" in text
    assert "Digits 8x8, width 8; profile hand-made: 4 epochs, batch 16, 2 seeds" in text
    assert "optimizers are one algorithm and share one run" in text


def test_no_word_about_shared_runs_where_every_cell_has_a_decay(tmp_path):
    grid = {"optimizer.weight_decay": [1e-3]}
    with styled():
        drawn = pages("with_bn", evidence(tmp_path, "with_bn", grid, error_of))
    assert "share one run" not in caption_of(drawn["with_bn"])


def test_heatmaps_get_a_sheet_a_setting_and_lines_do_not(tmp_path):
    with styled():
        several = pages("without_bn", evidence(tmp_path / "a", "without_bn", GRIDS["without_bn"], error_of))
        single = pages("loss_scale", evidence(tmp_path / "b", "loss_scale", GRIDS["loss_scale"], error_of))
    assert list(several) == ["without_bn", "without_bn_resnet8w8-nobn", "without_bn_resnet14w8-nobn"]
    assert list(single) == ["loss_scale"]
    # Two heatmaps, three panels and a colour bar; two rows of them share one bar in the overview.
    assert len(several["without_bn_resnet8w8-nobn"].axes) == 6
    assert len(several["without_bn"].axes) == 11


def test_files_of_one_figure_never_share_a_name():
    settings = experiment("x", {"training.epochs": [1, 2], "schedule": ["constant", "cosine"]})
    names = slugs([cell.config for cell in settings.cells[::4]])
    assert len(set(names)) == len(names) == 4


def test_curves_of_the_prox_are_taken_at_equal_cells_with_a_decay(tmp_path):
    grid = {**TWO_BY_TWO, "optimizer": ["adamw", "adamprox"]}

    def error(run: RunConfig) -> float:
        # Without decay everything is best; AdamProx alone prefers the larger step size.
        prefers = 1e-2 if run.optimizer.name == "adamprox" else 1e-3
        return 0.1 if run.optimizer.weight_decay == 0 else 0.2 + 0.1 * (run.optimizer.lr != prefers)

    setting = evidence(tmp_path, "x", grid, error).settings[0]
    chosen = all_at_the_first_ones_best(setting, ["adamw", "adamprox"])
    assert {(name, p.lr, p.weight_decay) for name, p in chosen.items()} == {
        ("adamw", 1e-3, 1e-3),
        ("adamprox", 1e-3, 1e-3),
    }


PAPERS = {"dataset": "cifar10", "model.depth": 110, "model.width": 16, **TWO_BY_TWO}


def test_the_papers_numbers_stand_beside_resnet_110_only(tmp_path):
    found = evidence(tmp_path, "without_bn", {**PAPERS, "model.depth": [56, 110]}, error_of)
    with styled():
        drawn = pages("without_bn", found)
    assert not any("paper" in text for text in texts(drawn["without_bn_resnet56-nobn"]))
    shown = texts(drawn["without_bn_resnet110-nobn"])
    assert "AdamW: the paper's, 300 epochs" in shown and "11.5" in shown and "14.6" in shown
    assert "read off its figures" in caption_of(drawn["without_bn_resnet110-nobn"])


@pytest.mark.parametrize("key, value", [("model.batch_norm", True), ("dataset", "cifar100"), ("model.width", 8)])
def test_other_networks_and_data_are_not_the_papers(key, value):
    assert is_published(experiment("x", PAPERS).cells[0].config)
    assert not is_published(experiment("x", {**PAPERS, key: value}).cells[0].config)


def test_published_cells_are_where_the_paper_has_them():
    grid = published_grid("adamw", weight_decays=[1e-2])
    assert grid.labels[grid.place(5e-4, 1e-4)] == "11.5"
    assert grid.labels[grid.place(5e-3, 1e-3)] == "30"
    assert grid.labels[grid.place(5e-3, 0.0)] == ">40"
    assert grid.states[grid.place(5e-4, 1e-2)] == "absent"
    assert published_grid("adaml2").errors[published_grid("adaml2").place(1e-4, 5e-3)] == pytest.approx(15)
