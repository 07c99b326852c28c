"""Every planned claim about errors, in every outcome that it can have, on records made to produce it."""

import pytest

from claims.made import Runs, alike, is_exploratory, judged, scattered, shifted
from experiments.made import CELLS, Loaded
from scalefree.claims.planned import CLAIMS

ADAML2_TIMES_100 = 100 * CELLS["adaml2"][1]
SEEDS = {"digits": 20, "cifar16": 5}
# The networks that a profile calls shallow, middle, deepest.
DEPTHS = {"digits": (20, 38, 80), "cifar16": (20, 56, 110)}


def levers(profile: str) -> dict[tuple[str, str], tuple[Runs, float]]:
    """By claim and network: the runs that move its statistic, and how far it moves per point of theirs."""
    shallow, middle, deepest = (f"{depth}w8-nobn" for depth in DEPTHS[profile])
    probe, ladder = (shallow, deepest) if profile == "digits" else (middle, middle)
    found = {
        ("1", f"{probe}"): (Runs(probe, "adamprox"), 1.0),
        ("4a", f"{middle.replace('nobn', 'bn')}"): (Runs(middle.replace("nobn", "bn"), "adaml2"), 1.0),
        **{("4b", f"{network}"): (Runs(network, "adamw"), -1.0) for network in (shallow, middle, deepest)},
        ("4c", f"{deepest}"): (Runs(shallow, "adaml2"), -1.0),
        ("6b-adamw", f"{probe}"): (Runs(probe, "adamw", loss_multiplier=100.0), 1.0),
        ("6b-adaml2", f"{probe}"): (Runs(probe, "adaml2", ADAML2_TIMES_100, loss_multiplier=100.0), 1.0),
        ("8", f"{ladder}-fixup"): (Runs(f"{ladder}-fixup", "adamw"), -1.0),
        ("16", f"{ladder}-fixup"): (Runs(f"{ladder}-fixup", "adaml2"), -1.0),
        ("9", f"{deepest}"): (Runs(deepest, "adam_metric_prox"), 1.0),
        ("13-2", f"{ladder}"): (Runs(ladder, "adamw", decay_unbalance=2.0), 1.0),
        ("17-adamw", f"{ladder}"): (Runs(ladder, "adamw", 0.0), 1.0),
        ("17-adam_scaled_l2", f"{ladder}"): (Runs(ladder, "adam_scaled_l2"), -1.0),
        ("17-adam_metric_prox", f"{ladder}"): (Runs(ladder, "adam_metric_prox"), -1.0),
        ("17-adaml2", f"{ladder}"): (Runs(ladder, "adaml2"), -1.0),
    }
    for network in (middle, deepest):
        found |= {
            ("11a", f"{network}"): (Runs(network, "adam_scaled_l2"), -0.5),
            ("11b", f"{network}"): (Runs(network, "adam_metric_prox"), -0.5),
            ("11c", f"{network}"): (Runs(network, "adamw"), 1.0),
            ("11d", f"{network}"): (Runs(network, "adam_scaled_l2"), -1.0),
        }
    found |= {
        ("7", f"{ladder}"): (Runs(ladder, "adamw", eps=1e-3), 1.0),
        ("12a", f"{ladder}"): (Runs(ladder, "adam_scaled_l2_by_layer"), 1.0),
        ("12c", f"{ladder}"): (Runs(ladder, "adam_scaled_l2_by_layer"), -1.0),
    }
    if profile == "digits":
        found |= {
            ("6c-adamw", f"{shallow}"): (Runs(shallow, "adamw", gradient_unbalance=1.5), 1.0),
            ("6c-scaled", f"{shallow}"): (Runs(shallow, "adam_scaled_l2", gradient_unbalance=1.5), 1.0),
            ("6d", f"{deepest}"): (Runs(deepest, "adaml2", gradient_unbalance=1.5), 1.0),
            ("8", f"{deepest}-zero_last"): (Runs(f"{deepest}-zero_last", "adamw"), -1.0),
            ("12b", f"{deepest}"): (Runs(deepest, "adam_scaled_l2_by_network"), 1.0),
            ("13-1", f"{deepest}"): (Runs(deepest, "adamw", decay_unbalance=1.0), 1.0),
            ("17-adamw", f"{deepest}-fixup"): (Runs(f"{deepest}-fixup", "adamw", 0.0), 1.0),
            ("17-adaml2", f"{deepest}-fixup"): (Runs(f"{deepest}-fixup", "adaml2"), -1.0),
        }
    return found


QUESTIONS = {claim.question.number: claim.question for claim in CLAIMS}
# (mean, standard deviation over seeds) in points, and the verdict.
OUTCOMES = {
    "above": [
        (2.0, 0.5, "supported"),
        (0.0, 0.2, "negligible"),
        (-2.0, 0.5, "contradicted"),
        (0.5, 1.0, "inconclusive"),
        (-0.5, 4.0, "inconclusive"),
    ],
    "within": [
        (0.3, 0.3, "supported"),
        (-0.3, 0.3, "supported"),
        (2.0, 0.3, "contradicted"),
        (-2.0, 0.3, "contradicted"),
        (1.0, 0.5, "inconclusive"),
        (0.0, 4.0, "inconclusive"),
    ],
    "below": [
        (0.0, 0.3, "supported"),
        (-9.0, 1.0, "supported"),
        (2.0, 0.5, "contradicted"),
        (0.3, 2.0, "inconclusive"),
    ],
    "beyond": [
        (2.0, 0.5, "supported"),
        (-2.0, 0.5, "supported"),
        (0.0, 0.2, "negligible"),
        (0.5, 1.0, "inconclusive"),
        (-0.5, 1.0, "inconclusive"),
    ],
}
CASES = [(profile, *place) for profile in SEEDS for place in levers(profile)]


@pytest.mark.parametrize(("profile", "number", "network"), CASES)
def test_every_claim_reaches_every_outcome(
    profile: str, number: str, network: str, profiles: dict[str, Loaded]
) -> None:
    runs, slope = levers(profile)[number, network]
    seeds = SEEDS[profile]
    for mean, size, expected in OUTCOMES[QUESTIONS[number].sense]:
        move = scattered(mean / slope, abs(size / slope), seeds)
        (verdict,) = (
            verdict
            for verdict in judged(profiles[profile], shifted(alike, runs, move), number).values()
            if verdict.where == f"resnet{network}"
        )
        assert verdict.verdict == expected, (mean, size, verdict.reason)
        assert verdict.effect == pytest.approx(mean, abs=0.05)
        assert verdict.interval is not None and verdict.interval.n == seeds
        assert verdict.planned == (not is_exploratory(number))


def test_every_claim_about_errors_has_a_lever(profiles: dict[str, Loaded]) -> None:
    """The others, about spreads and orders, have tests of their own."""
    others = {"5a", "5b", "6a", "14", "15"}
    for profile, loaded in profiles.items():
        moved = {f"{number}-resnet{network}" for number, network in levers(profile)}
        assert {place for place in judged(loaded, alike) if place.split("-")[0] not in others} == moved
