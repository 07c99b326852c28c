"""What is measured during a run besides its losses."""

from scalefree.measure.arrays import histogram_arrays
from scalefree.measure.distribution import Distribution, drown_out_shares, measure

__all__ = ["Distribution", "drown_out_shares", "histogram_arrays", "measure"]
