"""Intervals and tests, checked against SciPy, against their definitions, and by simulation."""

import itertools
import math
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from scalefree.experiments.intervals import (
    LEAST_FOR_BOOTSTRAP,
    chance_above,
    holm,
    mean_interval,
    rank_correlation,
    signed_rank,
)

Sample = npt.NDArray[np.float64]
TINY = 1e-12


def samples(n: int, count: int, seed: int = 0) -> list[Sample]:
    rng = np.random.default_rng(seed)
    return [rng.normal(rng.normal(), rng.uniform(0.5, 2), n) for _ in range(count)]


@pytest.mark.parametrize("n", [2, 3, 5, 20, LEAST_FOR_BOOTSTRAP - 1])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_fewer_than_thirty_values_have_a_students_t_interval(n: int, level: float) -> None:
    for x in samples(n, 5):
        found = mean_interval(x.tolist(), "seeds", TINY, level)
        expected = stats.ttest_1samp(x, 0).confidence_interval(level)
        assert found is not None and (found.n, found.of, found.level, found.method) == (
            n,
            "seeds",
            level,
            "Student's t",
        )
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-12)


def bca(x: Sample, level: float, resamples: int, seed: int) -> tuple[float, float]:
    """Efron's (1987) interval of the mean, by its formulas."""
    n, mean = len(x), x.mean()
    means = np.random.default_rng(seed).choice(x, (resamples, n)).mean(axis=1)
    z0 = stats.norm.ppf((np.mean(means < mean) + np.mean(means <= mean)) / 2)
    jackknife = (x.sum() - x) / (n - 1)
    off = jackknife.mean() - jackknife
    a = (off**3).sum() / (6 * (off**2).sum() ** 1.5)
    z = stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(means, stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z))))
    return float(low), float(high)


def test_thirty_or_more_values_have_a_bootstrap_interval() -> None:
    x = np.random.default_rng(2).exponential(2.0, 40)
    found = mean_interval(x.tolist(), "seeds", TINY)
    assert found is not None and found.method == "BCa bootstrap"
    assert (found.low, found.high) == pytest.approx(bca(x, 0.95, 40_000, 1), abs=0.03 * x.std())
    again = mean_interval(x.tolist(), "seeds", TINY)
    assert found == again, "the same values have the same interval"
    assert found.high - x.mean() > x.mean() - found.low, "as skewed as the values"
    assert mean_interval(x[:29].tolist(), "seeds", TINY) != found


@pytest.mark.parametrize("n", [5, 40])
def test_values_that_agree_get_the_minimum_spread(n: int) -> None:
    """Equal values do not prove that the next one would be equal."""
    for values in ([1.5] * n, np.linspace(1.499, 1.501, n).tolist()):
        found = mean_interval(values, "seeds", 0.1)
        half = stats.t.ppf(0.975, n - 1) * 0.1 / math.sqrt(n)
        assert found is not None and (found.low, found.high) == pytest.approx((1.5 - half, 1.5 + half))
        assert "least spread allowed, 0.1" in found.method
        assert chance_above(values, 1.45, 0.1) == pytest.approx(stats.t.sf(0.05 * math.sqrt(n) / 0.1, n - 1))


def test_one_value_has_no_interval() -> None:
    assert mean_interval([3.0], "seeds", 0.1) is None and mean_interval([], "seeds", 0.1) is None
    assert chance_above([3.0], 0.0, 0.1) == 1.0


def test_the_one_sided_p_matches_scipy() -> None:
    for x in samples(7, 20):
        for limit in (-1.0, 0.0, 0.7):
            expected = stats.ttest_1samp(x, limit, alternative="greater").pvalue
            assert chance_above(x.tolist(), limit, TINY) == pytest.approx(expected, rel=1e-9)


def exact_signed_rank(x: Sample) -> float:
    """The two-sided p by all ways of giving signs to the ranks."""
    ranks = stats.rankdata(np.abs(x))
    seen = sum(rank for rank, value in zip(ranks, x, strict=True) if value > 0)
    sums = [sum(itertools.compress(ranks, signs)) for signs in itertools.product((0, 1), repeat=len(x))]
    above, below = (sum(s >= seen for s in sums), sum(s <= seen for s in sums))
    return min(1.0, 2 * above / len(sums), 2 * below / len(sums))


def test_the_signed_rank_p_is_exact() -> None:
    for x in samples(8, 10):
        assert signed_rank(x.tolist()) == pytest.approx(exact_signed_rank(x))
    assert signed_rank([0.0] * 5) is None and signed_rank([1.0]) is None


