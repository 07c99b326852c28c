"""The claims that are tested by training, one row each: docs/analysis_plan.md as code.

A row's `measure` gives its statistic as arithmetic on errors by seed, such as `at("adaml2") - at("adamw")`; everything
else (which cells, which seeds, the interval, the verdict) is the same for all claims and is in `rows` and `verdict`. A
new claim needs a new row of CLAIMS, and a line in the plan before its runs are trained.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial

from scalefree.claims import decay_order, update_scales, weights
from scalefree.claims.at import At
from scalefree.claims.rows import LEAST_SCALAR_SPREAD, Claim, judge_row
from scalefree.claims.verdict import Question, Sense, Verdict
from scalefree.experiments.evidence import Evidence, Missing
from scalefree.experiments.frozen import NO_DECAY
from scalefree.experiments.pairs import SeedValues
from scalefree.optimizers import look

# An advantage below half a point is too small to count: it is two of the 360 test images of the digits, and a sixth of
# the 3.1 points that the paper shows for ResNet-110.
LEAST_EFFECT = 0.5
# About as much as the paper's own results differ where the algorithm is the same (the column lambda = 0).
ON_PAR = 1.0


def _points(number: str, name: str, claim: str, statistic: str, sense: Sense, threshold: float) -> Question:
    return Question(number, name, claim, statistic, "points", sense, threshold)


def _advantage(at: At) -> SeedValues:
    return at("adaml2") - at("adamw")


def _growth(at: At) -> SeedValues:
    shallow = next(network for network in at.evidence.networks if network.is_usual)
    if shallow == at.network:
        raise Missing(f"{at.network.label} is the only network", asked=False)
    return _advantage(at) - _advantage(at.elsewhere(shallow))


def _lost_advantage(at: At) -> SeedValues:
    usual = [network for network in at.evidence.networks if network.is_usual and network.depth == at.network.depth]
    if not usual:
        raise Missing(f"no network of depth {at.network.depth} has the usual initialisation", asked=False)
    remaining = _advantage(at)
    return _advantage(at.elsewhere(usual[0])) - remaining


def _scale_free(at: At) -> SeedValues:
    return ((at("adam_metric_prox") - at("adamw")) + (at("adaml2") - at("adam_scaled_l2"))) / 2


def _decoupled(at: At) -> SeedValues:
    return ((at("adam_scaled_l2") - at("adamw")) + (at("adaml2") - at("adam_metric_prox"))) / 2


def _interaction(at: At) -> SeedValues:
    return (at("adaml2") - at("adam_metric_prox")) - (at("adam_scaled_l2") - at("adamw"))


def _unbalanced(decades: float, at: At) -> SeedValues:
    return at("adamw", decay_unbalance=decades) - at("adamw")


def _worth_of_decay(method: str, at: At) -> SeedValues:
    # Without a decay all these rules are Adam.
    return at("adamw", cell=NO_DECAY) - at(method)


def _needs_decay(*methods: str) -> Callable[[At], str]:
    """Objects if all the methods' cells have lambda = 0: without a decay the methods do not differ."""

    def objection(at: At) -> str:
        if any(at.point(method).weight_decay > 0 for method in methods):
            return ""
        return f"not testable: lambda = 0 was chosen for {' and '.join(look(method).label for method in methods)}"

    return objection


# How much rounding alone changes a run, and so how much any two runs that "agree" may differ.
REPLICA = {"AdamW's replica minus AdamW": lambda at: at("adamw", replica=1) - at("adamw")}


def _replaced(measure: Callable[[At], SeedValues]) -> Mapping[str, Callable[[At], SeedValues]]:
    """The same statistic with AdamW's replica in place of AdamW, to show how much chaos in its runs alone changes
    it.
    """
    return {"the same with AdamW's replica (exploratory)": lambda at: measure(_WithReplica(at.evidence, at.network))}


# What 11a would be if the other two rules had chosen lambda = 0, which their grids contain: there they are Adam.
AGAINST_NO_DECAY = {
    "against Adam without a decay (exploratory)": lambda at: (
        (_worth_of_decay("adamw", at) + _worth_of_decay("adam_scaled_l2", at)) / 2
    )
}


