"""The figures over depth draw the intervals that the claims judge, and every seed."""

import itertools

import numpy as np
import pytest
from scipy import stats

from experiments.made import Loaded
from figures.hand_made import Made, evidence, world
from figures.reading import caption, ends, intervals, lines
from scalefree.claims.planned import judge
from scalefree.claims.verdict import Verdict
from scalefree.config import RunConfig
from scalefree.experiments.arms import Arm, arm_of, network_of
from scalefree.experiments.evidence import Evidence, errors
from scalefree.figures import pages, styled
from scalefree.figures.by_depth import CORNERS

CLAIMS = ("4b", "11a", "11b", "11c", "11d")
DEEPER = ("resnet38w8-nobn", "resnet80w8-nobn")


def of_claims(verdicts: list[Verdict]) -> set[tuple[float, float]]:
    found = [verdict.interval for verdict in verdicts if verdict.interval is not None]
    return {(round(of.low, 6), round(of.high, 6)) for of in found}


def test_contrasts_show_the_intervals_and_verdicts_of_the_claims(full: Evidence) -> None:
    verdicts = [verdict for verdict in judge(full, CLAIMS) if verdict.where in DEEPER]
    assert len(verdicts) == 2 * len(CLAIMS)
    with styled():
        figure = pages("corners", full)["corners"]
    errors_panel, contrasts, beside = figure.axes
    assert intervals(contrasts, "x") == of_claims(verdicts)
    said = [text.get_text() for text in beside.texts]
    assert len(said) == len(verdicts)
    for verdict in verdicts:
        depth = "38" if "38" in verdict.where else "80"
        value = f"{verdict.effect:+.3g}".replace("-", "\u2212")
        assert any(text.startswith(f"{depth}: {value} [") and text.endswith(f": {verdict.verdict}") for text in said)
    assert [label.get_text().split()[0] for label in contrasts.get_yticklabels()] == list(CLAIMS)
    assert errors_panel.get_ylabel() == "final test error (%)"


def test_contrasts_match_numbers_computed_here(full: Evidence) -> None:
    aw, sl, mp, l2 = (np.array(list(errors(full.point("resnet80w8-nobn", Arm(method))).values())) for method in CORNERS)
    expected = {
        "4b": l2 - aw,
        "11a": ((mp - aw) + (l2 - sl)) / 2,
        "11b": ((sl - aw) + (l2 - mp)) / 2,
        "11c": (l2 - mp) - (sl - aw),
        "11d": mp - sl,
    }
    np.testing.assert_allclose(expected["11a"] + expected["11b"], expected["4b"])
    with styled():
        contrasts = pages("corners", full)["corners"].axes[1]
    drawn = intervals(contrasts, "x")
    for values in expected.values():
        low, high = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
        assert min(abs(low - a) + abs(high - b) for a, b in drawn) < 1e-5
        seeds = sorted(float(line.get_xdata()[0]) for line in lines(contrasts, "seed"))
        assert all(min(abs(seed - value) for seed in seeds) < 1e-9 for value in values)


def test_errors_show_every_seed_the_mean_and_its_t_interval(full: Evidence) -> None:
    with styled():
        panel = pages("corners", full)["corners"].axes[0]
    assert len(lines(panel, "seed")) == 3 * len(CORNERS) * 20 and len(lines(panel, "mean")) == 3 * len(CORNERS)
    values = np.array(list(errors(full.point("resnet38w8-nobn", Arm("adaml2"))).values()))
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    assert (round(low, 6), round(high, 6)) in intervals(panel, "y")
    assert any(line.get_ydata()[0] == pytest.approx(values.mean()) for line in lines(panel, "mean"))
    cells = [text.get_text() for text in panel.texts if text.get_gid() == "cell"]
    assert len(cells) == 12 and set(cells) == {"(2e-3, 1e-3)", "(2e-3, 3e-3)", "(2e-3, 3e-4)", "(1e-3, 3e-4)"}
    assert not [line for line in panel.lines if line.get_gid() is None and len(line.get_xdata()) > 2], "not joined"


def test_methods_and_depths_do_not_overlap(full: Evidence) -> None:
    with styled():
        panel = pages("corners", full)["corners"].axes[0]
    places = sorted(float(line.get_xdata()[0]) for line in lines(panel, "mean"))
    assert min(b - a for a, b in itertools.pairwise(places)) > 0.1


def without_a_seed(config: RunConfig) -> Made | None:
    gone = (network_of(config).label, arm_of(config), config.seed) == ("resnet80w8-nobn", Arm("adaml2"), 7)
    return None if gone else world(config)


