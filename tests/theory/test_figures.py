"""The theory's figures draw what was computed: hand-made data are read back from the axes."""

import io
import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scalefree.figures import atlas, prox_expansion, quadratics, scale_free
from scalefree.figures.style import look, styled
from scalefree.theory.adagrad_restarts import Demonstration
from scalefree.theory.atlas import Row
from scalefree.theory.defect_table import OURS, TORCH, Defect
from scalefree.theory.prox_expansion import Gap
from scalefree.theory.quadratics import CAP, CONDITIONS, EPSILONS, ROTATIONS, Count

METHODS = ("gradient descent", "heavy ball", "Adam", "sign descent", "AdaGrad")


def hand_made_counts() -> list[Count]:
    """Method i takes 10 + i steps on diagonal problems; on rotated ones, Adam exceeds the cap from 1e4 on."""
    rows = []
    for index, method in enumerate(METHODS):
        for condition in CONDITIONS:
            rows.append(Count(method, condition, None, 10.0 + index))
            for rotation in ROTATIONS:
                beyond = method == "Adam" and condition >= 1e4
                rows.append(Count(method, condition, rotation, math.inf if beyond else 20.0 + index + rotation))
    return rows


def hand_made_demonstration(condition: float, steps: int, rotated: bool) -> Demonstration:
    return Demonstration(rotated, condition, steps, 0.5 ** np.arange(21.0), 1 / np.arange(1.0, 22.0))


DEFECTS = [
    Defect(OURS, "adamw", 0.0, 1e-16), Defect(OURS, "adamw", 1e-8, 2e-6),
    Defect(OURS, "adaml2", 0.0, 0.3), Defect(OURS, "adaml2", 1e-8, 0.3),
    Defect(TORCH, "SGD", None, 40.0), Defect(TORCH, "Rprop", None, 0.0),
]  # fmt: skip


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quadratics, "counts", hand_made_counts)
    monkeypatch.setattr(quadratics, "epsilon_counts", lambda: {eps: [30.0] * 8 + [math.inf] for eps in EPSILONS})
    monkeypatch.setattr(quadratics, "demonstrate", hand_made_demonstration)
    monkeypatch.setattr(scale_free, "defect_table", lambda: DEFECTS)
    monkeypatch.setattr(
        prox_expansion, "trajectory_gaps", lambda decays: [Gap(decay, decay / 4, 1e-15) for decay in decays]
    )


def drawn(draw: Callable[[], Figure]) -> Figure:
    with styled():
        return draw()


def lines(axes: Axes, gid: str) -> list[Line2D]:
    return [line for line in axes.lines if line.get_gid() == gid]


@pytest.mark.parametrize("module", [quadratics, scale_free, prox_expansion])
def test_figures_are_redrawn_byte_for_byte(module: ModuleType) -> None:
    pictures = []
    for _ in range(2):
        with styled():
            file = io.BytesIO()
            module.draw().savefig(file, format="png", metadata={"Software": None})
        pictures.append(file.getvalue())
    assert len(pictures[0]) > 20_000
    assert pictures[0] == pictures[1]


def test_counts_within_the_cap_are_lines_and_beyond_it_open_markers() -> None:
    diagonal, rotated = drawn(quadratics.draw).axes[:2]
    for index, method in enumerate(METHODS):
        (line,) = lines(diagonal, method)
        assert np.asarray(line.get_ydata()).tolist() == [10 + index] * 9
        assert all(not np.size(mark.get_xdata()) for mark in lines(diagonal, f"{method}: not reached"))
    (adam,) = lines(rotated, "Adam")
    np.testing.assert_array_equal(adam.get_ydata(), [23.0] * 4 + [np.nan] * 5)  # the median over three rotations
    (beyond,) = lines(rotated, "Adam: not reached")
    assert np.asarray(beyond.get_ydata()).tolist() == [CAP] * 5
    np.testing.assert_allclose(np.log10(np.asarray(beyond.get_xdata(), float)), np.arange(4, 9), atol=0.3)
    assert beyond.get_markerfacecolor() == "white"


