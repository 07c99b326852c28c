"""Intervals against independent computations."""

import numpy as np
import pytest
from scipy import stats

from scalefree.claims.intervals import mean_interval, rank_correlation, slope_interval

VALUES = [0.3, 1.9, -0.4, 2.2, 0.8]


@pytest.mark.parametrize("values", [VALUES[:2], VALUES[:3], VALUES])
def test_few_values_get_students_interval(values: list[float]) -> None:
    interval = mean_interval(values, "seeds", 0.0)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), rel=1e-12)
    assert (interval.n, interval.of, interval.method) == (len(values), "seeds", "Student's t")


def test_two_seeds_say_little() -> None:
    interval = mean_interval([3.0, 4.0], "seeds", 0.0)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((3.5 - 6.3531, 3.5 + 6.3531), abs=1e-3)


def test_one_value_has_no_interval() -> None:
    assert mean_interval([3.0], "seeds", 0.1) is None
    assert mean_interval([], "seeds", 0.1) is None


@pytest.mark.parametrize("n", [2, 3, 12])
def test_equal_values_get_the_least_spread_and_no_nan(n: int) -> None:
    interval = mean_interval([2.5] * n, "seeds", 0.1)
    assert interval is not None
    half = stats.t.ppf(0.975, n - 1) * 0.1 / np.sqrt(n)
    assert (interval.low, interval.high) == pytest.approx((2.5 - half, 2.5 + half), rel=1e-9)
    assert "least spread" in interval.method


def bca(values: np.ndarray, resamples: int) -> tuple[float, float]:
    """Efron's bias-corrected and accelerated interval of the mean, written down from the textbook."""
    rng = np.random.default_rng(5)
    means = rng.choice(values, (resamples, len(values))).mean(axis=1)
    bias = stats.norm.ppf((means < values.mean()).mean())
    left_out = (values.sum() - values) / (len(values) - 1)
    apart = left_out.mean() - left_out
    acceleration = (apart**3).sum() / (6 * (apart**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    low, high = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


def test_many_values_get_the_bootstrap() -> None:
    values = np.random.default_rng(3).exponential(size=40)
    interval = mean_interval(values.tolist(), "cells", 0.0)
    assert interval is not None and interval.method == "BCa bootstrap"
    low, high = bca(values, 40_000)
    width = high - low
    assert interval.low == pytest.approx(low, abs=0.03 * width)
    assert interval.high == pytest.approx(high, abs=0.03 * width)
    assert mean_interval(values.tolist(), "cells", 0.0) == interval


def test_bootstrap_begins_where_it_keeps_its_promise() -> None:
    values = np.random.default_rng(1).normal(size=10).tolist()
    nine, ten = (mean_interval(values[:n], "seeds", 0.0) for n in (9, 10))
    assert nine is not None and nine.method == "Student's t"
    assert ten is not None and ten.method == "BCa bootstrap"


def test_slope_interval_is_the_regressions() -> None:
    x, y = [4.3, 5.5, 5.8, 6.8, 7.8], [0.1, 0.4, 1.9, 3.1, 3.0]
    interval = slope_interval(x, y, "depths", 0.0)
    design = np.column_stack([np.ones(5), x])
    solution, (residual,), *_ = np.linalg.lstsq(design, np.array(y))
    error = np.sqrt(residual / 3 * np.linalg.inv(design.T @ design)[1, 1])
    half = stats.t.ppf(0.975, 3) * error
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((solution[1] - half, solution[1] + half), rel=1e-9)
    assert slope_interval(x[:2], y[:2], "depths", 0.1) is None


def test_points_on_one_line_leave_a_slope_its_least_spread() -> None:
    interval = slope_interval([1.0, 2.0, 3.0, 4.0], [0.0, 0.5, 1.0, 1.5], "depths", 0.1)
    half = stats.t.ppf(0.975, 2) * 0.1
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((0.5 - half, 0.5 + half))
    assert "least standard error allowed" in interval.method


@pytest.mark.parametrize("value", [0.0, -1.5, 1e-300])
def test_constant_values_leave_a_slope_no_interval(value: float) -> None:
    assert slope_interval([1.0, 2.0, 3.0, 4.0], [value] * 4, "depths", 0.1) is None


def test_rank_correlation() -> None:
    x, y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, 30.0, 20.0, 90.0, 80.0, 1000.0]
    r, interval = rank_correlation(x, y, "settings")
    ranks = np.argsort(np.argsort(y))
    expected = np.corrcoef(np.arange(6), ranks)[0, 1]
    assert r == pytest.approx(expected)
    half = 1.959964 * np.sqrt((1 + expected**2 / 2) / 3)
    assert interval is not None
    ends = np.arctanh([interval.low, interval.high])
    assert ends == pytest.approx(np.array([np.arctanh(expected) - half, np.arctanh(expected) + half]), rel=1e-5)


def test_a_perfect_ranking_has_an_interval_with_width() -> None:
    r, interval = rank_correlation(range(7), range(7), "settings")
    assert r == pytest.approx(1)
    assert interval is not None and 0 < interval.low < 0.9 < interval.high < 1
    _, opposite = rank_correlation(range(7), range(7, 0, -1), "settings")
    assert opposite is not None
    assert (opposite.low, opposite.high) == pytest.approx((-interval.high, -interval.low))


def test_no_rank_correlation_where_there_is_none() -> None:
    assert rank_correlation([1, 2, 3], [5, 5, 5], "settings") == (None, None)
    assert rank_correlation([1], [5], "settings") == (None, None)
    r, interval = rank_correlation([1, 2, 3, 4], [1, 2, 4, 3], "settings")
    assert r == pytest.approx(0.8)
    assert interval is None
