"""What is measured of a run beside its losses."""

from scalefree.measure.arrays import histogram_arrays
from scalefree.measure.distribution import (
    BINS,
    EXPONENTS,
    QUANTILES,
    QUANTITIES,
    UNDERFLOW,
    Distribution,
    measure,
    summarize,
)

__all__ = [
    "BINS",
    "EXPONENTS",
    "QUANTILES",
    "QUANTITIES",
    "UNDERFLOW",
    "Distribution",
    "histogram_arrays",
    "measure",
    "summarize",
]