def test_rounding_does_not_break_ties_between_ranks() -> None:
    """0.1 + 0.2 and 0.3 points are equal."""
    exact = [0.3, 0.3, -0.3, 0.6, 0.9, 1.2]
    rounded = [0.1 + 0.2, 0.3, -0.3, 0.6, 0.3 + 0.6, 1.2]
    assert len(set(map(abs, rounded))) > len(set(map(abs, exact))), "otherwise this test shows nothing"
    assert signed_rank(rounded) == signed_rank(exact)


def test_rank_correlations_match_their_definition() -> None:
    rng = np.random.default_rng(5)
    for n in (5, 8, 20):
        x = rng.normal(size=n)
        y = 0.5 * x + rng.normal(size=n)
        r, interval, p = rank_correlation(x.tolist(), y.tolist(), "seeds")
        expected = np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1]
        assert r == pytest.approx(expected) and interval is not None
        error = math.sqrt((1 + expected**2 / 2) / (n - 3))
        ends = np.tanh(np.arctanh(expected) + stats.norm.ppf([0.025, 0.975]) * error)
        assert (interval.low, interval.high) == pytest.approx(tuple(ends))
        assert p == pytest.approx(min(1, 2 * stats.norm.sf(np.arctanh(expected) / error)))
        assert (p < 0.05) == (interval.low > 0)


def test_a_perfect_order_has_an_interval_and_constant_values_have_none() -> None:
    up = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    r, interval, p = rank_correlation(up, up, "seeds")
    assert r == 1 and interval is not None and 0 < interval.low < interval.high < 1 and p < 0.05
    r, interval, p = rank_correlation(up, up[::-1], "seeds")
    assert r == -1 and interval is not None and -1 < interval.low < interval.high < 0 and p > 0.9
    r, interval, p = rank_correlation(up[:4], up[:4], "seeds")
    assert r == pytest.approx(1) and (interval, p) == (None, 1.0), "four values have no interval"
    for x, y in (([1.0] * 6, up), (up, [1.0] * 6), (up[:1], up[:1]), ([], []), (up, [*up[:5], math.nan])):
        assert rank_correlation(x, y, "seeds") == (None, None, 1.0)


def test_holm_matches_hand_calculations() -> None:
    """Each p times the number left, and never below the one before; neither ties nor order matter."""
    assert holm([]) == [] and holm([0.2]) == [0.2]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6, 0.001]) == pytest.approx([1.0, 1.0, 0.003])
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = [Fraction(int(k), 100) for k in rng.integers(1, 101, 6)]
        expected = [
            max(min(Fraction(1), sum(q >= other for q in p) * other) for other in p if other <= own) for own in p
        ]
        assert holm([float(value) for value in p]) == pytest.approx([float(value) for value in expected])


# What the module's docstring promises, by simulation: the share of samples whose interval covers the true mean.
COUNT = 3000


def coverage(draws: Sample, true: float) -> float:
    held = 0
    for x in draws:
        found = mean_interval(x.tolist(), "seeds", TINY)
        assert found is not None
        held += found.low <= true <= found.high
    return held / len(draws)


@pytest.mark.parametrize("n", [3, 5, 20])
def test_95_of_100_intervals_of_normal_values_cover_the_mean(n: int) -> None:
    """Within 0.012, three standard errors of the share."""
    draws = np.random.default_rng(n).normal(1.0, 2.0, (COUNT, n))
    assert coverage(draws, 1.0) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("n", [5, 20])
def test_if_one_seed_in_five_collapses_intervals_cover_the_mean_less_often(n: int) -> None:
    """By 40 points: they cover it in 56 to 92 of 100 cases, so every seed is shown, and a rank test beside them."""
    rng = np.random.default_rng(n)
    draws = rng.normal(0, 1, (COUNT, n)) + 40 * (rng.random((COUNT, n)) < 0.2)
    assert 0.5 < coverage(draws, 8.0) < 0.935


def test_signed_ranks_err_in_about_5_of_100_if_seeds_collapse_either_way() -> None:
    rng = np.random.default_rng(9)
    draws = rng.normal(0, 1, (600, 12)) + 40 * rng.choice([-1, 0, 1], (600, 12), p=[0.1, 0.8, 0.1])
    ps = [signed_rank(x.tolist()) for x in draws]
    assert np.mean([p is not None and p < 0.05 for p in ps]) < 0.075
