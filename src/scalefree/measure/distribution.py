"""How the sizes of a network's coordinates are distributed, in powers of two: histograms and a dozen scalars.

One summary for three quantities after a step, all absolute values of one coordinate each:

- `update_scale`: |p| = |m_hat / (sqrt(v_hat) + eps)|, the update in units of the current step size (the paper's
  |update| / alpha), without the decay term of AdamW and the prox rules, and with lambda x for Adam-l2 (through its
  moments);
- `gradient`: of the loss, times its multiplier, over the step's batch;
- `parameter`: the weight itself.

About a third of the paper's coordinates have an update scale at or below 1e-8, so any spread taken over all of them
would measure that bin; the scalars describe the others, on a log2 axis, and give the share of that bin beside them.
For gradients the same threshold is Adam's usual eps: what lies below it is damped.

Everything is computed on the tensor's device; only the bins and a dozen scalars reach the host.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

QUANTITIES = ("update_scale", "gradient", "parameter")
# At or below this a coordinate counts as not moving (authors' histograms).
UNDERFLOW = 1e-8
LOWEST_EXPONENT, HIGHEST_EXPONENT = -27, 3
# Interior bins [2^k, 2^(k+1)), the first cut off at UNDERFLOW; then one bin for everything larger.
EXPONENTS = np.arange(LOWEST_EXPONENT, HIGHEST_EXPONENT + 1)
# Bins of a histogram, in order: underflow, the interior ones, overflow, not finite.
BINS = len(EXPONENTS) + 3
QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.50, "q75": 0.75, "q95": 0.95}


@dataclass(frozen=True)
class Distribution:
    """The distribution of one quantity over a group of coordinates.

    Attributes:
        counts: (BINS,) int64: underflow, one per exponent in EXPONENTS, overflow, not finite; sums to all coordinates.
        scalars: `share_underflow` and `share_not_finite` of all coordinates; over the finite rest, in log2: `q05` ..
            `q95`, `iqr`, `std`. Without any such coordinate the latter are missing.
    """

    counts: npt.NDArray[np.int64]
    scalars: dict[str, float]


def _flat(values: Tensor) -> Tensor:
    """1-D, in float32 or, where it was that, float64: halves have no frexp, and no rounding may cross an edge."""
    flat = values.detach().reshape(-1)
    return flat if flat.dtype == torch.float64 else flat.float()


def bin_counts(values: Tensor) -> Tensor:
    """Counts (BINS,) int64 of the values of any shape, on their device. Each power of two lands in the bin it opens."""
    flat = _flat(values)
    # frexp is exact: x = mantissa * 2^exponent with mantissa in [0.5, 1), so floor(log2 x) = exponent - 1.
    exponent = torch.frexp(flat).exponent.long() - 1
    interior = exponent.clamp(LOWEST_EXPONENT, HIGHEST_EXPONENT + 1) - LOWEST_EXPONENT + 1
    bins = torch.where(flat <= UNDERFLOW, 0, interior)
    bins = torch.where(torch.isfinite(flat), bins, BINS - 1)
    return torch.bincount(bins, minlength=BINS)


def _sorted_quantile(ordered: Tensor, q: float) -> Tensor:
    """Linear interpolation between order statistics; torch.quantile refuses more than 16 million values."""
    position = q * (ordered.numel() - 1)
    below = math.floor(position)
    above = min(below + 1, ordered.numel() - 1)
    return torch.lerp(ordered[below], ordered[above], position - below)


def summarize(values: Tensor) -> Distribution:
    """Histogram and scalars of sizes (any shape, non-negative)."""
    flat = _flat(values)
    counts = bin_counts(flat)
    moving = flat[(flat > UNDERFLOW) & torch.isfinite(flat)]
    shares = torch.stack((counts[0], counts[-1])).double() / max(flat.numel(), 1)
    found: dict[str, Tensor] = {"share_underflow": shares[0], "share_not_finite": shares[1]}
    if moving.numel():
        logs = moving.sort().values.double().log2_()
        found |= {name: _sorted_quantile(logs, q) for name, q in QUANTILES.items()}
        found["iqr"] = found["q75"] - found["q25"]
        found["std"] = logs.std(correction=0)
    scalars = dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))
    return Distribution(counts.cpu().numpy(), scalars)


def measure(values: Mapping[str, Tensor], groups: Mapping[str, Sequence[str]]) -> dict[str, Distribution]:
    """Sizes over the whole network (`network`) and over each layer group.

    Args:
        values: of either sign, by parameter name, any shapes, on one device.
        groups: parameter names by layer group, as `scalefree.models.layer_groups` gives them.

    Raises:
        KeyError: a group names a parameter that has no values.
    """
    parts = {"network": list(values), **groups}
    return {
        part: summarize(torch.cat([values[name].detach().abs().reshape(-1) for name in names]))
        for part, names in parts.items()
    }
