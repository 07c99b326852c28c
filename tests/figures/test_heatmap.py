"""The numbers that a heatmap shows, and that its kinds of cells look different."""

import numpy as np
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures.hand_made import DIVERGED, evidence
from scalefree.config import RunConfig
from scalefree.figures.heatmap import draw_heatmap, error_grid, error_norm

LRS, DECAYS = [1e-4, 1e-3], [0.0, 1e-4, 1e-3]
GRID = {"optimizer": "adamw", "optimizer.lr": LRS, "optimizer.weight_decay": DECAYS, "seed": [0, 1]}
# By (lr, weight_decay): the errors of seeds 0 and 1.
ERRORS = {
    (1e-4, 0.0): (0.30, 0.50),
    (1e-4, 1e-4): (0.20, None),
    (1e-4, 1e-3): (None, None),
    (1e-3, 0.0): (DIVERGED, DIVERGED),
    (1e-3, 1e-4): (0.25, DIVERGED),
    (1e-3, 1e-3): (0.22, 0.24),
}


def error_of(run: RunConfig) -> float | str | None:
    return ERRORS[run.optimizer.lr, run.optimizer.weight_decay][run.seed]


def drawn(tmp_path):
    setting = evidence(tmp_path, "without_bn", GRID, error_of).settings[0]
    # One decay that the experiment does not ask for.
    grid = error_grid(setting.of("adamw"), LRS, [*DECAYS, 1e-2])
    axes = Figure().subplots()
    best = setting.best("adamw")
    draw_heatmap(axes, grid, error_norm([grid]), (best.lr, best.weight_decay))
    return grid, axes


def test_errors_are_means_over_seeds_in_percent(tmp_path):
    grid, axes = drawn(tmp_path)
    expected = [[40.0, 20.0, np.nan, np.nan], [np.nan, np.nan, 23.0, np.nan]]
    np.testing.assert_allclose(grid.errors, expected, rtol=1e-12)
    (mesh,) = (child for child in axes.get_children() if isinstance(child, QuadMesh))
    np.testing.assert_allclose(np.ma.filled(mesh.get_array(), np.nan), expected, rtol=1e-12)


def test_labels_tell_partial_and_diverged_cells(tmp_path):
    grid, axes = drawn(tmp_path)
    assert grid.labels.tolist() == [["40.0", "20.0*", "", ""], ["div.", "div.\n1/2", "23.0", ""]]
    assert grid.states.tolist() == [
        ["value", "value", "missing", "absent"],
        ["diverged", "diverged", "value", "absent"],
    ]
    assert sorted(t.get_text() for t in axes.texts) == sorted(["40.0", "20.0*", "div.", "div.\n1/2", "23.0"])


def test_diverged_and_missing_cells_are_drawn_as_different_things(tmp_path):
    _, axes = drawn(tmp_path)
    hatched = [patch for patch in axes.patches if patch.get_gid() == "diverged"]
    assert sorted(patch.get_xy() for patch in hatched) == [(-0.5, 0.5), (0.5, 0.5)]
    assert all(patch.get_hatch() for patch in hatched)
    crosses = [line for line in axes.lines if line.get_gid() == "missing"]
    assert {(line.get_xdata().mean(), line.get_ydata().mean()) for line in crosses} == {(2.0, 0.0)}


def test_the_frame_is_around_the_lowest_complete_cell(tmp_path):
    _, axes = drawn(tmp_path)
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_gid() == "best"]
    # 20.0 is lower than 23.0, but one of its seeds is missing.
    assert {patch.get_xy() for patch in frames} == {(1.5, 0.5)}


def luminance(color) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_numbers_are_legible_on_every_colour(tmp_path):
    points = evidence(
        tmp_path, "x", {**GRID, "optimizer.lr": [10.0**-k for k in range(1, 5)]}, lambda run: 0.0
    ).settings
    grid = error_grid(points[0].points, [10.0**-k for k in range(1, 5)], DECAYS)
    errors = np.geomspace(5, 90, grid.errors.size).reshape(grid.errors.shape)
    grid.errors[:] = errors
    axes = Figure().subplots()
    norm = error_norm([grid])
    draw_heatmap(axes, grid, norm, None)
    (mesh,) = (child for child in axes.get_children() if isinstance(child, QuadMesh))
    for text in axes.texts:
        column, row = (round(float(value)) for value in text.get_position())
        lights = sorted([luminance(mesh.cmap(norm(errors[row, column]))[:3]), luminance(text.get_color())])
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5