class _WithReplica(At):
    """Uses AdamW's replica in place of AdamW."""

    def __call__(self, method: str, cell: str = "own", decay_times: float = 1.0, **unusual: float | str) -> SeedValues:
        replica = {"replica": 1} if method == "adamw" else {}
        return super().__call__(method, cell, decay_times, **unusual, **replica)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        _points(
            "1", "agreement", "AdamW and AdamProx agree in training.",
            "test error of AdamProx minus AdamW's, both at AdamW's cell", "within", ON_PAR,
        ),
        lambda at: at("adamprox", cell="adamw") - at("adamw"),
        where="first",
        objection=_needs_decay("adamw"),
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
        beside=_replaced(_advantage),
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
        update_scales.peak,
        where="deepest",
        where_under={"cifar16": "deeper"},
        least_spread=LEAST_SCALAR_SPREAD,
        objection=update_scales.too_short,
    ),
    Claim(
        Question(
            "5b", "spread_and_advantage", "Where Adam-l2's update scales spread out more, AdamW's advantage is larger.",
            "Spearman's correlation over seeds of the excess of the interquartile range (Adam-l2 minus AdamW) and the "
            "advantage",
            "", "above", 0.0,
        ),
        update_scales.excess_and_advantage,
        where="deepest",
    ),
    Claim(
        Question(
            "6a", "loss_scale_spread",
            "At fixed decay, multiplying the loss by 100 changes Adam-l2's update scales but not AdamW's.",
            "how far the interquartile range moves: Adam-l2's in the direction of its mean, minus the size of AdamW's",
            "powers of two", "above", 0.25,
        ),
        update_scales.moved_spreads,
        where="first",
        least_spread=LEAST_SCALAR_SPREAD,
        objection=_needs_decay("adaml2"),
    ),
    Claim(
        _points(
            "6b-adamw", "loss_scale_adamw", "Multiplying the loss by 100 leaves AdamW's error unchanged.",
            "test error with the multiplier minus without", "within", ON_PAR,
        ),
        lambda at: at("adamw", loss_multiplier=100.0) - at("adamw"),
        where="first",
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6b-adaml2", "loss_scale_adaml2",
            "Multiplying the loss by 100 leaves Adam-l2's error unchanged if its decay is multiplied as well.",
            "test error with the multiplier minus without", "within", ON_PAR,
        ),
        lambda at: at("adaml2", decay_times=100.0, loss_multiplier=100.0) - at("adaml2"),
        where="first",
        objection=_needs_decay("adaml2"),
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6c-adamw", "layer_loss_adamw",
            "Multiplying each layer's gradients by its own constant leaves AdamW's error unchanged.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "within", ON_PAR,
        ),
        lambda at: at("adamw", gradient_unbalance=1.5) - at("adamw"),
        where="first",
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6c-scaled", "layer_loss_scaled",
            "Multiplying each layer's gradients by its own constant leaves scaled Adam-l2's error unchanged.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "within", ON_PAR,
        ),
        lambda at: at("adam_scaled_l2", gradient_unbalance=1.5) - at("adam_scaled_l2"),
        where="first",
        beside=REPLICA,
    ),
    Claim(
        _points(
            "6d", "layer_loss_adaml2",
            "Multiplying each layer's gradients by its own constant changes Adam-l2's error.",
            "test error with constants over 10^-1.5 to 10^1.5 minus without", "beyond", LEAST_EFFECT,
        ),
        lambda at: at("adaml2", gradient_unbalance=1.5) - at("adaml2"),
        where="deepest",
        objection=_needs_decay("adaml2"),
    ),
    Claim(
        _points(
            "7", "epsilon", "eps = 1e-3, which breaks scale-freeness, makes AdamW worse.",
            "test error of AdamW at eps = 1e-3 minus at 1e-8", "above", LEAST_EFFECT,
        ),
        lambda at: at("adamw", eps=1e-3) - at("adamw"),
        beside={"the same for Adam-l2": lambda at: at("adaml2", eps=1e-3) - at("adaml2")},
    ),
    Claim(
        _points(
            "8", "initialization",
            "From an initialisation that does not explode, Adam-l2 and AdamW are on par without BatchNorm.",
            "test error of Adam-l2 minus AdamW's, both from that initialisation", "within", ON_PAR,
        ),
        _advantage,
        where="tame",
        objection=_needs_decay("adamw", "adaml2"),
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
        beside={**_replaced(_scale_free), **AGAINST_NO_DECAY},
    ),
    Claim(
        _points(
            "11b", "decoupling", "Keeping the decay out of the moments lowers the error.",
            "((scaled Adam-l2 - AdamW) + (Adam-l2 - metric prox)) / 2, test errors", "above", LEAST_EFFECT,
        ),
        _decoupled,
        where="deeper",
        beside=_replaced(_decoupled),
    ),
    Claim(
        _points(
            "11c", "interaction", "Scale-freeness and decoupling interact.",
            "(Adam-l2 - metric prox) - (scaled Adam-l2 - AdamW), test errors", "beyond", LEAST_EFFECT,
        ),
        _interaction,
        where="deeper",
        beside=_replaced(_interaction),
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
            "12a", "ladder_layer", "Scaling the decay by layer is worse than scaling it by coordinate.",
            "test error of scaled Adam-l2 by layer minus by coordinate", "above", LEAST_EFFECT,
        ),
        lambda at: at("adam_scaled_l2_by_layer") - at("adam_scaled_l2"),
    ),
    Claim(
        _points(
            "12b", "ladder_network", "Scaling the decay by network is worse than scaling it by coordinate.",
            "test error of scaled Adam-l2 by network minus by coordinate", "above", LEAST_EFFECT,
        ),
        lambda at: at("adam_scaled_l2_by_network") - at("adam_scaled_l2"),
    ),
    Claim(
        _points(
            "12c", "ladder_helps", "Scaling the decay by layer helps Adam-l2 at all.",
            "test error of Adam-l2 minus scaled Adam-l2's by layer", "above", LEAST_EFFECT,
        ),
        lambda at: at("adaml2") - at("adam_scaled_l2_by_layer"),
    ),
    *(
        Claim(
            _points(
                f"13-{decades:g}", f"balance_{decades:g}",
                f"Decays spread over 10^-{decades:g} to 10^{decades:g} between layers do not harm AdamW.",
                "test error of AdamW with unbalanced decays minus AdamW's", "below", LEAST_EFFECT,
            ),
            partial(_unbalanced, decades),
            objection=_needs_decay("adamw"),
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
        decay_order.order,
        where="deepest",
        least_spread=LEAST_SCALAR_SPREAD,
        objection=decay_order.descriptive,
        over_methods=decay_order.chance_of_order,
    ),
    Claim(
        Question(
            "15", "bounded_weights", "AdamW's weights keep within alpha / lambda.",
            "log2 of alpha / lambda over the upper edge of the histogram's bin that has the largest weight, at the end",
            "powers of two", "above", 0.0,
        ),
        partial(weights.room, "adamw"),
        least_spread=LEAST_SCALAR_SPREAD,
        beside={
            f"the same for {look(method).label}": partial(weights.room, method)
            for method in ("adam_scaled_l2", "adam_metric_prox", "adaml2")
        },
        exploratory=True,
    ),
    Claim(
        _points(
            "16", "from_fixup", "AdamW's advantage is smaller from Fixup.",
            "test error of Adam-l2 minus AdamW's, minus the same difference from Fixup", "above", LEAST_EFFECT,
        ),
        _lost_advantage,
        where="fixup",
        exploratory=True,
    ),
    *(
        Claim(
            _points(
                f"17-{method}", f"decay_{method}", f"The weight decay of {name} lowers the error.",
                "test error of Adam without a decay, at its own best step size, minus the rule's",
                "above", LEAST_EFFECT,
            ),
            partial(_worth_of_decay, method),
            where="without_batch_norm",
            objection=_needs_decay(method),
            exploratory=True,
        )
        for method, name in (
            ("adamw", "AdamW"),
            ("adam_scaled_l2", "scaled Adam-l2"),
            ("adam_metric_prox", "the metric prox"),
            ("adaml2", "Adam-l2"),
        )
    ),
)  # fmt: skip


def judge(evidence: Evidence, numbers: Collection[str] | None = None) -> list[Verdict]:
    """Judge every claim, or those with the given numbers, in every network where the profile tests it."""
    chosen = [claim for claim in CLAIMS if numbers is None or claim.question.number in numbers]
    return [verdict for claim in chosen for verdict in judge_row(claim, evidence)]
