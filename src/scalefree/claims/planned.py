"""The claims that trainings answer, a row each: what docs/analysis_plan.md plans, as code.

A row's `measure` says its statistic as arithmetic on errors by seed, `at("adaml2") - at("adamw")`; everything else
(which cells, which seeds, the interval, the verdict) is the same for all and stands elsewhere.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from scalefree.claims.verdict import Measured, Question, Verdict, decide, finite, measured_over_seeds
from scalefree.experiments.arms import Arm, Network
from scalefree.experiments.evidence import Evidence, Missing, describe, errors, scalars
from scalefree.experiments.intervals import mean_interval, rank_correlation
from scalefree.experiments.names import cell_name, scope
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point
from scalefree.optimizers import look

# An advantage below half a point is not worth the name: two images in 360 of the digits' test set, and a sixth of
# the 3.1 points that the paper shows for ResNet-110.
LEAST_EFFECT = 0.5
# About what the paper's own figures differ by where the algorithm is the same (the column lambda = 0).
ON_PAR = 1.0
# Standard deviation over seeds that a difference is given at the least, in points and in shares or powers of two.
LEAST_SPREAD, LEAST_SCALAR_SPREAD = 0.1, 0.01
# The level of a test that stands beside an interval.
SIGNIFICANT = 0.05
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
        where: in which networks without BatchNorm: each that has the arms, the first of these (the shallowest), the
            deepest, all but the shallowest; or those with BatchNorm, or with an initialisation that does not explode.
        least_spread: see `mean_interval`.
        objection: why the profile cannot test it, though the runs are there.
        over_methods: a second p, which must be at most 0.05 as well, where what is compared are not seeds alone.
        beside: what is shown beside the statistic, where it is trained, by name.
    """

    question: Question
    measure: Callable[[At], SeedValues | Measured]
    where: str = "each"
    least_spread: float = LEAST_SPREAD
    objection: Callable[[At], str] | None = None
    over_methods: Callable[[At], float] | None = None
    beside: Mapping[str, Callable[[At], SeedValues]] = field(default_factory=dict)


def _points(number: str, name: str, claim: str, statistic: str, sense: str, threshold: float) -> Question:
    return Question(number, name, claim, statistic, "points", sense, threshold)  # type: ignore[arg-type]


def _advantage(at: At) -> SeedValues:
    return at("adaml2") - at("adamw")


def _growth(at: At) -> SeedValues:
    shallow = next(network for network in at.evidence.networks if network.is_usual)
    if shallow == at.network:
        raise Missing(f"{at.network.label} is the only network", asked=False)
    return _advantage(at) - _advantage(at.elsewhere(shallow))


def _peak(at: At) -> SeedValues:
    first, second = (scalars(at.point(method), "update_scale", "peak_share") for method in ("adamw", "adaml2"))
    return first - second


def _forgotten_after(at: At, method: str) -> tuple[float, bool, float] | None:
    """Steps that v needs to forget the start, whether they may be more, and steps taken: medians over the seeds.

    They may be more where the first gradients are larger than the histogram's largest bin. Where the last are below its
    smallest, the threshold is eps, which v need not fall below.
    """
    found = []
    for record in at.point(method).records.values():
        arrays = at.evidence.arrays(record, "histograms")
        counts = arrays.get("gradient_counts/network")
        if counts is not None and len(counts) > 1:
            # Without the last bin, what is not finite.
            first, last = (int(np.searchsorted(row.cumsum(), row.sum() / 2)) for row in counts[[0, -1], :-1])
            taken = float(arrays["step"][-1]) if "step" in arrays else float(record.outcome.step)
            found.append((STEPS_PER_HALVING * (first - last), first == counts.shape[1] - 2, taken))
    if not found:
        return None
    needed, beyond, taken_steps = (np.median(column) for column in zip(*found, strict=True))
    return float(needed), bool(beyond > 0), float(taken_steps)


