"""The distribution of the sizes of a network's coordinates in powers of two: histograms and a dozen scalars.

One summary for four quantities after a step, all absolute values of one coordinate each:

- `update_scale`: |eta p|, the update over alpha, the initial step size (the paper's |update| / alpha; eta is 1 unless
  there is a schedule). p is the rule's own direction: m_hat / (sqrt(v_hat) + eps), without the decay term of AdamW and
  the prox rules, and with lambda x for the l2 rules (through their moments);
- `gradient`: the gradient of the loss, times its multipliers, over the step's batch;
- `parameter`: the weight itself, after the step;
- `effective_decay`: the coordinate's own decay in that step over lambda eta, to first order: 1 for AdamW, alpha / D for
  Adam-l2. Only with a decay. It comes with the drown-out share: the coordinates where lambda |x| is above sqrt(u_hat),
  where u is the second moment of the loss gradient alone. There Adam-l2 is sign descent on the penalty.

About a third of the paper's coordinates have an update scale at or below 1e-8, so the spread of all coordinates would
mainly measure that bin; the scalars therefore describe the others, on a log2 axis, and give that bin's share
separately. For gradients the same threshold is Adam's usual eps: smaller ones are damped.

Everything is computed on the tensor's device; only the bins and a dozen scalars reach the host.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scalefree.bins import PEAK, QUANTILES, SIZES, Bins


@dataclass(frozen=True)
class Distribution:
    """The distribution of one quantity over a group of coordinates.

    Attributes:
        counts: (bins,) int64: underflow, one per exponent, overflow, not finite; sums to all coordinates.
        scalars: `share_underflow`, `share_not_finite` and `peak_share` (in the four fullest interior bins), as shares
            of all coordinates; `entropy` of the interior bins in bits; and in log2, over the coordinates above
            underflow, `q05` .. `q95`, `iqr` and `std`. Without any such coordinate, entropy and the log2 scalars are
            missing.
    """

    counts: npt.NDArray[np.int64]
    scalars: dict[str, float]


def _flat(values: Tensor) -> Tensor:
    """Flattened to float32, or left in float64: half precision has no frexp, and rounding must not cross an edge."""
    flat = values.detach().reshape(-1)
    return flat if flat.dtype == torch.float64 else flat.float()


def bin_counts(values: Tensor, bins: Bins = SIZES) -> Tensor:
    """Counts (bins,) int64 of values of any shape, on their device. A power of two falls into the bin that it opens."""
    flat = _flat(values)
    # frexp is exact: x = mantissa * 2^exponent with mantissa in [0.5, 1), so floor(log2 x) = exponent - 1.
    exponent = torch.frexp(flat).exponent.long() - 1
    interior = exponent.clamp(bins.lowest, bins.highest + 1) - bins.lowest + 1
    index = torch.where(flat <= bins.underflow, 0, interior)
    index = torch.where(torch.isfinite(flat), index, len(bins) - 1)
    return torch.bincount(index, minlength=len(bins))


def peak_share(counts: npt.NDArray[np.int64]) -> float:
    """Share of all coordinates in the four fullest interior bins of a histogram (bins,)."""
    return float(np.sort(counts[1:-2])[-PEAK:].sum() / max(counts.sum(), 1))


def entropy(counts: npt.NDArray[np.int64]) -> float:
    """Entropy in bits of a histogram (bins,) over its interior bins, which must not all be empty."""
    shares = counts[1:-2][counts[1:-2] > 0] / counts[1:-2].sum()
    return float(-(shares * np.log2(shares)).sum())


def _sorted_quantile(ordered: Tensor, q: float) -> Tensor:
    """A quantile by linear interpolation; torch.quantile refuses more than 16 million values."""
    position = q * (ordered.numel() - 1)
    below = math.floor(position)
    above = min(below + 1, ordered.numel() - 1)
    return torch.lerp(ordered[below], ordered[above], position - below)


def summarize(values: Tensor, bins: Bins = SIZES) -> Distribution:
    """Histogram and scalars of sizes (any shape, non-negative)."""
    flat = _flat(values)
    counts = bin_counts(flat, bins)
    moving = flat[(flat > bins.underflow) & torch.isfinite(flat)]
    shares = torch.stack((counts[0], counts[-1])).double() / max(flat.numel(), 1)
    found: dict[str, Tensor] = {"share_underflow": shares[0], "share_not_finite": shares[1]}
    if moving.numel():
        logs = moving.sort().values.double().log2_()
        found |= {name: _sorted_quantile(logs, q) for name, q in QUANTILES.items()}
        found["iqr"] = found["q75"] - found["q25"]
        found["std"] = logs.std(correction=0)
    scalars = dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))
    histogram = counts.cpu().numpy()
    scalars["peak_share"] = peak_share(histogram)
    if histogram[1:-2].any():
        scalars["entropy"] = entropy(histogram)
    return Distribution(histogram, scalars)


def _parts(values: Mapping[str, Tensor], groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Parameter names by part: the whole network, and each layer group."""
    return {"network": list(values), **groups}


def _joined(values: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([values[name].detach().abs().reshape(-1) for name in names])


def measure(
    values: Mapping[str, Tensor], groups: Mapping[str, Sequence[str]], bins: Bins = SIZES
) -> dict[str, Distribution]:
    """Distributions over the whole network (`network`) and each layer group.

    Args:
        values: by parameter name, of either sign and any shapes, on one device.
        groups: parameter names by layer group, as `scalefree.models.layer_groups` gives them.

    Raises:
        KeyError: a group names a parameter that has no values.
    """
    return {part: summarize(_joined(values, names), bins) for part, names in _parts(values, groups).items()}


def drown_out_shares(
    parameters: Mapping[str, Tensor],
    gradient_scales: Mapping[str, Tensor],
    weight_decay: float,
    groups: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """The share of coordinates where lambda |x| is above sqrt(u_hat), by part of the network.

    Args:
        parameters: x by name; `gradient_scales` is sqrt(u_hat) by name, with the same shapes.
    """
    drowned = {
        name: (weight_decay * x.detach().abs() > gradient_scales[name]).double() for name, x in parameters.items()
    }
    return {part: _joined(drowned, names).mean().item() for part, names in _parts(parameters, groups).items()}
