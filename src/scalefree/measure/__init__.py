"""What is measured of a run beside its losses."""

from scalefree.measure.update_scale import BINS, EXPONENTS, UNDERFLOW, UpdateScale, measure, summarize

__all__ = ["BINS", "EXPONENTS", "UNDERFLOW", "UpdateScale", "measure", "summarize"]