def _too_short(at: At) -> str:
    """Why update scales cannot have gathered yet, as v still remembers the start; empty if they can."""
    for method in ("adamw", "adaml2"):
        found = _forgotten_after(at, method)
        if found is None:
            return f"{method} has no gradient histograms, so nobody can tell whether v has forgotten the start"
        needed, may_be_more, taken = found
        if taken < needed or may_be_more:
            least = "at least " if may_be_more else "about "
            return (
                f"not testable: {look(method).label}'s v needs {least}{needed:,.0f} steps to forget the start, "
                f"the trainings have {taken:,.0f}"
            )
    return ""


def _excess_and_advantage(at: At) -> Measured:
    spreads = [scalars(at.point(method), "update_scale", "iqr") for method in ("adaml2", "adamw")]
    excess, advantage = spreads[0] - spreads[1], _advantage(at)
    seeds = sorted(excess.keys() & advantage.keys())
    r, interval, chance = rank_correlation([excess[s] for s in seeds], [advantage[s] for s in seeds], "seeds")
    if r is None or interval is None:
        return Measured(r, problem=f"{len(seeds)} seeds; an interval needs five that differ")
    return Measured(r, interval, chance=chance)


def _moved_spreads(at: At) -> SeedValues:
    """Adam-l2's change in the direction of its mean, minus the size of AdamW's.

    Sizes of both would call it an effect when Adam-l2's spread merely varies more from run to run.
    """

    def moved(method: str) -> SeedValues:
        before, after = at.point(method), at.point(method, loss_multiplier=100.0)
        return scalars(after, "update_scale", "iqr") - scalars(before, "update_scale", "iqr")

    of_adaml2, of_adamw = moved("adaml2"), moved("adamw")
    return of_adaml2 / math.copysign(1, sum(of_adaml2.values())) - abs(of_adamw)


def _scale_free(at: At) -> SeedValues:
    return ((at("adam_metric_prox") - at("adamw")) + (at("adaml2") - at("adam_scaled_l2"))) / 2


def _decoupled(at: At) -> SeedValues:
    return ((at("adam_scaled_l2") - at("adamw")) + (at("adaml2") - at("adam_metric_prox"))) / 2


def _interaction(at: At) -> SeedValues:
    return (at("adaml2") - at("adam_metric_prox")) - (at("adam_scaled_l2") - at("adamw"))


# Methods whose effective decays and errors are ranked: AdamProx, which is AdamW a second time, is none of its own.
RANKED = (
    "adamw",
    "adam_scaled_l2",
    "adam_scaled_l2_by_layer",
    "adam_scaled_l2_by_network",
    "adam_metric_prox",
    "adaml2",
)
# Fewer methods than this have no order worth the name.
LEAST_RANKED = 4


def _spreads_and_errors(at: At) -> dict[int, tuple[list[float], list[float]]]:
    """By seed, each method's spread of the effective decay and its error; methods at lambda = 0 have no such spread."""
    trained: list[Point] = []
    for method in RANKED:
        try:
            trained.append(at.point(method))
        except Missing as lack:
            if lack.asked:
                raise
    if len(trained) < LEAST_RANKED:
        raise Missing(f"{at.network.label}: too few methods are trained for an order", asked=False)
    there = [point for point in trained if point.weight_decay > 0]
    if len(there) < LEAST_RANKED:
        raise Missing(f"not testable: {len(there)} of {len(trained)} methods decay, an order takes {LEAST_RANKED}")
    columns = [(scalars(point, "effective_decay", "iqr"), errors(point)) for point in there]
    seeds = sorted(set.intersection(*(spread.keys() & error.keys() for spread, error in columns)))
    return {seed: ([s[seed] for s, _ in columns], [e[seed] for _, e in columns]) for seed in seeds}


def _standardized_ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks with mean 0 and length 1, so that a product of two is Spearman's correlation; 0 where all values tie."""
    ranks: npt.NDArray[np.float64] = rankdata(values) - (len(values) + 1) / 2
    length = float(np.linalg.norm(ranks))
    return ranks / length if length else ranks


def _ranks(at: At) -> SeedValues:
    return SeedValues(
        {
            seed: float(_standardized_ranks(spreads) @ _standardized_ranks(of_errors))
            for seed, (spreads, of_errors) in _spreads_and_errors(at).items()
        }
    )


