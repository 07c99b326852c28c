"""What the panels draw, against numbers worked out here."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from scalefree.figures.best_panel import draw_best
from scalefree.figures.curve_panel import TEST_ACCURACY, draw_curves
from scalefree.figures.decay_lines import draw_decay_lines
from scalefree.figures.difference_panel import cell_differences, draw_differences, seed_spread
from scalefree.figures.gap_panel import draw_gap, paired_differences
from scalefree.figures.histogram_panel import draw_histograms
from scalefree.figures.positions import log_positions
from scalefree.figures.seed_interval import seed_interval
from scipy import stats

from figures.hand_made import DIVERGED, counts, evidence, experiment, write_record
from scalefree.config import RunConfig
from scalefree.figures import gather
from scalefree.records import Store


def line(axes, gid=None, label=None):
    """The one line of that gid or label."""
    (found,) = (x for x in axes.lines if (x.get_gid() == gid if gid else x.get_label() == label))
    return found


def two_seeds(tmp_path, first, second, histograms=(None, None)):
    """Evidence of one AdamW cell with two seeds, given as curves of the test error."""
    store = Store(tmp_path)
    made = experiment("x", {"optimizer": "adamw", "optimizer.weight_decay": 1e-3, "seed": [0, 1]})
    for cell, curve, histogram in zip(made.cells, (first, second), histograms, strict=True):
        diverged = len(curve) < cell.run.training.epochs
        write_record(store, cell.run, DIVERGED if diverged else curve[-1], curve, histogram)
    found = gather(made, "hand-made", store, store.records())
    return found, {"adamw": found.settings[0].points[0]}


def test_curves_are_the_mean_and_range_over_seeds(tmp_path):
    found, points = two_seeds(tmp_path, [0.8, 0.6, 0.4, 0.2], [0.9, 0.8, 0.6, 0.3])
    axes = Figure().subplots()
    draw_curves(axes, found, points, TEST_ACCURACY)
    mean = line(axes, label="AdamW")
    np.testing.assert_array_equal(mean.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(mean.get_ydata(), [15, 30, 50, 75])
    (band,) = axes.collections
    corners = band.get_paths()[0].get_extents()
    np.testing.assert_allclose([corners.y0, corners.y1], [10, 80])


def test_epochs_without_an_evaluation_leave_no_gap(tmp_path):
    found, points = two_seeds(tmp_path, [np.nan, 0.6, np.nan, 0.2], [np.nan, 0.8, np.nan, 0.4])
    axes = Figure().subplots()
    draw_curves(axes, found, points, TEST_ACCURACY)
    np.testing.assert_array_equal(line(axes, label="AdamW").get_xdata(), [2, 4])
    np.testing.assert_allclose(line(axes, label="AdamW").get_ydata(), [30, 70])


def test_a_diverged_run_is_no_part_of_the_mean_and_ends_in_a_cross(tmp_path):
    found, points = two_seeds(tmp_path, [0.8, 0.6], [0.9, 0.8, 0.6, 0.3])
    axes = Figure().subplots()
    draw_curves(axes, found, points, TEST_ACCURACY)
    np.testing.assert_allclose(line(axes, label="AdamW").get_ydata(), [10, 20, 40, 70])
    cross = line(axes, gid="diverged")
    assert (cross.get_xdata().item(), cross.get_ydata().item()) == (2, pytest.approx(40))


def test_histograms_are_mean_shares_that_sum_to_one(tmp_path):
    histograms = counts({-3: 0.5, 2: 0.2}, underflow=0.3), counts({-3: 0.3, -27: 0.1}, underflow=0.6)
    found, points = two_seeds(tmp_path, [0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.6], histograms)
    axes = Figure().subplots()
    draw_histograms(axes, found, points)
    outlines = [patch for patch in axes.patches if isinstance(patch, StepPatch) and not patch.get_fill()]
    underflow, interior = sorted((patch.get_data() for patch in outlines), key=lambda data: data.edges[0])
    assert underflow.values.sum() + interior.values.sum() == pytest.approx(1)
    assert underflow.values.tolist() == [pytest.approx(0.45)]
    # The underflow bin stands apart from the interior ones, and a bin [2^k, 2^(k+1)) starts at k.
    assert underflow.edges[-1] < interior.edges[0] == -27
    shares = dict(zip(interior.edges.tolist(), interior.values.tolist(), strict=False))
    assert {k: v for k, v in shares.items() if v} == pytest.approx({-27: 0.05, -3: 0.4, 2: 0.1})


def test_coordinates_that_are_not_finite_are_said_in_words(tmp_path):
    histogram = counts({-3: 0.5}, underflow=0.25, not_finite=0.25)
    found, points = two_seeds(tmp_path, [0.9, 0.8, 0.7, 0.6], [0.9, 0.8, 0.7, 0.6], (histogram, histogram))
    axes = Figure().subplots()
    draw_histograms(axes, found, points)
    assert "25% not finite" in [text.get_text() for text in axes.texts]


def test_decay_lines_have_zero_apart_and_mark_the_best(tmp_path):
    errors = {0.0: 0.5, 1e-4: 0.2, 1e-3: 0.3, 1e-2: DIVERGED, 1e-1: None}
    grid = {"optimizer": "adamw", "optimizer.weight_decay": list(errors)}
    setting = evidence(tmp_path, "x", grid, lambda run: errors[run.optimizer.weight_decay]).settings[0]
    axes = Figure().subplots()
    draw_decay_lines(axes, setting, ["adamw"])
    np.testing.assert_allclose(line(axes, label="AdamW").get_ydata(), [50, 20, 30, np.nan, np.nan])
    places = log_positions(errors)
    np.testing.assert_allclose(line(axes, label="AdamW").get_xdata(), list(places.values()))
    assert places[1e-3] - places[1e-4] == pytest.approx(1) and places[0.0] < places[1e-4] - 0.5
    assert axes.get_xticklabels()[0].get_text() == "0"
    assert line(axes, gid="best").get_ydata().item() == pytest.approx(20)
    assert line(axes, gid="diverged").get_xdata().item() == places[1e-2]
    assert line(axes, gid="missing").get_xdata().item() == places[1e-1]
    assert axes.get_yscale() == "log"


def pairs(run: RunConfig) -> float | str:
    """AdamProx is 2 points worse at seed 0, 4 at seed 1; seeds are 10 points apart; at lr = 1 AdamProx diverges."""
    prox = run.optimizer.name == "adamprox"
    if prox and run.optimizer.lr == 1:
        return DIVERGED
    return 0.3 + 0.1 * run.seed + prox * (0.02 + 0.02 * run.seed)


def test_differences_are_paired_by_seed_and_leave_divergence_and_shared_runs_out(tmp_path):
    grid = {"optimizer": ["adamw", "adamprox"], "optimizer.lr": [1e-3, 1], "seed": [0, 1]}
    setting = evidence(tmp_path, "x", grid, pairs).settings[0]
    assert cell_differences(setting, "adamprox", "adamw") == {(1e-3, 1e-3): pytest.approx([2, 4])}
    axes = Figure().subplots()
    draw_differences(axes, setting, "adamprox", "adamw")
    assert line(axes, gid="difference").get_ydata().item() == pytest.approx(3)
    spread = seed_spread([p for p in setting.points if p.lr == 1e-3 and p.weight_decay > 0])
    # 10 and 12 points between two seeds: standard deviations 10/sqrt(2) and 12/sqrt(2).
    assert spread == pytest.approx(np.sqrt((100 + 144) / 4))


def test_the_interval_is_students(tmp_path):
    values = [1.0, 2.5, 4.0, 4.5]
    expected = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert seed_interval(values) == pytest.approx(expected)
    assert seed_interval(values[:2]) is None


def advantage(run: RunConfig) -> float | str:
    """Adam-l2 is best at 1e-4, AdamW at 1e-3, and AdamW 5 + seed points better; validation prefers 1e-4 for both."""
    adamw = run.optimizer.name == "adamw"
    best = run.optimizer.weight_decay == (1e-3 if adamw else 1e-4)
    return 0.4 - adamw * (0.05 + 0.01 * run.seed) + (0 if best else 0.1)


def three_seeds(tmp_path):
    store = Store(tmp_path)
    made = experiment(
        "x", {"optimizer.weight_decay": [1e-4, 1e-3], "seed": [0, 1, 2], "dataset.validation_fraction": 0.1}
    )
    for cell in made.cells:
        validation = 0.2 if cell.run.optimizer.weight_decay == 1e-4 else 0.3
        write_record(store, cell.run, advantage(cell.run), validation_error=validation)
    return gather(made, "hand-made", store, store.records()).settings[0]


def test_gaps_compare_each_optimizer_at_its_own_best_cell(tmp_path):
    setting = three_seeds(tmp_path)
    assert paired_differences(setting, "adaml2", "adamw") == pytest.approx({0: 5, 1: 6, 2: 7})
    axes = Figure().subplots()
    draw_gap(axes, [(0.0, setting)], "adaml2", "adamw")
    np.testing.assert_allclose(line(axes, gid="seeds").get_ydata(), [5, 6, 7])
    assert line(axes, gid="mean").get_ydata().item() == pytest.approx(6)


def test_best_cells_are_drawn_twice_where_validation_chooses_another(tmp_path):
    axes = Figure().subplots()
    draw_best(axes, [(0.0, three_seeds(tmp_path))], ["adaml2", "adamw"], "error", 0.9)
    best = {x.get_label(): x.get_ydata()[0] for x in axes.lines if x.get_gid() == "best"}
    assert best == pytest.approx({"Adam-\u2113\u2082": 40, "AdamW": 34})
    # Adam-l2's best cell is validation's choice too; AdamW's is not, and is 10 points worse.
    assert line(axes, gid="validation").get_ydata().item() == pytest.approx(44)
    assert len([x for x in axes.lines if x.get_gid() == "seed"]) == 6
