"""The bins of a record's histograms, and the names of their arrays, for all that measure, check or draw them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

# Besides the interior bins: underflow, overflow, not finite.
OTHER_BINS = 3


@dataclass(frozen=True)
class Bins:
    """Bins for underflow, [2^k, 2^(k+1)) for every k from `lowest` to `highest`, everything larger, and not finite.

    Attributes:
        underflow: the upper edge of the first bin, inclusive; at least 2^lowest.
    """

    lowest: int
    highest: int
    underflow: float

    @property
    def exponents(self) -> npt.NDArray[np.int64]:
        """k of each interior bin."""
        return np.arange(self.lowest, self.highest + 1)

    def __len__(self) -> int:
        return self.highest - self.lowest + 1 + OTHER_BINS


# At or below this a coordinate counts as not moving (authors' histograms).
UNDERFLOW = 1e-8
SIZES = Bins(-27, 3, UNDERFLOW)
# After an exploding start gradients can have any size.
GRADIENTS = Bins(-27, 100, UNDERFLOW)
# Decays have the range of D: from eps to the squares of an exploding start.
RATES = Bins(-80, 40, 2.0**-80)
QUANTITIES = {"update_scale": SIZES, "gradient": GRADIENTS, "parameter": SIZES, "effective_decay": RATES}
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q95": 0.95}
# Number of bins whose share distinguishes a peak from a plateau: the paper's AdamW has .52 in its four fullest.
PEAK = 4


def counts_name(quantity: str, group: str) -> str:
    """The name of a quantity's counts (E, bins) in a record; that of the update scale, which came first, is shorter."""
    return f"counts/{group}" if quantity == "update_scale" else f"{quantity}_counts/{group}"


def edges_name(quantity: str) -> str:
    """The name of the lower edges (edges,) of a quantity's interior bins."""
    return "log2_lower_edge" if QUANTITIES[quantity] is SIZES else f"{quantity}_log2_lower_edge"


def counts_of(arrays: Mapping[str, npt.NDArray[Any]], quantity: str) -> dict[str, npt.NDArray[Any]]:
    """A record's counts (E, bins) of a quantity by layer group."""
    prefix = counts_name(quantity, "")
    return {name.removeprefix(prefix): counts for name, counts in arrays.items() if name.startswith(prefix)}


def edges_of(arrays: Mapping[str, npt.NDArray[Any]], quantity: str) -> npt.NDArray[Any]:
    """The lower edges (edges,) of a quantity's interior bins in a record, as exponents of 2.

    In records of earlier versions gradients have the usual bins.
    """
    return arrays.get(edges_name(quantity), arrays[edges_name("update_scale")])