def _by_order_of_methods(at: At) -> float:
    """p over the methods: the share of all ways to give their errors to one another whose statistic is as large.

    Seeds repeat one order of few methods, and their interval cannot tell how easily chance would make that order.
    """
    # Not empty, as the statistic has been measured.
    pairs = _spreads_and_errors(at).values()
    together = np.sum([np.outer(_standardized_ranks(s), _standardized_ranks(e)) for s, e in pairs], axis=0)
    orders = np.array(list(itertools.permutations(range(len(together)))))
    statistics = together[np.arange(len(together)), orders].sum(axis=1)
    return float(np.mean(statistics >= np.trace(together) - 1e-9))


def _unbalanced(decades: float, at: At) -> SeedValues:
    return at("adamw", decay_unbalance=decades) - at("adamw")


def _undecayed(*methods: str) -> Callable[[At], str]:
    """Objects where all the methods' cells have lambda = 0: without a decay there is nothing to tell methods apart."""

    def objection(at: At) -> str:
        if any(at.point(method).weight_decay > 0 for method in methods):
            return ""
        return f"not testable: lambda = 0 was chosen for {' and '.join(look(method).label for method in methods)}"

    return objection


# How far rounding alone moves a run: what any two runs that "agree" differ by.
REPLICA = {"AdamW's replica minus AdamW": lambda at: at("adamw", replica=1) - at("adamw")}


CLAIMS: tuple[Claim, ...] = (
    Claim(
        _points(
            "1", "agreement", "AdamW and AdamProx agree in training.",
            "test error of AdamProx minus AdamW's, both at AdamW's cell", "within", ON_PAR,
        ),
        lambda at: at("adamprox", cell="adamw") - at("adamw"),
        where="first",
        objection=_undecayed("adamw"),
        beside=REPLICA,
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
            "how far the interquartile range moves: Adam-l2's in the direction of its mean, minus the size of AdamW's",
            "powers of two", "above", 0.25,
        ),
        _moved_spreads,
        where="first",
        least_spread=LEAST_SCALAR_SPREAD,
        objection=_undecayed("adaml2"),
    ),
    Claim(
        _points(
            "6b-adamw", "loss_scale_adamw", "Multiplying the loss by 100 leaves AdamW's error as it is.",
            "test error with the multiplier minus without", "within", ON_PAR,
        ),
        lambda at: at("adamw", loss_multiplier=100.0) - at("adamw"),
        where="first",
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6b-adaml2", "loss_scale_adaml2",
            "Multiplying the loss by 100 leaves Adam-l2's error as it is, if its decay is multiplied as well.",
            "test error with the multiplier minus without", "within", ON_PAR,
        ),
        lambda at: at("adaml2", decay_times=100.0, loss_multiplier=100.0) - at("adaml2"),
        where="first",
        objection=_undecayed("adaml2"),
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6c-adamw", "layer_loss_adamw",
            "Multiplying each layer's gradients by a constant of its own leaves AdamW alone.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "within", ON_PAR,
        ),
        lambda at: at("adamw", gradient_unbalance=1.5) - at("adamw"),
        where="first",
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6c-scaled", "layer_loss_scaled",
            "Multiplying each layer's gradients by a constant of its own leaves scaled Adam-l2 alone.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "within", ON_PAR,
        ),
        lambda at: at("adam_scaled_l2", gradient_unbalance=1.5) - at("adam_scaled_l2"),
        where="first",
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6d", "layer_loss_adaml2",
            "Multiplying each layer's gradients by a constant of its own changes Adam-l2's error.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "beyond", LEAST_EFFECT,
        ),
        lambda at: at("adaml2", gradient_unbalance=1.5) - at("adaml2"),
        where="deepest",
        objection=_undecayed("adaml2"),
    ),
    Claim(
        _points(
            "7", "epsilon", "eps = 1e-3, which breaks scale-freeness, makes AdamW worse.",
            "test error of AdamW at eps = 1e-3 minus at 1e-8", "above", LEAST_EFFECT,
        ),
        lambda at: at("adamw", eps=1e-3) - at("adamw"),
        beside={"the same of Adam-l2": lambda at: at("adaml2", eps=1e-3) - at("adaml2")},
    ),
    Claim(
        _points(
            "8", "initialization",
            "From an initialisation that does not explode, Adam-l2 and AdamW are on par without BatchNorm.",
            "test error of Adam-l2 minus AdamW's, the last convolution of each branch zero at first", "within", ON_PAR,
        ),
        _advantage,
        where="tame",
        objection=_undecayed("adamw", "adaml2"),
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
            objection=_undecayed("adamw"),
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
        over_methods=_by_order_of_methods,
    ),
)  # fmt: skip


