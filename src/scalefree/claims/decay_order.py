"""Whether the spread of the effective decay orders the methods' errors: a correlation over methods and its p."""

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from scalefree.claims.at import At
from scalefree.experiments.evidence import Missing, errors, scalars
from scalefree.experiments.pairs import SeedValues
from scalefree.experiments.results import Point

# Methods whose effective decays and errors are ranked; without AdamProx, which behaves like AdamW.
RANKED = (
    "adamw",
    "adam_scaled_l2",
    "adam_scaled_l2_by_layer",
    "adam_scaled_l2_by_network",
    "adam_metric_prox",
    "adaml2",
)
# Fewer methods than this have no meaningful order.
LEAST_RANKED = 4
# Only one of the 24 orders of four methods has p below 0.05, and none of the 6 orders of three: too weak a test.
LEAST_JUDGED = 5


def _decaying(at: At) -> list[Point]:
    """The methods that the profile trains with lambda > 0: without a decay there is no effective decay."""
    trained: list[Point] = []
    for method in RANKED:
        try:
            trained.append(at.point(method))
        except Missing as lack:
            if lack.asked:
                raise
    if len(trained) < LEAST_RANKED:
        raise Missing(f"{at.network.label}: too few methods are trained to rank them", asked=False)
    there = [point for point in trained if point.weight_decay > 0]
    if len(there) < LEAST_RANKED:
        raise Missing(
            f"not testable: {len(there)} of {len(trained)} methods have a decay, but a ranking needs {LEAST_RANKED}"
        )
    return there


def _spreads_and_errors(at: At) -> dict[int, tuple[list[float], list[float]]]:
    """By seed, each method's spread of the effective decay and its error."""
    columns = [(scalars(point, "effective_decay", "iqr"), errors(point)) for point in _decaying(at)]
    seeds = sorted(set.intersection(*(spread.keys() & error.keys() for spread, error in columns)))
    return {seed: ([s[seed] for s, _ in columns], [e[seed] for _, e in columns]) for seed in seeds}


def _standardized_ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks with mean 0 and length 1, whose inner product is Spearman's correlation; 0 if all values tie."""
    ranks: npt.NDArray[np.float64] = rankdata(values) - (len(values) + 1) / 2
    length = float(np.linalg.norm(ranks))
    return ranks / length if length else ranks


def order(at: At) -> SeedValues:
    """By seed, Spearman's correlation over methods of the interquartile range of log2 effective decay and the error."""
    return SeedValues(
        {
            seed: float(_standardized_ranks(spreads) @ _standardized_ranks(of_errors))
            for seed, (spreads, of_errors) in _spreads_and_errors(at).items()
        }
    )


def chance_of_order(at: At) -> float:
    """p over the methods: the fraction of all permutations of their errors whose statistic is at least as large.

    Seeds only repeat one order of a few methods, so an interval over seeds does not show how easily that order arises
    by chance.
    """
    # Not empty, because the statistic has been measured.
    pairs = _spreads_and_errors(at).values()
    together = np.sum([np.outer(_standardized_ranks(s), _standardized_ranks(e)) for s, e in pairs], axis=0)
    orders = np.array(list(itertools.permutations(range(len(together)))))
    statistics = together[np.arange(len(together)), orders].sum(axis=1)
    return float(np.mean(statistics >= np.trace(together) - 1e-9))


def descriptive(at: At) -> str:
    """Why the order of so few methods is shown but not judged; empty if there are enough."""
    methods = len(_decaying(at))
    return "" if methods >= LEAST_JUDGED else f"descriptive only: chance alone may order {methods} methods like this"
