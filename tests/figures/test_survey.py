"""Survey pages of any results: which there are, what they show and say, and that nothing overlaps."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from figures.reading import boxes, caption, covered, lines, outside, texts, title
from report.hand_made import put
from report.hand_made import record as hand_made
from scalefree.compose import run_config
from scalefree.experiments.grid import Cell, cell_of
from scalefree.experiments.results import Result
from scalefree.experiments.survey import Survey, survey
from scalefree.figures import draw_survey, styled
from scalefree.figures.survey import MOST_GROUPS, pages
from scalefree.records import Store, run_identity

SHARED = {"model.depth": 8, "model.width": 4, "model.batch_norm": False, "training.epochs": 2}
MISSING = object()


def put_without_curves(store: Store, of: Result) -> None:
    """Rewrites the run's curves without any epoch."""
    assert of.record is not None
    path = store.directory(of.record.name) / "curves.npz"
    with np.load(path) as arrays:
        empty = {name: array[:0] for name, array in arrays.items()}
    np.savez(path, **empty)


class Shelf:
    """A store of made-up runs."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)

    def result(self, error: Any, **values: Any) -> Result:
        config = run_config({**SHARED, **{key.replace("__", "."): value for key, value in values.items()}})
        made = None
        if error is not MISSING:
            torch_update = {"update": "the change of the parameters over alpha, decay included"}
            made = hand_made(config, error, **(torch_update if config.optimizer.target else {}))
            put(self.store, made)
        return Result(Cell(config, cell_of(config).run, run_identity(config)), made)

    def survey(self, results: Iterable[Result]) -> Survey:
        return survey({"": list(results)}, self.store)

    def pages(self, results: Iterable[Result]) -> dict[str, Figure]:
        return drawn(self.survey(results))


def drawn(of: Survey, heading: str = "A sweep") -> dict[str, Figure]:
    """The pages, checked for overlapping or cut off text."""
    with styled(), warnings.catch_warnings():
        warnings.simplefilter("error")  # also warnings of a layout that does not fit
        found = pages(of, heading)
        for stem, page in found.items():
            seen = boxes(page)
            assert seen and outside(page, seen) == [] and covered(seen) == [], stem
    return found


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "results")


def panel_titles(page: Figure) -> list[str]:
    return [axes.get_title() for axes in page.axes if axes.get_title()]


def test_step_size_and_decay_make_a_heatmap_per_optimizer(shelf: Shelf) -> None:
    drawn = shelf.pages(
        shelf.result(0.2 + 0.1 * (lr > 1e-3) + 0.05 * (decay > 0), optimizer=of, optimizer__lr=lr,
                     optimizer__weight_decay=decay, seed=seed)
        for of in ("adamw", "adaml2") for lr in (1e-3, 1e-2) for decay in (1e-4, 1e-3) for seed in (0, 1)
    )  # fmt: skip
    (page,) = drawn.values()
    assert list(drawn) == ["sweep"] and panel_titles(page) == ["AdamW", "Adam-\u2113\u2082"]
    assert {"25.0", "35.0"} <= set(texts(page))
    assert "AdamW at lr 1e-3, weight_decay 1e-4: 25.0 %" in texts(page)
    said = caption(page)
    assert "Held fixed:" in said and "width 4" in said and "seeds: 0, 1" in said
    assert "over lr and weight_decay, for each optimizer" in said
    accuracy, scales = page.axes[-2:]
    assert len(lines(accuracy, "mean")) == 2 and len(lines(scales, "outline")) == 0 and scales.patches


@pytest.mark.parametrize(
    ("key", "values", "label"),
    [
        ("optimizer__weight_decay", (0.0, 1e-4, 1e-3), "weight decay \u03bb"),
        ("optimizer__lr", (1e-3, 1e-2), "step size \u03b1"),
    ],
)
def test_step_size_or_decay_alone_makes_a_plot_of_errors_against_it(
    shelf: Shelf, key: str, values: tuple[float, ...], label: str
) -> None:
    (page,) = shelf.pages(
        shelf.result(0.2 + value, optimizer=of, seed=seed, **{key: value})
        for of in ("adamw", "adaml2") for value in values for seed in (0, 1, 2)
    ).values()  # fmt: skip
    axes = page.axes[0]
    assert axes.get_xlabel() == label and len(lines(axes, "mean")) == 2 * len(values)
    assert len(lines(axes, "seed")) == 6 * len(values)


def test_depth_makes_a_page_per_depth_and_one_of_the_best_cells(shelf: Shelf) -> None:
    drawn = shelf.pages(
        shelf.result(0.01 * depth + decay, model__depth=depth, optimizer=of, optimizer__weight_decay=decay)
        for depth in (8, 14, 20) for of in ("adamw", "adaml2") for decay in (1e-3, 1e-2)
    )  # fmt: skip
    assert list(drawn) == ["overview", "best", "depth-8", "depth-14", "depth-20"]
    best = drawn["best"].axes[0]
    assert [tick.get_text() for tick in best.get_xticklabels()] == ["8", "14", "20"]
    heights = sorted(float(line.get_ydata()[0]) for line in lines(best, "mean"))
    assert heights == pytest.approx([8.1, 8.1, 14.1, 14.1, 20.1, 20.1])
    assert title(drawn["depth-14"]) == "A sweep: depth 14"


@pytest.mark.parametrize(
    "values",
    [
        [{"model__initialization": of} for of in ("kaiming", "zero_last", "fixup")],
        [{"optimizer": "torch", "optimizer__target": f"torch.optim.{of}"} for of in ("SGD", "NAdam", "Adagrad")],
        [{"seed": seed} for seed in (0, 1, 2)],
        [{}],
        [{"model__depth": depth} for depth in (8, 14)],
        [{"optimizer__eps": eps} for eps in (1e-8, 1e-6, 1e-4, 1e-2)],
    ],
    ids=["strings", "torch", "seeds", "one run", "depths", "numbers"],
)
def test_any_varying_key_has_a_page_with_its_runs(shelf: Shelf, values: list[dict[str, Any]]) -> None:
    (page,) = shelf.pages(shelf.result(0.2 + 0.01 * k, **of) for k, of in enumerate(values)).values()
    cells = 1 if "seed" in values[0] else len(values)
    ticks = [tick.get_text() for tick in page.axes[0].get_xticklabels()]
    assert len(page.axes) == 4 and len(ticks) == cells == len(
        lines(page.axes[1], "mean") or lines(page.axes[2], "mean")
    )
    looks = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in page.legends[0].get_lines()}
    assert len(looks) == cells


def test_diverged_and_missing_runs_are_drawn_and_counted(shelf: Shelf) -> None:
    results = [shelf.result(None, optimizer__lr=1.0), shelf.result(0.3, optimizer__lr=1e-3)]
    results += [shelf.result(MISSING, optimizer__lr=1e-2)]
    (page,) = shelf.pages(results).values()
    axes = page.axes[0]
    assert len(lines(axes, "diverged")) == 1 and len(lines(axes, "missing")) == 1
    assert "1 diverged" in caption(page) and "1 of 3 runs has no result" in caption(page)


def test_if_every_run_diverged_the_page_says_why_there_are_no_curves(shelf: Shelf) -> None:
    (page,) = shelf.pages([shelf.result(None, optimizer__lr=lr) for lr in (1.0, 2.0)]).values()
    assert len(page.axes) == 1 and "so there are no curves" in caption(page)


def test_a_run_that_diverged_in_its_first_epoch_has_no_empty_panels(shelf: Shelf) -> None:
    of = shelf.result(None)
    put_without_curves(shelf.store, of)
    (page,) = shelf.pages([of]).values()
    assert len(page.axes) == 1 and "so there are no curves" in caption(page)


def test_without_any_result_the_page_says_so(shelf: Shelf) -> None:
    (page,) = shelf.pages([shelf.result(MISSING)]).values()
    assert any("1 of 1 runs has no result" in text for text in texts(page))


def test_too_many_groups_are_cut_and_the_title_says_so(shelf: Shelf) -> None:
    many = MOST_GROUPS + 3
    drawn = shelf.pages(
        shelf.result(0.2, training__batch_size=batch, optimizer=of)
        for batch in range(10, 10 + many) for of in ("adamw", "adaml2")
    )  # fmt: skip
    assert len(drawn) == 1 + MOST_GROUPS
    assert title(drawn["best"]) == f"A sweep: the first {MOST_GROUPS} of {many} groups"


def test_redrawn_files_are_identical_and_include_the_table(shelf: Shelf, tmp_path: Path) -> None:
    found = shelf.survey([shelf.result(0.2, seed=seed) for seed in (0, 1)])
    first, again = (draw_survey(found, "A sweep", tmp_path / folder) for folder in ("first", "again"))
    assert [path.name for path in first] == ["sweep.png", "sweep.pdf", "table.txt"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert "20.00" in first[-1].read_text()


def test_a_long_title_is_wrapped(shelf: Shelf) -> None:
    conditions = "dataset.name=cifar10, model.depth=56, optimizer.name=[adamw,adaml2], training.batch_size=32"
    (page,) = drawn(shelf.survey([shelf.result(0.2)]), f"Sweep over lr and weight_decay: {conditions}").values()
    assert len(title(page).splitlines()) == 2


def test_the_axis_explains_update_scales_of_torch_optimizers(shelf: Shelf) -> None:
    results = [shelf.result(0.2), shelf.result(0.3, optimizer="torch", optimizer__target="torch.optim.NAdam")]
    (page,) = shelf.pages(results).values()
    assert "grey: |change of weights," in page.axes[-1].get_xlabel()


def test_parts_with_one_step_size_each_are_compared_side_by_side(shelf: Shelf) -> None:
    low, high = (
        [shelf.result(0.2, optimizer__lr=lr, optimizer=of) for of in ("adamw", "adaml2")] for lr in (1e-3, 1.0)
    )
    found = drawn(survey({"[optimizer.lr=1e-3]": low, "[optimizer.lr=1]": high}, shelf.store))
    assert list(found) == ["best", "optimizer.lr=1e-3", "optimizer.lr=1"]


def test_parts_with_long_names_have_legible_rows(shelf: Shelf) -> None:
    parts = {
        f"depth {depth}, optimizer AdamW or Adam-l2, initialization kaiming": [
            shelf.result(0.2, model__depth=depth, optimizer=of, optimizer__lr=lr, optimizer__weight_decay=decay)
            for of in ("adamw", "adaml2") for lr in (1e-3, 1e-2) for decay in (1e-4, 1e-3)
        ]
        for depth in (8, 14)
    }  # fmt: skip
    found = drawn(survey(parts, shelf.store))
    # A part's name says what it fixes, so one panel compares the two.
    assert [len(found[stem].axes) for stem in ("overview", "best")] == [5, 1] and len(found) == 4


def test_groups_need_not_have_the_same_step_sizes(shelf: Shelf) -> None:
    """The smallest step size does not occur at the second depth."""
    found = shelf.pages(
        shelf.result(0.2, model__depth=depth, optimizer__lr=lr)
        for depth, lrs in ((8, (1e-3, 1e-2)), (14, (1e-2, 1e-1))) for lr in lrs
    )  # fmt: skip
    assert list(found) == ["sweep"]


def test_the_caption_says_that_methods_without_decay_are_the_same_algorithm(shelf: Shelf) -> None:
    results = [shelf.result(0.2, optimizer=of, optimizer__weight_decay=0.0) for of in ("adamw", "adaml2")]
    (page,) = shelf.pages(results).values()
    assert "0 AdamW and Adam-\u2113\u2082 are the same algorithm, Adam" in caption(page)
    (page,) = shelf.pages(results[:1]).values()
    assert "same algorithm" not in caption(page)
