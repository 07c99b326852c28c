"""Claim 6: AdamW stays nearly scale-free in training, as multiplying the loss shows; Adam-l2 does not.

At eps = 0 a multiplier changes nothing in AdamW, and in Adam-l2 it has the effect of dividing lambda by it. The errors
decide, over all cells with a decay; histograms that move more under AdamW than under Adam-l2 would be an objection.
"""

import dataclasses
from collections.abc import Sequence
from statistics import mean

from scalefree.claims.advantage import LEAST_ADVANTAGE, LEAST_SPREAD, PAIR
from scalefree.claims.evidence import Evidence
from scalefree.claims.histograms import total_variation
from scalefree.claims.intervals import mean_interval
from scalefree.claims.labels import cell_label, setting_label
from scalefree.claims.pairs import matched, pairs, seed_pairs
from scalefree.claims.selection import select
from scalefree.claims.settings import groups
from scalefree.claims.verdict import INCONCLUSIVE, Measured, Question, Verdict, judged
from scalefree.experiments import Setting
from scalefree.optimizers import look

QUESTION = Question(
    number="6",
    name="loss_scale",
    claim="Multiplying the loss by 10 or 100 leaves AdamW's errors in place and moves those of Adam-l2.",
    statistic="how much further a multiplier moves Adam-l2's final test error than AdamW's, mean over decayed cells",
    unit="points",
    sense="above",
    threshold=LEAST_ADVANTAGE,
)
# AdamW's errors are in place if they move by no more than this, in points, or than another seed moves them: the
# paper's figures differ by up to a point where the algorithm is the same.
IN_PLACE = 1.0
OWN_MOVE = Question(
    number="6",
    name="loss_scale",
    claim="Multiplying the loss leaves AdamW's errors in place.",
    statistic="how far a multiplier moves AdamW's final test error, mean over cells with a decay",
    unit="points moved",
    sense="below",
    threshold=IN_PLACE,
)
UNITS = "pairs of runs"

# A setting without a multiplier and the same with one.
Twins = tuple[Setting, Setting]


def _moves(twins: Sequence[Twins]) -> list[tuple[float, float]]:
    """By how many points each multiplier moves Adam-l2's and AdamW's error, at every cell and seed that train."""
    found = []
    for usual, multiplied in twins:
        first, second = (pairs(usual.of(optimizer), multiplied.of(optimizer)) for optimizer in PAIR)
        for place in sorted(first.keys() & second.keys()):
            if first[place].trained or second[place].trained:
                found.append((first[place].apart, second[place].apart))
    return found


def _own_move(moves: Sequence[float], twins: Sequence[Twins]) -> Verdict:
    """Whether AdamW's errors stay in place."""
    noise = [pair.apart for usual, _ in twins for pair in seed_pairs(usual.of("adamw")) if pair.trained]
    threshold = max(IN_PLACE, mean(noise) if noise else 0.0)
    measured = Measured(mean(moves), mean_interval(moves, UNITS, LEAST_SPREAD))
    return judged(dataclasses.replace(OWN_MOVE, threshold=threshold), measured, (), "")


def _histogram_moves(evidence: Evidence, twins: Sequence[Twins]) -> list[float]:
    """The share of the histograms' mass that a multiplier moves under each optimizer; empty without histograms."""
    shares = []
    for optimizer in PAIR:
        cells = [cell for usual, other in twins for cell in matched(usual.of(optimizer), other.of(optimizer))]
        moved = [share for cell in cells for share in total_variation(evidence, *cell).values()]
        if not moved:
            return []
        shares.append(mean(moved))
    return shares


def _best_cells(of_multiplier: dict[float, Setting]) -> list[str]:
    notes = []
    for optimizer in PAIR:
        best = [(factor, of_multiplier[factor].best(optimizer)) for factor in sorted(of_multiplier)]
        cells = ", ".join(f"{cell_label(point)} at x{factor:g}" for factor, point in best if point is not None)
        label = setting_label(of_multiplier[min(of_multiplier)].config)
        notes.append(f"{label}: best cells of {look(optimizer).text} {cells}")
    return notes


def judge(evidence: Evidence) -> Verdict:
    """From the settings that differ in the loss multiplier alone, each against the one without."""
    chosen = select(evidence.settings("loss_scale"), PAIR)
    families = [of for of in groups(chosen.used, "training.loss_multiplier") if 1.0 in of and len(of) > 1]
    twins = [(of[1.0], other) for of in families for factor, other in of.items() if factor != 1]
    moves = _moves(twins)
    scope = chosen.scope(evidence.profile)
    if not moves:
        problem = chosen.problem or "no network has its whole grid with and without a multiplier and trains at all"
        return judged(QUESTION, Measured(problem=problem), chosen.notes(), scope)
    further = [first - second for first, second in moves]
    stays = _own_move([second for _, second in moves], twins)
    histograms = _histogram_moves(evidence, twins)
    notes = [
        f"AdamW's errors move by {stays.effect:.2f} points, of which {stays.question.threshold:.2f} would be in place; "
        f"Adam-l2's by {mean(first for first, _ in moves):.2f}",
        *(note for family in families for note in _best_cells(family)),
    ]
    if histograms:
        notes.append(
            "of the update-scale histograms' mass, {:.0%} (Adam-l2) and {:.0%} (AdamW) moves".format(*histograms)
        )
    measured = Measured(mean(further), mean_interval(further, UNITS, LEAST_SPREAD))
    verdict = judged(QUESTION, measured, [*notes, *chosen.notes()], scope)
    if stays.verdict == "contradicted":
        reason = f"AdamW's own errors are not in place: {stays.reason}"
        return dataclasses.replace(verdict, verdict="contradicted", reason=reason)
    if verdict.verdict == "supported" and stays.verdict != "supported":
        reason = f"AdamW's own errors may not be in place: {stays.reason}"
        return dataclasses.replace(verdict, verdict=INCONCLUSIVE, reason=reason)
    if verdict.verdict == "supported" and histograms and histograms[1] >= histograms[0]:
        return dataclasses.replace(
            verdict, verdict=INCONCLUSIVE, reason="AdamW's histograms move no less than Adam-l2's"
        )
    return verdict
