"""How large weights become, compared with the bound that decoupled decay implies.

A step of AdamW is x <- (1 - lambda eta) x - eta alpha p, so where |p| is at most about 1, no weight can stay beyond
alpha / lambda. Xie and Li (ICML 2024, "Implicit Bias of AdamW: l_inf Norm Constrained Optimization") show more: where
AdamW converges, it does so to a KKT point of the loss under that bound on the largest weight.
"""

import math

import numpy as np

from scalefree.bins import counts_name, edges_of
from scalefree.claims.at import At
from scalefree.experiments.evidence import Missing, readable_arrays
from scalefree.experiments.pairs import SeedValues


def room(method: str, at: At) -> SeedValues:
    """By seed, log2 of alpha / lambda over the largest weight, rounded up to the end of its bin of the last histogram.

    Negative where the largest weight's bin ends beyond the bound. A seed without a histogram of weights, or whose
    largest weight is beyond all bins, has none.

    Raises:
        Missing: the runs are missing, or have no decay and so no bound.
    """
    point = at.point(method)
    if point.weight_decay == 0:
        raise Missing(f"{at.network.label}: without a decay weights have no bound, but lambda = 0 was chosen")
    bound = math.log2(point.lr / point.weight_decay)
    found = {}
    for seed, record in point.records.items():
        arrays = readable_arrays(at.evidence.store, record, "histograms")
        counts = arrays.get(counts_name("parameter", "network"))
        if counts is None or not len(counts) or counts[-1, -2:].any():
            continue
        # Without underflow, which ends where the first bin starts.
        inside = np.flatnonzero(counts[-1, 1:-2])
        found[seed] = bound - float(edges_of(arrays, "parameter")[inside[-1] if len(inside) else 0] + bool(len(inside)))
    return SeedValues(found)
