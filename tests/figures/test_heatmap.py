"""The numbers that a heatmap shows, and how its kinds of cells differ."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from figures.hand_made import DIVERGED, point
from figures.reading import lines
from scalefree.experiments import Point
from scalefree.figures.heatmap import ErrorGrid, draw_heatmap, error_grid, error_norm

LRS, DECAYS = [1e-4, 1e-3], [0.0, 1e-4, 1e-3]
# By (lr, weight_decay): the errors of seeds 0 and 1.
ERRORS = {
    (1e-4, 0.0): (30.0, 50.0),
    (1e-4, 1e-4): (20.0, None),
    (1e-4, 1e-3): (None, None),
    (1e-3, 0.0): (DIVERGED, DIVERGED),
    (1e-3, 1e-4): (25.0, DIVERGED),
    (1e-3, 1e-3): (22.0, 24.0),
}


def points() -> list[Point]:
    return [
        point(dict(enumerate(errors)), **{"optimizer.lr": lr, "optimizer.weight_decay": decay})[0]
        for (lr, decay), errors in ERRORS.items()
    ]


def drawn() -> tuple[ErrorGrid, Axes]:
    # One decay that is not part of the experiment.
    grid = error_grid(points(), LRS, [*DECAYS, 1e-2])
    axes = Figure().subplots()
    draw_heatmap(axes, grid, error_norm([grid]), (1e-3, 1e-3), (1e-4, 0.0))
    return grid, axes


def test_errors_are_means_over_seeds_in_percent() -> None:
    grid, axes = drawn()
    expected = [[40.0, 20.0, np.nan, np.nan], [np.nan, np.nan, 23.0, np.nan]]
    np.testing.assert_allclose(grid.errors, expected, rtol=1e-12)
    (mesh,) = (child for child in axes.get_children() if isinstance(child, QuadMesh))
    np.testing.assert_allclose(np.ma.filled(mesh.get_array(), np.nan), expected, rtol=1e-12)


def test_validation_errors_make_a_separate_grid() -> None:
    held_out, _ = point({0: 30.0}, **{"dataset.validation_fraction": 0.1, "optimizer.weight_decay": 0.0})
    plain, _ = point({0: 30.0}, **{"optimizer.weight_decay": 0.0})
    lr = held_out.lr
    assert error_grid([held_out], [lr], [0.0], "validation").states.tolist() == [["value"]]
    assert error_grid([plain], [lr], [0.0], "validation").states.tolist() == [["missing"]]
    assert error_grid([plain], [lr], [0.0]).states.tolist() == [["value"]]


def test_labels_mark_partial_and_diverged_cells() -> None:
    grid, axes = drawn()
    assert grid.labels.tolist() == [["40.0", "20.0*", "", ""], ["div.", "div.\n1/2", "23.0", ""]]
    assert grid.states.tolist() == [
        ["value", "value", "missing", "absent"],
        ["diverged", "diverged", "value", "absent"],
    ]
    assert sorted(t.get_text() for t in axes.texts) == sorted(["40.0", "20.0*", "div.", "div.\n1/2", "23.0"])


def test_diverged_and_missing_cells_look_different() -> None:
    _, axes = drawn()
    hatched = [patch for patch in axes.patches if patch.get_gid() == "diverged"]
    assert sorted(patch.get_xy() for patch in hatched) == [(-0.5, 0.5), (0.5, 0.5)]
    assert all(patch.get_hatch() for patch in hatched)
    assert {(line.get_xdata().mean(), line.get_ydata().mean()) for line in lines(axes, "missing")} == {(2.0, 0.0)}


def test_the_chosen_cell_is_framed_and_the_lowest_ringed() -> None:
    _, axes = drawn()
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_gid() == "chosen"]
    assert {patch.get_xy() for patch in frames} == {(1.5, 0.5)}
    (ring,) = lines(axes, "lowest")
    assert (round(float(ring.get_xdata()[0])), round(float(ring.get_ydata()[0]))) == (0, 0)


def test_a_preliminary_frame_is_dashed_and_has_its_own_gid() -> None:
    grid = error_grid(points(), LRS, DECAYS)
    axes = Figure().subplots()
    draw_heatmap(axes, grid, error_norm([grid]), (1e-3, 1e-3), preliminary=True)
    frames = [patch for patch in axes.patches if patch.get_gid() == "so far"]
    assert len({patch.get_linestyle() for patch in frames}) == 2, "black dashes over solid white"
    assert not [patch for patch in axes.patches if patch.get_gid() == "chosen"]


def luminance(color) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_numbers_are_legible_on_every_colour() -> None:
    lrs = [10.0**-k for k in range(1, 5)]
    grid = error_grid([point({0: 50.0}, **{"optimizer.lr": lr})[0] for lr in lrs], lrs, DECAYS)
    errors = np.geomspace(5, 90, grid.errors.size).reshape(grid.errors.shape)
    grid.errors[:], grid.labels[:] = errors, "50.0"
    axes = Figure().subplots()
    norm = error_norm([grid])
    draw_heatmap(axes, grid, norm, None)
    (mesh,) = (child for child in axes.get_children() if isinstance(child, QuadMesh))
    assert len(axes.texts) == errors.size
    for text in axes.texts:
        column, row = (round(float(value)) for value in text.get_position())
        lights = sorted([luminance(mesh.cmap(norm(errors[row, column]))[:3]), luminance(text.get_color())])
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5