def test_a_cell_that_lacks_a_seed_is_hollow_without_interval_or_verdict(digits: Loaded) -> None:
    found = evidence(digits, without_a_seed)
    with styled():
        figure = pages("corners", found)["corners"]
    panel, contrasts, beside = figure.axes
    hollow = [line for line in lines(panel, "mean") if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1 and len(lines(panel, "interval")) == len(lines(panel, "mean")) - 1
    assert len(lines(contrasts, "interval")) == len(CLAIMS) + 1, "at depth 80 only metric prox minus scaled is complete"
    assert sum("19 of 20 seeds" in text.get_text() for text in beside.texts) == 4
    assert "hollow while seeds are missing" in caption(figure)
    assert "58 of" not in caption(figure) and "12 of 12 cells, 1 with seeds missing" in caption(figure)


def diverged(config: RunConfig) -> Made | None:
    gone = (network_of(config).label, arm_of(config), config.seed) == ("resnet80w8-nobn", Arm("adaml2"), 7)
    return Made(None) if gone else world(config)


def test_a_diverged_run_counts_as_100_percent_and_is_a_cross(digits: Loaded) -> None:
    found = evidence(digits, diverged)
    with styled():
        panel, contrasts, _ = pages("corners", found)["corners"].axes
    (cross,) = lines(panel, "diverged")
    assert cross.get_ydata()[0] == 100 and cross.get_marker() == "x"
    advantage = errors(found.point("resnet80w8-nobn", Arm("adaml2"))) - errors(
        found.point("resnet80w8-nobn", Arm("adamw"))
    )
    # Four of the five contrasts contain the run, with a factor of a half or one.
    crosses = [line.get_xdata()[0] for line in lines(contrasts, "diverged")]
    assert len(crosses) == 4 and any(x == pytest.approx(advantage[7]) for x in crosses)


def test_the_advantage_by_depth_shows_claim_4b(full: Evidence) -> None:
    verdicts = judge(full, ("4b", "4c"))
    with styled():
        figure = pages("depth", full)["depth"]
    gaps, accuracies = figure.axes
    assert intervals(gaps, "y") == of_claims([v for v in verdicts if v.question.number == "4b"])
    results = [text.get_text() for text in gaps.texts if text.get_gid() == "result"]
    assert [text.split("\n")[-1] for text in results] == [v.verdict for v in verdicts if v.question.number == "4b"]
    (growth,) = (v for v in verdicts if v.question.number == "4c")
    assert f"{growth.effect:+.3g} points" in caption(figure) and growth.verdict in caption(figure)
    # Accuracies are 100 minus errors, with the ends swapped.
    with styled():
        errors_panel = pages("corners", full)["corners"].axes[0]
    flipped = {(round(100 - high, 6), round(100 - low, 6)) for low, high in intervals(errors_panel, "y")}
    assert intervals(accuracies, "y") <= flipped
    # Nothing is drawn between the depths, so the jump is not hidden.
    assert [line for line in accuracies.lines if len(line.get_xdata()) > 2] == []


def test_wide_intervals_of_two_seeds_do_not_dominate_the_axis(quick: Loaded) -> None:
    found = evidence(quick, world)
    with styled():
        figure = pages("corners", found)["corners"]
    contrasts = figure.axes[1]
    low, high = contrasts.get_xlim()
    seeds = [float(line.get_xdata()[0]) for line in lines(contrasts, "seed")]
    assert low < min(seeds) and max(seeds) < high and high - low < 5 * (max(seeds) - min(seeds))
    beyond = [
        line for line in lines(contrasts, "interval") if min(ends(line, "x")) < low or max(ends(line, "x")) > high
    ]
    assert beyond and len(lines(contrasts, "cut")) >= len(beyond)
    assert "arrowheads: intervals that extend beyond the axis" in caption(figure)


def test_a_network_without_results_takes_no_row(digits: Loaded) -> None:
    """The caption counts its missing runs, and the rows of the network with results are not squeezed."""

    def without_the_deepest(config: RunConfig) -> Made | None:
        return None if network_of(config).depth == 80 else world(config)

    with styled():
        figure = pages("corners", evidence(digits, without_the_deepest))["corners"]
    beside = figure.axes[2]
    assert len(beside.texts) == len(CLAIMS) and all(text.get_text().startswith("38: ") for text in beside.texts)
    assert "Network: ResNet-38" in caption(figure)
