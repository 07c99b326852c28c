"""Update scales, compared with NumPy in float64 and with the paper's definition through a real optimizer."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from scalefree.bins import SIZES, UNDERFLOW
from scalefree.measure import measure
from scalefree.measure.distribution import summarize
from scalefree.optim import AdamL2, AdamW

FIRST, LAST = -27, 3  # the specified interior bins [2^k, 2^(k + 1))


def reference_counts(values: NDArray[np.float64]) -> list[int]:
    """Underflow, interior bins, overflow, not finite: comparisons with the edges, one bin at a time."""
    finite = values[np.isfinite(values)]
    edges = [2.0**k for k in range(FIRST, LAST + 2)]
    edges[0] = math.nextafter(1e-8, 1)
    inner = [int(np.sum((finite >= low) & (finite < high))) for low, high in pairwise(edges)]
    return [int(np.sum(finite <= 1e-8)), *inner, int(np.sum(finite >= edges[-1])), values.size - finite.size]


def reference_scalars(values: NDArray[np.float64]) -> dict[str, float]:
    logs = np.log2(values[np.isfinite(values) & (values > 1e-8)])
    quantiles = np.quantile(logs, [0.05, 0.25, 0.5, 0.75, 0.95])
    bins = np.bincount(np.floor(logs[logs < 4]).astype(int) + 27, minlength=31)
    shares = bins[bins > 0] / bins.sum()
    return {
        "peak_share": float(np.sort(bins)[-4:].sum() / len(values)),
        **({"entropy": float(-np.sum(shares * np.log2(shares)))} if bins.any() else {}),
        "share_underflow": float(np.mean(values <= 1e-8)),
        "share_not_finite": float(np.mean(~np.isfinite(values))),
        **dict(zip(("q05", "q25", "q50", "q75", "q95"), quantiles.tolist(), strict=True)),
        "iqr": float(quantiles[3] - quantiles[1]),
        "std": float(logs.std()),
    }


def bin_of(value: float, dtype: torch.dtype = torch.float32) -> int:
    counts = summarize(torch.tensor([value], dtype=dtype)).counts
    assert counts.sum() == 1
    return int(counts.argmax())


def spread(count: int, dtype: torch.dtype, seed: int = 0) -> Tensor:
    """Log-uniform over 2^-40 .. 2^10, so that every bin is used, with exact zeros among them."""
    generator = torch.Generator().manual_seed(seed)
    exponents = torch.rand(count, generator=generator, dtype=torch.float64) * 50 - 40
    return torch.where(torch.arange(count) % 10 == 0, 0.0, torch.exp2(exponents)).to(dtype)


def test_the_bins_are_the_specified_ones() -> None:
    assert SIZES.exponents.tolist() == list(range(FIRST, LAST + 1))
    assert len(SIZES) == len(SIZES.exponents) + 3
    assert UNDERFLOW == 1e-8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("k", range(FIRST + 1, LAST + 2))
def test_a_power_of_two_falls_into_the_bin_that_it_starts(k: int, dtype: torch.dtype) -> None:
    edge = torch.tensor(2.0**k, dtype=dtype)
    below = torch.nextafter(edge, torch.zeros_like(edge)).item()
    assert bin_of(edge.item(), dtype) == 1 + k - FIRST
    assert bin_of(below, dtype) == k - FIRST


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_first_bin_begins_just_above_1e_8(dtype: torch.dtype) -> None:
    threshold = torch.tensor(1e-8, dtype=dtype)
    above = torch.nextafter(threshold, torch.ones_like(threshold)).item()
    assert bin_of(threshold.item(), dtype) == 0
    assert bin_of(2.0**-27, dtype) == 0
    assert above > 1e-8 and bin_of(above, dtype) == 1


@pytest.mark.parametrize(
    ("value", "dtype", "place"),
    [
        (0.0, torch.float32, 0),
        (1e-45, torch.float32, 0),  # the smallest denormal
        (5e-324, torch.float64, 0),
        (16.0, torch.float32, len(SIZES) - 2),
        (3.4e38, torch.float32, len(SIZES) - 2),
        (1e300, torch.float64, len(SIZES) - 2),
        (math.inf, torch.float32, len(SIZES) - 1),
        (math.nan, torch.float32, len(SIZES) - 1),
        (math.inf, torch.float64, len(SIZES) - 1),
        (math.nan, torch.float64, len(SIZES) - 1),
        (0.375, torch.bfloat16, 1 - 2 - FIRST),
        (0.375, torch.float16, 1 - 2 - FIRST),
    ],
)
def test_extreme_values_fall_into_the_end_bins(value: float, dtype: torch.dtype, place: int) -> None:
    assert bin_of(value, dtype) == place


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 2, 7, 10_000])
def test_histogram_and_scalars_equal_numpy(dtype: torch.dtype, count: int) -> None:
    values = spread(count + 1, dtype, seed=count)[1:]  # the first is a zero
    values[-1] = 0.25
    if count > 100:
        values[3], values[50], values[51] = math.nan, math.inf, 1e-40
    scale = summarize(values.reshape(1, -1))
    assert scale.counts.dtype == np.int64
    assert scale.counts.tolist() == reference_counts(values.double().numpy())
    expected = reference_scalars(values.double().numpy())
    assert scale.scalars.keys() == expected.keys()
    for name, value in expected.items():
        assert scale.scalars[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name


def test_the_spread_ignores_unmoving_and_non_finite_coordinates() -> None:
    moving = torch.tensor([0.25, 0.5, 1.0, 2.0, 4.0])
    rest = torch.tensor([0.0, 1e-9, 1e-8, math.nan, math.inf])
    scalars = summarize(torch.cat((rest, moving))).scalars
    assert scalars["share_underflow"] == 0.3
    assert scalars["share_not_finite"] == 0.2
    assert [scalars[name] for name in ("q25", "q50", "q75", "iqr")] == [-1.0, 0.0, 1.0, 2.0]
    assert scalars["std"] == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("values", [[], [0.0, 1e-9], [math.nan, 0.0]])
def test_without_a_moving_coordinate_there_is_no_spread(values: list[float]) -> None:
    scale = summarize(torch.tensor(values))
    assert scale.counts.sum() == len(values)
    assert scale.scalars.keys() == {"share_underflow", "share_not_finite", "peak_share"}


def test_summarizing_does_not_change_the_values() -> None:
    values = spread(1000, torch.float64)
    before = values.clone()
    summarize(values)
    assert torch.equal(values, before)


def test_each_group_and_the_network_are_measured() -> None:
    directions = {
        "a.weight": -spread(30, torch.float32, 1).reshape(5, 6),
        "a.bias": spread(4, torch.float32, 2),
        "b.weight": spread(24, torch.float32, 3).reshape(2, 3, 4).mT,  # not contiguous
    }
    scales = measure(directions, {"stem": ["a.weight"], "head": ["b.weight", "a.bias"]})
    assert list(scales) == ["network", "stem", "head"]
    members = {"network": list(directions), "stem": ["a.weight"], "head": ["a.bias", "b.weight"]}
    for part, names in members.items():
        values = np.concatenate([directions[name].abs().double().numpy().ravel() for name in names])
        assert scales[part].counts.tolist() == reference_counts(values)
        assert scales[part].scalars["std"] == pytest.approx(reference_scalars(values)["std"])
    with pytest.raises(KeyError, match=r"c\.weight"):
        measure(directions, {"tail": ["c.weight"]})


@pytest.mark.parametrize(("kind", "decay_in_direction"), [(AdamL2, True), (AdamW, False)])
def test_only_adam_l2s_update_scale_includes_the_decay(kind: type[AdamL2 | AdamW], decay_in_direction: bool) -> None:
    """After one step p = g / (|g| + eps) whatever the step size; g includes lambda x for Adam-l2."""
    parameter = torch.nn.Parameter(torch.tensor([3.0, -2.0, 0.0], dtype=torch.float64))
    gradient = torch.tensor([-0.04, 0.5, 0.0], dtype=torch.float64)
    eps, decay = 0.1, 0.01
    optimizer = kind([parameter], lr=1e-3, eps=eps, weight_decay=decay)
    g = (gradient + decay * parameter.detach() if decay_in_direction else gradient).numpy()
    parameter.grad = gradient
    optimizer.step()
    p = optimizer.read(optimizer.direction, optimizer.param_groups[0])
    scalars = measure({"x": p[0]}, {})["network"].scalars
    expected = reference_scalars(np.abs(g) / (np.abs(g) + eps))
    for name, value in expected.items():
        assert scalars[name] == pytest.approx(value, rel=1e-6), name