def _candidates(claim: Claim, evidence: Evidence) -> list[Network]:
    usual = [network for network in evidence.networks if network.is_usual]
    chosen: dict[str, Sequence[Network]] = {
        "each": usual,
        "first": usual,
        "deepest": usual[-1:],
        "deeper": usual[1:],
        "batch_norm": [n for n in evidence.networks if n.batch_norm],
        "tame": [n for n in evidence.networks if not n.batch_norm and n.initialization == "zero_last"],
    }
    return list(chosen[claim.where])


def _measured(claim: Claim, at: At) -> Measured:
    """All that is measured of a claim in one network.

    Raises:
        Missing: what it compares is not there.
    """
    found = claim.measure(at)
    measured = found if isinstance(found, Measured) else measured_over_seeds(claim.question, found, claim.least_spread)
    if measured.problem:
        return measured
    if claim.objection is not None and (objection := claim.objection(at)):
        return dataclasses.replace(measured, chance=1.0, problem=objection)
    if claim.over_methods is not None:
        chance = claim.over_methods(at)
        doubt = f"chance would order the methods as well with p = {chance:.2g}" if chance > SIGNIFICANT else ""
        return dataclasses.replace(measured, chance=max(chance, measured.chance), doubt=doubt)
    return measured


def _beside(claim: Claim, at: At) -> list[str]:
    """Notes on what stands beside a claim's statistic, as far as the profile trains it."""
    notes = []
    for name, measure in claim.beside.items():
        try:
            # Its cells are no part of the claim's own.
            values = measure(At(at.evidence, at.network))
        except Missing as lack:
            if lack.asked:
                notes.append(f"{name}: {lack}")
            continue
        interval = mean_interval(list(values.values()), "seeds", claim.least_spread)
        ends = "" if interval is None else f", 95 % interval [{interval.low:+.2f}, {interval.high:+.2f}]"
        notes.append(f"{name}: {values.mean:+.2f} points{ends}, {len(values)} seeds")
    return notes


def _left_out(measured: Measured, at: At) -> list[str]:
    """A note on seeds whose runs are there and lack the statistic, as those that diverged have no histogram."""
    if not measured.values:
        return []
    trained = set.intersection(*(set(point.records) for point in at.used.values()))
    lacking = sorted(trained - measured.values.keys())
    return [f"not measured at seed {', '.join(map(str, lacking))}"] if lacking else []


def _judge_at(claim: Claim, at: At) -> Verdict | None:
    """The verdict in one network; None where the profile does not ask it there."""
    try:
        measured = finite(_measured(claim, at))
    except Missing as lack:
        if not lack.asked:
            return None
        measured = Measured(problem=str(lack))
    decision, reason = decide(claim.question, measured)
    cells = (f"{what} {errors(point).mean:.1f} % at {cell_name(point)}" for what, point in at.used.items())
    return Verdict(
        question=claim.question,
        where=at.network.label,
        planned=at.evidence.confirms,
        verdict=decision,
        reason=reason,
        measured=measured,
        notes=(*cells, *_beside(claim, at), *_left_out(measured, at)),
        scope=scope(at.evidence.profile, list(at.used.values())),
    )


def _judge(claim: Claim, evidence: Evidence) -> list[Verdict]:
    found = (_judge_at(claim, At(evidence, network)) for network in _candidates(claim, evidence))
    verdicts = [verdict for verdict in found if verdict is not None]
    return verdicts[:1] if claim.where == "first" else verdicts


def judge(evidence: Evidence, numbers: Collection[str] | None = None) -> list[Verdict]:
    """Every claim, or those of the numbers given, in every network in which the profile asks it."""
    chosen = [claim for claim in CLAIMS if numbers is None or claim.question.number in numbers]
    return [verdict for claim in chosen for verdict in _judge(claim, evidence)]