def test_eps_and_restarts_have_their_own_panels() -> None:
    _, _, epsilon, restarts = drawn(quadratics.draw).axes
    for eps in ("1e-8", "1e-6", "1e-4", "1e-2"):
        (line,) = lines(epsilon, f"eps = {eps}")
        np.testing.assert_array_equal(line.get_ydata(), [30.0] * 8 + [np.nan])
    (without,) = lines(epsilon, "eps = 0")
    assert np.asarray(without.get_ydata()).tolist() == [12] * 9
    curves = [np.asarray(line.get_ydata()) for line in restarts.lines]
    assert len(curves) == 5
    assert sum(np.array_equal(curve, 0.5 ** np.arange(21.0)) for curve in curves) == 4


def test_each_optimizer_has_a_row_and_each_eps_a_mark() -> None:
    ours, torchs = drawn(scale_free.draw).axes
    assert [tick.get_text() for tick in ours.get_yticklabels()] == ["AdamW", "Adam-ℓ₂"]
    assert [tick.get_text() for tick in torchs.get_yticklabels()] == ["Rprop", "SGD"]  # scale-free ones first
    marks = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in ours.lines]
    assert marks == [(1e-16, 0), (2e-6, 0), (0.3, 1), (0.3, 1)]
    assert [line.get_markeredgecolor() for line in ours.lines] == [look("adamw").color] * 2 + [look("adaml2").color] * 2
    assert [line.get_markerfacecolor() for line in ours.lines[:2]] == [look("adamw").color, "none"]
    assert [text.get_text() for text in torchs.texts] == ["exactly 0"]
    low, high = torchs.get_xlim()
    assert all(low < float(line.get_xdata()[0]) < high for line in torchs.lines)


def test_the_figure_shows_a_slope_of_two_and_the_gaps() -> None:
    one_step, trajectories = drawn(prox_expansion.draw).axes
    labels = [text.get_text() for text in one_step.get_legend().get_texts()]
    assert [label.rpartition("slope ")[2] for label in labels[:3]] == ["2.00", "2.00", "1.99"]
    assert len(lines(one_step, "measured")) == 3
    (gap,) = lines(trajectories, "gap")
    np.testing.assert_allclose(gap.get_ydata(), np.array([1e-4, 1e-3, 1e-2, 1e-1]) / 4)
    (slowed,) = lines(trajectories, "slowed")
    assert np.asarray(slowed.get_ydata()).tolist() == [1e-15] * 4


def test_the_atlas_figure_has_a_point_for_each_measured_row() -> None:
    rows = [
        Row("torch.optim", "Adam", "", "", 1e-5, 0.5, steps_identity=10, steps_diagonal_1e4=20, decay="coupled"),
        Row(
            "a",
            "Exact",
            "",
            "",
            0.0,
            math.inf,
            steps_identity=5,
            steps_diagonal_1e4=math.inf,
            decay="decoupled, lambda",
        ),
        Row("a", "Undecaying", "", "", 2.0, steps_identity=math.inf, steps_diagonal_1e4=math.inf, decay="none"),
        Row("a", "Broken", "", "", reason="no"),
    ]
    with styled():
        left, right = atlas.draw(rows).axes

    def points(axes: Axes) -> dict[str, tuple[float, float]]:
        named = [line for line in axes.lines if "." in str(line.get_gid())]
        return {str(line.get_gid()): (float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in named}

    assert points(left) == {"torch.optim.Adam": (1e-5, 0.5), "a.Exact": (1e-17, 1e6)}
    assert points(right) == {"torch.optim.Adam": (1e-5, 2), "a.Exact": (1e-17, 1e3)}
    colors = {line.get_gid(): line.get_markerfacecolor() for line in left.lines}
    assert (colors["torch.optim.Adam"], colors["a.Exact"]) == (look("adaml2").color, look("adamw").color)
    assert [text.get_text() for text in left.texts] == ["Adam"]
    for axes in (left, right):
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        assert all(low < x < high and bottom < y < top for x, y in points(axes).values())
