"""Probes draw the differences that the claims judge, and mark those that no claim is about."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from experiments.made import Loaded
from figures.hand_made import evidence, world
from figures.reading import caption, intervals, lines, texts
from scalefree.claims.planned import CLAIMS, judge
from scalefree.experiments.arms import Arm
from scalefree.experiments.evidence import Evidence, errors
from scalefree.figures import FIGURES, pages, styled
from scalefree.figures.probes import PROBES


def test_every_probe_is_a_figure_and_its_numbers_are_claims() -> None:
    numbers = {claim.question.number for claim in CLAIMS}
    assert set(PROBES) <= set(FIGURES)
    assert {number for contrasts in PROBES.values() for of in contrasts for number in of.numbers} <= numbers
    drawn = {number for contrasts in PROBES.values() for of in contrasts for number in of.numbers}
    # Claims without a probe: those of the headline, depth and weights, and 9, which is half of 11a.
    assert numbers - drawn == {"4c", "5a", "5b", "6a", "9", "11a", "11b", "11c", "11d", "14", "15", "16"}


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_draws_the_intervals_and_verdicts_of_its_claims(name: str, full: Evidence) -> None:
    verdicts = judge(full, [number for contrast in PROBES[name] for number in contrast.numbers])
    networks = {network.label for network in full.networks_of(FIGURES[name].needs)}
    verdicts = [verdict for verdict in verdicts if verdict.where in networks]
    assert verdicts
    with styled():
        figure = pages(name, full)[name]
    differences = [axes for axes in figure.axes if axes.get_title() == "paired differences"]
    drawn = set().union(*(intervals(axes, "x") for axes in differences))
    for verdict in verdicts:
        assert verdict.interval is not None
        assert (round(verdict.interval.low, 6), round(verdict.interval.high, 6)) in drawn
        number = verdict.question.number.partition("-")[0]
        told = [text for text in texts(figure) if text.startswith(f"Claim {number}: ")]
        assert any(text.endswith(f": {verdict.verdict}") for text in told), verdict.place
    narrow = {
        (round(v.measured.narrow.low, 6), round(v.measured.narrow.high, 6)) for v in verdicts if v.measured.narrow
    }
    thick = {
        tuple(round(float(x), 6) for x in line.get_xdata()) for axes in differences for line in lines(axes, "narrow")
    }
    assert thick == narrow
    bands = [patch for axes in differences for patch in axes.patches if patch.get_gid() == "limits"]
    assert len(bands) == sum(verdict.question.sense == "within" for verdict in verdicts)


def test_the_arm_without_a_decay_is_called_so(full: Evidence) -> None:
    with styled():
        figure = pages("no_decay", full)["no_decay"]
    labels = [label.get_text() for axes in figure.axes for label in axes.get_yticklabels()]
    assert sum("no decay" in label for label in labels) == 2, "from either start"
    assert labels[0] == "Adam\nno decay\n(4e-3, 0)" and labels[1] == "AdamW\n(2e-3, 1e-3)"


def test_captions_say_which_comparisons_were_planned(full: Evidence) -> None:
    with styled():
        said = {name: caption(pages(name, full)[name]) for name in ("no_decay", "ladder")}
    assert "Every comparison here is exploratory" in said["no_decay"] and "were planned" not in said["no_decay"]
    assert "Numbered claims were planned before these runs" in said["ladder"]


@pytest.mark.parametrize(
    ("name", "entry", "network", "told"),
    [
        ("batch_norm", "adamw_decayed", "resnet38w8-bn", "AdamW in ResNet-38 with BN"),
        ("no_decay", "no_decay", "resnet80w8-nobn-fixup", "Adam without a decay in ResNet-80, Fixup"),
        ("ladder", "adaml2", "resnet80w8-nobn", "Adam-\u2113\u2082 in ResNet-80"),
    ],
)
def test_captions_name_every_kind_of_cell_that_is_at_an_edge(
    name: str, entry: str, network: str, told: str, full: Evidence
) -> None:
    cells = {**full.frozen.cells[network]}
    cells[entry] = dataclasses.replace(cells[entry], edges=("larger lr",))
    frozen = dataclasses.replace(full.frozen, cells={**full.frozen.cells, network: cells})
    with styled():
        before = caption(pages(name, full)[name])
        after = caption(pages(name, dataclasses.replace(full, frozen=frozen))[name])
    assert f"so its results are provisional: {told} (larger \N{GREEK SMALL LETTER ALPHA})" in after
    assert "provisional" not in before


def test_a_comparison_without_a_claim_has_the_same_kind_of_interval(full: Evidence) -> None:
    cell = {"cell": "adamw"}
    usual, again = (errors(full.point("resnet80w8-nobn", Arm("adamw", replica=replica), **cell)) for replica in (0, 1))
    values = np.array(list((again - usual).values()))
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    with styled():
        figure = pages("prox_equivalence", full)["prox_equivalence"]
    drawn = set().union(*(intervals(axes, "x") for axes in figure.axes))
    assert (round(low, 6), round(high, 6)) in drawn
    told = [text for text in texts(figure) if text.startswith("AdamW's replica")]
    assert len(told) == 2 and not any("Claim" in text or "supported" in text for text in told)


def test_cells_are_written_beside_each_arm(full: Evidence) -> None:
    with styled():
        figure = pages("loss_scale", full)["loss_scale"]
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    l2 = "Adam-\u2113\u2082"
    assert labels == [
        "AdamW\n(2e-3, 1e-3)", "AdamW\nloss x100\n(2e-3, 1e-3)", f"{l2}\n(1e-3, 3e-4)",
        f"{l2}\nloss x100\n(1e-3, 3e-2)", f"{l2}\nloss x100\n(1e-3, 3e-4)",
    ]  # fmt: skip
    assert "Claim 6a" in caption(figure)


def test_a_network_without_comparisons_has_no_row(quick: Loaded) -> None:
    with styled():
        figure = pages("initialization", evidence(quick, world))["initialization"]
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["ResNet-38, Fixup: errors", "paired differences"]
