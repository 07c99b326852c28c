"""What the panels draw, checked against numbers computed here."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from scipy import stats

from experiments.made import Loaded
from figures.hand_made import (
    DIVERGED,
    PARAMETERS,
    RATES,
    SIZES,
    Made,
    MadeStore,
    counted,
    evidence,
    point,
    world,
)
from figures.reading import caption, lines
from scalefree.claims.decay_order import RANKED
from scalefree.claims.planned import judge
from scalefree.config import RunConfig
from scalefree.experiments import Point
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.intervals import Interval
from scalefree.figures import pages, styled
from scalefree.figures.curves import TEST_ACCURACY, draw_curves, line_dash
from scalefree.figures.estimates import Estimate, accuracy_of, draw_estimate, error_of, estimates_note
from scalefree.figures.histograms import draw_histogram, histogram_of
from scalefree.figures.scales import depth_places, difference_axis
from scalefree.figures.style import look, wrapped
from scalefree.optimizers import GREYS, OPTIMIZERS, ordered


class Given(MadeStore):
    """A store with these arrays for the seeds 0, 1, ..."""

    def __init__(
        self, of: Point, curves: list[list[float]], histograms: list[dict[str, np.ndarray]] | None = None
    ) -> None:
        super().__init__({})
        identities = [record.identity for record in of.records.values()]
        self.own = {name: {"test_error": np.array(curve)} for name, curve in zip(identities, curves, strict=True)}
        self.counts = dict(zip(identities, histograms or [{}] * len(identities), strict=True))

    def curves(self, record):
        return self.own[record.identity]

    def histograms(self, record):
        return self.counts[record.identity]


def accuracy_panel(of: Point, curves: list[list[float]]) -> Axes:
    axes = Figure().subplots()
    draw_curves(axes, Given(of, curves), {"adamw": of}, TEST_ACCURACY)
    return axes


def test_curves_are_means_over_seeds_with_a_dot_per_seed_at_the_end() -> None:
    of, _ = point({0: 20.0, 1: 30.0})
    axes = accuracy_panel(of, [[0.8, 0.6, 0.4, 0.2], [0.9, 0.8, 0.6, 0.3]])
    (mean,), (dots,) = lines(axes, "mean"), lines(axes, "seed")
    np.testing.assert_array_equal(mean.get_xdata(), [1, 2, 3, 4])
    np.testing.assert_allclose(mean.get_ydata(), [15, 30, 50, 75])
    np.testing.assert_allclose(dots.get_ydata(), [80, 70])
    assert (dots.get_xdata() > 4).all()


def test_epochs_without_an_evaluation_leave_no_gap() -> None:
    of, _ = point({0: 20.0, 1: 40.0})
    axes = accuracy_panel(of, [[np.nan, 0.6, np.nan, 0.2], [np.nan, 0.8, np.nan, 0.4]])
    (mean,) = lines(axes, "mean")
    np.testing.assert_array_equal(mean.get_xdata(), [2, 4])
    np.testing.assert_allclose(mean.get_ydata(), [30, 70])


def test_a_diverged_run_is_left_out_of_the_mean_and_ends_in_a_cross() -> None:
    of, _ = point({0: DIVERGED, 1: 30.0})
    axes = accuracy_panel(of, [[0.8, 0.6], [0.9, 0.8, 0.6, 0.3]])
    (mean,), (cross,) = lines(axes, "mean"), lines(axes, "diverged")
    np.testing.assert_allclose(mean.get_ydata(), [10, 20, 40, 70])
    assert (cross.get_xdata().item(), cross.get_ydata().item()) == (2, pytest.approx(40))


def test_methods_that_share_a_run_alternate_dashes_along_its_line() -> None:
    shared, _ = point({0: 20.0})
    other, _ = point({0: 20.0}, **{"optimizer.weight_decay": 1e-3})
    points = {"adamw": shared, "adaml2": shared, "adamprox": other}
    first, second = line_dash(points, "adamw"), line_dash(points, "adaml2")
    assert first[1] == second[1] == (3.0, 3.0) and {first[0], second[0]} == {0.0, 3.0}
    assert line_dash(points, "adamprox") == look("adamprox").dash


def shares(*bins: tuple[int, float], underflow: float = 0.0, not_finite: float = 0.0) -> dict[str, np.ndarray]:
    """A histogram of a thousand coordinates, given by exponent."""
    row = np.zeros(len(SIZES) + 3)
    row[0], row[-1] = underflow, not_finite
    for exponent, share in bins:
        row[1 + exponent - SIZES[0]] = share
    counts = np.rint(1000 * np.array([np.roll(row, 1), row])).astype(int)
    return {"counts/network": counts, "log2_lower_edge": SIZES, "epoch": np.array([1, 4]), "step": np.array([1, 9])}


def test_the_last_histograms_are_averaged_to_shares_that_sum_to_one() -> None:
    of, _ = point({0: 20.0, 1: 30.0})
    both = [shares((-3, 0.5), (2, 0.2), underflow=0.3), shares((-3, 0.3), (-27, 0.1), underflow=0.6)]
    found = histogram_of(Given(of, [[0.5]] * 2, both), of)
    assert found is not None and found.when == ("in step 9, in epoch 4",)
    axes = Figure().subplots()
    draw_histogram(axes, found, "black", (0, ()))
    outlines = [patch for patch in axes.patches if isinstance(patch, StepPatch) and not patch.get_fill()]
    underflow, interior = sorted((patch.get_data() for patch in outlines), key=lambda data: data.edges[0])
    assert underflow.values.sum() + interior.values.sum() == pytest.approx(1)
    assert underflow.values.tolist() == [pytest.approx(0.45)]
    # The underflow bin is apart from the interior ones, and a bin [2^k, 2^(k+1)) starts at k.
    assert underflow.edges[-1] < interior.edges[0] == -27
    known = dict(zip(interior.edges.tolist(), interior.values.tolist(), strict=False))
    assert {k: v for k, v in known.items() if v} == pytest.approx({-27: 0.05, -3: 0.4, 2: 0.1})


def test_the_share_of_non_finite_coordinates_is_written_out() -> None:
    of, _ = point({0: 20.0})
    found = histogram_of(Given(of, [[0.5]], [shares((-3, 0.5), underflow=0.25, not_finite=0.25)]), of)
    assert found is not None
    axes = Figure().subplots()
    draw_histogram(axes, found, "black", (0, ()))
    assert [text.get_text() for text in axes.texts] == ["25 % not finite"]


def test_runs_without_a_final_histogram_have_none() -> None:
    of, _ = point({0: 20.0, 1: DIVERGED})
    assert histogram_of(Given(of, [[0.5]] * 2, [{}, shares((-3, 1.0))]), of) is None


def test_an_estimate_has_seeds_their_mean_and_a_students_t_interval() -> None:
    of, _ = point({0: 10.0, 1: 25.0, 2: 40.0, 3: DIVERGED})
    found = error_of(of)
    values = np.array([10.0, 25.0, 40.0, 100.0])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert found.interval is not None and found.whole and found.diverged == {3}
    assert (found.interval.low, found.interval.high) == (pytest.approx(low), pytest.approx(high))
    flipped = accuracy_of(of)
    assert flipped.interval is not None
    assert (flipped.interval.low, flipped.interval.high) == (pytest.approx(100 - high), pytest.approx(100 - low))
    assert list(flipped.values.values()) == pytest.approx([90, 75, 60, 0])
    axes = Figure().subplots()
    draw_estimate(axes, 0.0, found, look("adamw"))
    assert [line.get_ydata()[0] for line in lines(axes, "seed")] == pytest.approx([10, 25, 40])
    assert lines(axes, "diverged")[0].get_ydata()[0] == 100
    assert lines(axes, "mean")[0].get_ydata()[0] == pytest.approx(values.mean())
    note = estimates_note([found])
    assert "Student's t" in note and "crosses" in note and "hollow" not in note


def test_an_incomplete_estimate_has_no_interval() -> None:
    of, _ = point({0: 10.0, 1: 25.0, 2: None})
    found = error_of(of)
    assert found.interval is None and not found.whole
    assert "hollow while seeds are missing" in estimates_note([found])


def test_an_axis_shows_intervals_at_most_one_seed_range_beyond_the_seeds() -> None:
    wide = Estimate({0: 1.0, 1: 3.0}, Interval(-10.7, 14.7, 2, "seeds", "Student's t"))
    assert (min(wide.extent), max(wide.extent)) == (-1, 5) and wide.reaches_out
    narrow = Estimate({0: 1.0, 1: 3.0}, Interval(0.5, 3.5, 2, "seeds", "Student's t"))
    assert (min(narrow.extent), max(narrow.extent)) == (0.5, 3.5) and not narrow.reaches_out
    alike = Estimate({0: 2.0, 1: 2.0}, Interval(1.1, 2.9, 2, "seeds", "Student's t"))
    assert (min(alike.extent), max(alike.extent)) == (1.1, 2.9)


def test_a_logarithmic_difference_axis_has_ticks_between_decades() -> None:
    axes = Figure().subplots()
    assert difference_axis(axes, "x", [-3.0, 28.0], 1.0, equivalence=True)
    ticks = [float(tick) for tick in axes.get_xticks()]
    assert {1.0, 2.0, 5.0, 10.0, 20.0, -1.0, -2.0} <= set(ticks)
    low, high = axes.get_xlim()
    assert low < -3 and high > 28
    for values, equivalence in (([-3.0, 28.0], False), ([-3.0, 8.0], True)):
        plain = Figure().subplots()
        assert not difference_axis(plain, "x", values, 1.0, equivalence=equivalence)
        assert plain.get_xscale() == "linear"


def test_every_difference_axis_includes_zero_and_both_thresholds() -> None:
    axes = Figure().subplots()
    difference_axis(axes, "y", [10.0, 12.0], 0.5)
    low, high = axes.get_ylim()
    assert low < -0.5 and high > 12


def test_depths_are_spaced_by_their_logarithm() -> None:
    places = depth_places([80, 20, 40])
    assert places == pytest.approx({20: 0, 40: 1, 80: 2})
    unequal = depth_places([20, 38, 80])
    assert unequal[80] - unequal[38] == pytest.approx(np.log(80 / 38) / np.log(38 / 20)) and unequal[38] == 1


def test_an_unknown_method_is_grey_under_its_own_name_and_last() -> None:
    assert look("lion").label == "lion" and look("lion").color in GREYS
    assert ordered(["lion", "adaml2", "adamw"]) == ["adamw", "adaml2", "lion"]
    assert len({(look(of).color, look(of).marker) for of in OPTIMIZERS}) == len(OPTIMIZERS)


def test_wrapped_lines_keep_all_words_and_fill_their_width() -> None:
    text = "Adam-\u2113\u2082 \u2212 AdamW " * 30 + "x" * 200
    found = wrapped(text, 3.0)
    assert " ".join(found) == text and found[-1] == "x" * 200
    figure = Figure(figsize=(6, 6), dpi=100)
    with styled():
        drawn = [figure.text(0, 0, line, fontsize=7) for line in found[:-1]]
        widths = [text.get_window_extent().width / 100 for text in drawn]
    assert max(widths) < 3.05 and min(widths[:-1]) > 2.2


def test_the_spread_of_effective_decay_matches_the_claim(full: Evidence) -> None:
    (verdict,) = judge(full, ("14",))
    with styled():
        figure = pages("effective_decay", full)["effective_decay"]
    histograms, spread, network, groups = figure.axes
    seeds = lines(spread, "seeds")
    assert len(seeds) == len(RANKED) and {len(line.get_xdata()) for line in seeds} == {20}
    # The claim's statistic, recomputed from the drawn points: Spearman's correlation over methods for each seed.
    x, y = (np.array([line.get_data()[axis] for line in seeds]) for axis in (0, 1))
    rho = [stats.spearmanr(x[:, seed], y[:, seed]).statistic for seed in range(20)]
    assert verdict.effect == pytest.approx(np.mean(rho))
    assert f"{verdict.effect:+.3g}" in caption(figure) and verdict.verdict in caption(figure)
    assert len([patch for patch in histograms.patches if patch.get_gid() == "outline"]) == len(RANKED)
    assert [label.get_text() for label in groups.get_xticklabels()] == ["stem", "stage1", "stage2", "stage3", "head"]
    assert network.get_ylabel() == groups.get_ylabel() == "drown-out share (%)"


def test_update_scales_name_their_cells_and_claims(full: Evidence) -> None:
    with styled():
        figure = pages("update_scales", full)["update_scales"]
    assert len(figure.axes) == 12
    for axes in figure.axes:
        assert axes.texts[0].get_text().startswith("(") and "peak 0." in axes.texts[0].get_text()
    verdicts = judge(full, ("5a", "5b"))
    assert all(f"Claim {verdict.question.number}" in caption(figure) for verdict in verdicts)
    assert "not testable" in caption(figure), "1,117 steps are too few to forget the start"


def test_every_column_of_update_scales_has_its_title_above_the_first_panel(digits: Loaded) -> None:
    """Even if the shallow networks lack a method, as in cifar16."""

    def some(config: RunConfig) -> Made | None:
        corners = config.optimizer.name in ("adamw", "adaml2")
        return world(config) if corners or config.model.depth == 80 else None

    without = replace(
        digits,
        experiments={
            name: replace(of, cells=tuple(cell for cell in of.cells if some(cell.run) is not None))
            for name, of in digits.experiments.items()
        },
    )
    with styled():
        figure = pages("update_scales", evidence(without, some))["update_scales"]
    grid: dict[int, list[str]] = {}
    for axes in figure.axes:
        place = axes.get_subplotspec()
        assert place is not None
        grid.setdefault(place.colspan.start, []).append(axes.get_title())
    titles = {column: [title for title in of if title] for column, of in grid.items()}
    assert [titles[column] for column in range(4)] == [
        [look(method).label] for method in ("adamw", "adam_scaled_l2", "adam_metric_prox", "adaml2")
    ]
    assert grid[0][0] and not grid[1][0] and grid[1][2], "scaled Adam-l2 starts at the deepest network"


def test_effective_decay_is_drawn_for_the_deepest_trained_network(digits: Loaded) -> None:
    found = evidence(digits, lambda config: None if config.model.depth == 80 else world(config))
    with styled():
        figure = pages("effective_decay", found)["effective_decay"]
    assert figure.texts[0].get_text() == "Effective decay, ResNet-38"


def test_made_up_histograms_count_every_coordinate() -> None:
    for exponents, mean, deviation in ((SIZES, -4.0, 2.0), (RATES, 0.0, 0.0), (RATES, -30.0, 20.0)):
        counts = counted(exponents, mean, deviation, 0.1)
        assert counts.sum() == PARAMETERS and counts.min() >= 0 and len(counts) == len(exponents) + 3


def test_a_missing_method_is_marked_at_its_depth(digits: Loaded) -> None:
    def some(config: RunConfig) -> Made | None:
        return None if (config.model.depth, config.optimizer.name) == (80, "adaml2") else world(config)

    with styled():
        panel = pages("corners", evidence(digits, some))["corners"].axes[0]
    assert len(lines(panel, "missing")) == 1 and len(lines(panel, "mean")) == 11
