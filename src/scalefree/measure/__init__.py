"""What is measured during a run besides its losses."""

from scalefree.measure.arrays import histogram_arrays
from scalefree.measure.distribution import (
    QUANTILES,
    QUANTITIES,
    SIZES,
    UNDERFLOW,
    Bins,
    Distribution,
    drown_out_shares,
    entropy,
    measure,
    peak_share,
    summarize,
)

__all__ = [
    "QUANTILES",
    "QUANTITIES",
    "SIZES",
    "UNDERFLOW",
    "Bins",
    "Distribution",
    "drown_out_shares",
    "entropy",
    "histogram_arrays",
    "measure",
    "peak_share",
    "summarize",
]
