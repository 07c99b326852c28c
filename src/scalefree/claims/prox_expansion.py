"""Claim 1: AdamW approximates AdamProx, in one step to second order and over whole training runs."""

import dataclasses
from statistics import mean

from scalefree.claims.advantage import LEAST_SPREAD
from scalefree.claims.evidence import Evidence
from scalefree.claims.intervals import mean_interval
from scalefree.claims.labels import setting_label
from scalefree.claims.pairs import pairs, seed_pairs
from scalefree.claims.selection import select
from scalefree.claims.verdict import Measured, Question, Verdict, judged
from scalefree.theory.prox_expansion import log_slope, one_step_differences

OPTIMIZERS = ("adamw", "adamprox")

# Whole runs agree if the errors lie no further apart than this, in points, or than those of two seeds: the paper's
# figures differ by up to a point where the algorithm is the same.
AGREE = 1.0
QUESTION = Question(
    number="1",
    name="prox_expansion",
    claim="AdamW approximates AdamProx: one step differs to second order, and whole training runs agree.",
    statistic="distance of the final test errors of AdamW and AdamProx, mean over cells with a decay",
    unit="points apart",
    sense="below",
    threshold=AGREE,
)

# One step's difference against the schedule eta, at a decay far above the paper's so that it is far from rounding.
ETAS = (1.0, 0.3, 0.1, 0.03, 0.01)
DECAY = 1e-2
ORDER, ORDER_TOLERANCE = 2.0, 0.1


def one_step_order() -> float:
    """The slope of log |AdamProx - AdamW| after one step over log eta."""
    steps = one_step_differences([DECAY] * len(ETAS), ETAS)
    return log_slope(ETAS, [step.measured for step in steps])


def judge_with(evidence: Evidence, order: float) -> Verdict:
    """From the order of the one-step difference and from the grids of the two."""
    chosen = select(evidence.settings("prox_equivalence"), OPTIMIZERS)
    scope = chosen.scope(evidence.profile)
    by_setting = {
        setting_label(setting.config): list(pairs(setting.of("adamw"), setting.of("adamprox")).values())
        for setting in chosen.used
    }
    trained = {label: [pair for pair in of if pair.trained] for label, of in by_setting.items()}
    both = [pair for of in trained.values() for pair in of]
    notes = [f"In one step the two differ to order {order:.2f} in eta"]
    if not both:
        measured = Measured(problem=chosen.problem or "no cell trains")
        verdict = judged(QUESTION, measured, [*notes, *chosen.notes()], scope)
    else:
        noise = [p.apart for setting in chosen.used for p in seed_pairs(setting.of("adamw")) if p.trained]
        question = dataclasses.replace(QUESTION, threshold=max(AGREE, mean(noise) if noise else 0.0))
        apart = [pair.apart for pair in both]
        measured = Measured(mean(apart), mean_interval(apart, "pairs of runs", LEAST_SPREAD))
        lean = mean(pair.second - pair.first for pair in both)
        notes.append(f"AdamProx minus AdamW, with its sign, is {lean:+.2f} points in the mean")
        if noise:
            notes.append(f"two seeds of one AdamW cell lie {mean(noise):.2f} points apart in the mean")
        notes += [
            f"{label}: {mean(p.apart for p in of):.2f} points over {len(of)}" for label, of in trained.items() if of
        ]
        verdict = judged(question, measured, [*notes, *chosen.notes()], scope)
    if abs(order - ORDER) > ORDER_TOLERANCE:
        reason = f"one step differs to order {order:.2f} in eta, not {ORDER:g}"
        return dataclasses.replace(verdict, verdict="contradicted", reason=reason)
    return verdict


def judge(evidence: Evidence) -> Verdict:
    """With the order as measured on the toy problem of `scalefree.theory.prox_expansion`."""
    return judge_with(evidence, one_step_order())
