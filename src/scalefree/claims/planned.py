"""The claims that trainings answer, a row each: what docs/analysis_plan.md plans, as code.

A row's `measure` says its statistic as arithmetic on errors by seed, `at("adaml2") - at("adamw")`; everything else
(which cells, which seeds, the interval, the verdict) is the same for all and stands elsewhere.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from scalefree.claims.verdict import Measured, Question, Verdict, decide, measured_over_seeds
from scalefree.experiments.arms import Arm, Network
from scalefree.experiments.evidence import Evidence, Missing, describe, errors, scalars
from scalefree.experiments.intervals import rank_correlation
from scalefree.experiments.names import cell_name, scope
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point

# An advantage below half a point is not worth the name: two images in 360 of the digits' test set, and a sixth of
# the 3.1 points that the paper shows for ResNet-110.
LEAST_EFFECT = 0.5
# About what the paper's own figures differ by where the algorithm is the same (the column lambda = 0).
ON_PAR = 1.0
# Standard deviation over seeds that a difference is given at the least, in points and in shares or powers of two.
LEAST_SPREAD, LEAST_SCALAR_SPREAD = 0.1, 0.01
# v lets an update scale fall by at most one power of two in so many steps: 2 ln 2 / (1 - beta2).
STEPS_PER_HALVING = 2 * math.log(2) / 1e-3


@dataclass
class At:
    """The runs of one network, by method; remembers which cells it was asked for.

    Attributes:
        whole: whether every seed must be there, as for a claim; figures also show what is unfinished.
    """

    evidence: Evidence
    network: Network
    used: dict[str, Point] = field(default_factory=dict)
    whole: bool = True

    def point(self, method: str, cell: str = "own", decay_times: float = 1.0, **unusual: float | str) -> Point:
        """A method's runs with all their seeds; `unusual` are fields of `Arm`.

        Raises:
            Missing: cells or seeds that are not there.
        """
        arm = Arm(method, **unusual)  # type: ignore[arg-type]
        find = self.evidence.complete if self.whole else self.evidence.point
        found = find(self.network.label, arm, cell, decay_times)
        self.used[f"{self.network.label}: {describe(arm)}"] = found
        return found

    def __call__(self, method: str, cell: str = "own", decay_times: float = 1.0, **unusual: float | str) -> SeedValues:
        """Final test errors by seed, in points."""
        return errors(self.point(method, cell, decay_times, **unusual))

    def elsewhere(self, network: Network) -> "At":
        """The same for another network."""
        return At(self.evidence, network, self.used, self.whole)


@dataclass(frozen=True)
class Claim:
    """A row.

    Attributes:
        measure: the statistic by seed, or all that is measured where it has no value of each seed.
        where: which of the networks that have all the arms: each, the deepest, all but the shallowest, those with
            BatchNorm, those whose initialisation does not explode, or all as one.
        least_spread: see `mean_interval`.
        objection: why the profile cannot test it, though the runs are there.
    """

    question: Question
    measure: Callable[[At], SeedValues | Measured]
    where: str = "each"
    least_spread: float = LEAST_SPREAD
    objection: Callable[[At], str] | None = None


def _points(number: str, name: str, claim: str, statistic: str, sense: str, threshold: float) -> Question:
    return Question(number, name, claim, statistic, "points", sense, threshold)  # type: ignore[arg-type]


def _advantage(at: At) -> SeedValues:
    return at("adaml2") - at("adamw")


def _growth(at: At) -> SeedValues:
    shallow = next(network for network in at.evidence.networks if network.is_usual)
    return _advantage(at) - _advantage(at.elsewhere(shallow))


def _peak(at: At) -> SeedValues:
    first, second = (scalars(at.point(method), "update_scale", "peak_share") for method in ("adamw", "adaml2"))
    return first - second


def _too_short(at: At) -> str:
    """Why update scales cannot have gathered yet, as v still remembers the start; empty if they can."""
    needed = []
    for method in ("adamw", "adaml2"):
        for record in at.point(method).records.values():
            counts = at.evidence.arrays(record, "histograms").get("gradient_counts/network")
            if counts is not None and len(counts) > 1:
                medians = [float(np.searchsorted(row.cumsum(), row.sum() / 2)) for row in counts[[0, -1]]]
                needed.append((STEPS_PER_HALVING * (medians[0] - medians[1]), record.outcome.step))
    if not needed:
        return "no gradient histograms, so nobody can tell whether v has forgotten the start"
    steps, taken = (float(np.median(column)) for column in zip(*needed, strict=True))
    if taken >= steps:
        return ""
    return f"not testable: v needs about {steps:,.0f} steps to forget the start, the trainings have {taken:,.0f}"


def _excess_and_advantage(at: At) -> Measured:
    spreads = [scalars(at.point(method), "update_scale", "iqr") for method in ("adaml2", "adamw")]
    excess, advantage = spreads[0] - spreads[1], _advantage(at)
    seeds = sorted(excess.keys() & advantage.keys())
    r, interval = rank_correlation([excess[s] for s in seeds], [advantage[s] for s in seeds], "seeds")
    if r is None or interval is None:
        return Measured(r, problem=f"{len(seeds)} seeds; an interval needs five that differ")
    z = math.atanh(r if abs(r) < 1 else math.copysign(1 - 1e-12, r)) * math.sqrt(max(len(seeds) - 3, 1))
    return Measured(r, interval, chance=0.5 * math.erfc(z / math.sqrt(2)))


def _moved_spreads(at: At) -> SeedValues:
    def moved(method: str) -> SeedValues:
        before, after = at.point(method), at.point(method, loss_multiplier=100.0)
        return abs(scalars(after, "update_scale", "iqr") - scalars(before, "update_scale", "iqr"))

    return moved("adaml2") - moved("adamw")


def _scale_free(at: At) -> SeedValues:
    return ((at("adam_metric_prox") - at("adamw")) + (at("adaml2") - at("adam_scaled_l2"))) / 2


def _decoupled(at: At) -> SeedValues:
    return ((at("adam_scaled_l2") - at("adamw")) + (at("adaml2") - at("adam_metric_prox"))) / 2


def _interaction(at: At) -> SeedValues:
    return (at("adaml2") - at("adam_metric_prox")) - (at("adam_scaled_l2") - at("adamw"))


# Methods whose effective decays and errors are ranked, with the cell that each is at.
RANKED = {
    "adamw": "own",
    "adamprox": "adamw",
    "adam_scaled_l2": "own",
    "adam_scaled_l2_by_layer": "own",
    "adam_scaled_l2_by_network": "own",
    "adam_metric_prox": "own",
    "adaml2": "own",
}
# Fewer methods than this have no order worth the name.
LEAST_RANKED = 4


def _ranks(at: At) -> SeedValues:
    there: dict[str, Point] = {}
    for method, cell in RANKED.items():
        try:
            there[method] = at.point(method, cell)
        except Missing as lack:
            if lack.asked:
                raise
    spreads = [scalars(point, "effective_decay", "iqr") for point in there.values()]
    seeds = sorted(set.intersection(*(set(spread) for spread in spreads))) if spreads else []
    if len(there) < LEAST_RANKED:
        raise Missing(
            f"{at.network.label}: {len(there)} methods are trained, an order takes {LEAST_RANKED}", asked=False
        )
    of_method = [errors(point) for point in there.values()]
    return SeedValues(
        {
            seed: float(spearmanr([s[seed] for s in spreads], [e[seed] for e in of_method]).statistic)
            for seed in seeds
            if len({s[seed] for s in spreads}) > 1 and len({e[seed] for e in of_method}) > 1
        }
    )


def _unbalanced(decades: float, at: At) -> SeedValues:
    return at("adamw", decay_unbalance=decades) - at("adamw")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        _points(
            "1", "agreement", "AdamW and AdamProx agree in training.",
            "test error of AdamProx minus AdamW's, both at AdamW's cell", "within", ON_PAR,
        ),
        lambda at: at("adamprox", cell="adamw") - at("adamw"),
    ),
    Claim(
        _points(
            "4a", "batch_norm_parity", "With BatchNorm, Adam-l2 and AdamW are on par at equal decay above 0.",
            "test error of Adam-l2 minus AdamW's, both at AdamW's best cell with a decay", "within", ON_PAR,
        ),
        lambda at: at("adaml2", cell="adamw_decayed") - at("adamw", cell="adamw_decayed"),
        where="batch_norm",
    ),
    Claim(
        _points(
            "4b", "advantage", "Without BatchNorm, AdamW reaches a lower test error than Adam-l2.",
            "test error of Adam-l2 minus AdamW's", "above", LEAST_EFFECT,
        ),
        _advantage,
    ),
    Claim(
        _points(
            "4c", "advantage_with_depth", "Without BatchNorm, AdamW's advantage is larger in the deepest network.",
            "advantage in the deepest network minus advantage in the shallowest", "above", LEAST_EFFECT,
        ),
        _growth,
        where="deepest",
    ),
    Claim(
        Question(
            "5a", "peak", "AdamW's update scales gather in a peak; Adam-l2's do not.",
            "share of all coordinates in the four fullest bins of the last histogram, AdamW minus Adam-l2",
            "", "above", 0.1,
        ),
        _peak,
        where="deepest",
        least_spread=LEAST_SCALAR_SPREAD,
        objection=_too_short,
    ),
    Claim(
        Question(
            "5b", "spread_and_advantage", "Where Adam-l2's update scales spread out more, AdamW's advantage is larger.",
            "Spearman's correlation over seeds of the excess of the interquartile range (Adam-l2 minus AdamW) and the "
            "advantage",
            "", "above", 0.0,
        ),
        _excess_and_advantage,
        where="deepest",
    ),
    Claim(
        Question(
            "6a", "loss_scale_spread",
            "At fixed decay, multiplying the loss by 100 changes Adam-l2's update scales and not AdamW's.",
            "how far the interquartile range moves, Adam-l2's minus AdamW's", "powers of two", "above", 0.25,
        ),
        _moved_spreads,
        least_spread=LEAST_SCALAR_SPREAD,
    ),
    Claim(
        _points(
            "6b-adamw", "loss_scale_adamw", "Multiplying the loss by 100 leaves AdamW's error as it is.",
            "test error with the multiplier minus without", "within", ON_PAR,
        ),
        lambda at: at("adamw", loss_multiplier=100.0) - at("adamw"),
    ),
    Claim(
        _points(
            "6b-adaml2", "loss_scale_adaml2",
            "Multiplying the loss by 100 leaves Adam-l2's error as it is, if its decay is multiplied as well.",
            "test error with the multiplier minus without", "within", ON_PAR,
        ),
        lambda at: at("adaml2", decay_times=100.0, loss_multiplier=100.0) - at("adaml2"),
    ),
    Claim(
        _points(
            "6c-adamw", "layer_loss_adamw",
            "Multiplying each layer's gradients by a constant of its own leaves AdamW alone.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "within", ON_PAR,
        ),
        lambda at: at("adamw", gradient_unbalance=1.5) - at("adamw"),
    ),
    Claim(
        _points(
            "6c-scaled", "layer_loss_scaled",
            "Multiplying each layer's gradients by a constant of its own leaves scaled Adam-l2 alone.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "within", ON_PAR,
        ),
        lambda at: at("adam_scaled_l2", gradient_unbalance=1.5) - at("adam_scaled_l2"),
    ),
    Claim(
        _points(
            "6d", "layer_loss_adaml2",
            "Multiplying each layer's gradients by a constant of its own changes Adam-l2's error.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "beyond", LEAST_EFFECT,
        ),
        lambda at: at("adaml2", gradient_unbalance=1.5) - at("adaml2"),
        where="deepest",
    ),
    Claim(
        _points(
            "7", "epsilon", "eps = 1e-3, which breaks scale-freeness, makes AdamW worse.",
            "test error of AdamW at eps = 1e-3 minus at 1e-8", "above", LEAST_EFFECT,
        ),
        lambda at: at("adamw", eps=1e-3) - at("adamw"),
    ),
    Claim(
        _points(
            "8", "initialization",
            "From an initialisation that does not explode, Adam-l2 and AdamW are on par without BatchNorm.",
            "test error of Adam-l2 minus AdamW's, the last convolution of each branch zero at first", "within", ON_PAR,
        ),
        _advantage,
        where="tame",
    ),
    Claim(
        _points(
            "9", "metric_prox", "The metric prox, decoupled and proximal but not scale-free, is worse than AdamW.",
            "test error of the metric prox minus AdamW's", "above", LEAST_EFFECT,
        ),
        lambda at: at("adam_metric_prox") - at("adamw"),
        where="deepest",
    ),
    Claim(
        _points(
            "11a", "scale_freeness", "Scale-freeness lowers the error.",
            "((metric prox - AdamW) + (Adam-l2 - scaled Adam-l2)) / 2, test errors", "above", LEAST_EFFECT,
        ),
        _scale_free,
        where="deeper",
    ),
    Claim(
        _points(
            "11b", "decoupling", "Keeping the decay out of the moments lowers the error.",
            "((scaled Adam-l2 - AdamW) + (Adam-l2 - metric prox)) / 2, test errors", "above", LEAST_EFFECT,
        ),
        _decoupled,
        where="deeper",
    ),
    Claim(
        _points(
            "11c", "interaction", "Scale-freeness and decoupling interact.",
            "(Adam-l2 - metric prox) - (scaled Adam-l2 - AdamW), test errors", "beyond", LEAST_EFFECT,
        ),
        _interaction,
        where="deeper",
    ),
    Claim(
        _points(
            "11d", "scale_free_beats_decoupled",
            "Scale-freeness without decoupling beats decoupling without scale-freeness.",
            "test error of the metric prox minus scaled Adam-l2's", "above", LEAST_EFFECT,
        ),
        lambda at: at("adam_metric_prox") - at("adam_scaled_l2"),
        where="deeper",
    ),
    Claim(
        _points(
            "12a", "ladder_layer", "Scaling the decay layer by layer is worse than coordinate by coordinate.",
            "test error of scaled Adam-l2 by layer minus by coordinate", "above", LEAST_EFFECT,
        ),
        lambda at: at("adam_scaled_l2_by_layer") - at("adam_scaled_l2"),
    ),
    Claim(
        _points(
            "12b", "ladder_network", "Scaling the decay by one number for the network is worse than by coordinate.",
            "test error of scaled Adam-l2 by network minus by coordinate", "above", LEAST_EFFECT,
        ),
        lambda at: at("adam_scaled_l2_by_network") - at("adam_scaled_l2"),
    ),
    Claim(
        _points(
            "12c", "ladder_helps", "Scaling the decay layer by layer helps Adam-l2 at all.",
            "test error of Adam-l2 minus scaled Adam-l2's by layer", "above", LEAST_EFFECT,
        ),
        lambda at: at("adaml2") - at("adam_scaled_l2_by_layer"),
    ),
    *(
        Claim(
            _points(
                f"13-{decades:g}", f"balance_{decades:g}",
                f"Decays spread over 10^-{decades:g} to 10^{decades:g} between layers do AdamW no harm.",
                "test error of AdamW with unbalanced decays minus AdamW's", "below", LEAST_EFFECT,
            ),
            partial(_unbalanced, decades),
        )
        for decades in (1.0, 2.0)
    ),
    Claim(
        Question(
            "14", "effective_decay", "The spread of the effective decay orders the methods' errors.",
            "Spearman's correlation over methods of the interquartile range of log2 effective decay and the error, "
            "mean over seeds",
            "", "above", 0.3,
        ),
        _ranks,
        where="deepest",
        least_spread=LEAST_SCALAR_SPREAD,
    ),
)  # fmt: skip


def _candidates(claim: Claim, evidence: Evidence) -> list[Network]:
    usual = [network for network in evidence.networks if network.is_usual]
    chosen: dict[str, Sequence[Network]] = {
        "each": usual,
        "deepest": usual[-1:],
        "deeper": usual[1:],
        "batch_norm": [n for n in evidence.networks if n.batch_norm],
        "tame": [n for n in evidence.networks if not n.batch_norm and n.initialization == "zero_last"],
    }
    return list(chosen[claim.where])


def _judge_at(claim: Claim, at: At) -> Verdict | None:
    """The verdict in one network; None where the profile does not ask it there."""
    question = claim.question
    try:
        found = claim.measure(at)
        measured = found if isinstance(found, Measured) else measured_over_seeds(question, found, claim.least_spread)
        objection = claim.objection(at) if claim.objection is not None else ""
        if objection and not measured.problem:
            measured = Measured(measured.effect, measured.interval, values=measured.values, problem=objection)
    except Missing as lack:
        if not lack.asked:
            return None
        measured = Measured(problem=str(lack))
    decision, reason = decide(question, measured)
    return Verdict(
        question=question,
        where=at.network.label,
        planned=not at.evidence.selects_itself,
        verdict=decision,
        reason=reason,
        measured=measured,
        notes=tuple(f"{what} {errors(point).mean:.1f} % at {cell_name(point)}" for what, point in at.used.items()),
        scope=scope(at.evidence.profile, list(at.used.values())),
    )


def judge(evidence: Evidence, numbers: Collection[str] | None = None) -> list[Verdict]:
    """Every claim, or those of the numbers given, in every network in which the profile asks it."""
    chosen = [claim for claim in CLAIMS if numbers is None or claim.question.number in numbers]
    asked = [(claim, network) for claim in chosen for network in _candidates(claim, evidence)]
    found = [_judge_at(claim, At(evidence, network)) for claim, network in asked]
    return [verdict for verdict in found if verdict is not None]
