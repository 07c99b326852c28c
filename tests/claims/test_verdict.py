"""From a measurement to a verdict: the rule of docs/analysis_plan.md, its p values and its error rates."""

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from scalefree.claims.verdict import (
    Measured,
    Question,
    Sense,
    Verdict,
    adjusted,
    decide,
    finite,
    from_document,
    measured_over_seeds,
    quantity,
)
from scalefree.experiments.intervals import Interval
from scalefree.experiments.pairs import SeedValues

LEAST_SPREAD = 0.1
Sample = npt.NDArray[np.float64]


def question(sense: Sense, threshold: float = 0.5) -> Question:
    return Question("0", "made", "A made claim.", "a number", "points", sense, threshold)


def interval(low: float, high: float, level: float = 0.95) -> Interval:
    return Interval(low, high, 5, "seeds", "Student's t", level)


@pytest.mark.parametrize(
    ("sense", "low", "high", "expected"),
    [
        ("above", 0.6, 2, "supported"),
        ("above", 0.5, 2, "inconclusive"),
        ("above", 0.4, 2, "inconclusive"),
        ("above", -0.4, 0.4, "negligible"),
        ("above", 0.1, 0.4, "negligible"),
        ("above", -0.4, -0.1, "negligible"),
        ("above", -0.5, 0.4, "inconclusive"),
        ("above", -2, 0.4, "inconclusive"),
        ("above", -2, -0.1, "contradicted"),
        ("above", -2, 2, "inconclusive"),
        ("beyond", 0.6, 2, "supported"),
        ("beyond", -2, -0.6, "supported"),
        ("beyond", -0.4, 0.4, "negligible"),
        ("beyond", -2, -0.1, "inconclusive"),
        ("beyond", -0.6, 0.6, "inconclusive"),
        ("below", -9, 0.4, "supported"),
        ("below", -0.1, 0.4, "supported"),
        ("below", 0.4, 2, "inconclusive"),
        ("below", 0.5, 2, "inconclusive"),
        ("below", 0.6, 2, "contradicted"),
    ],
)
def test_the_whole_interval_decides(sense: Sense, low: float, high: float, expected: str) -> None:
    verdict, reason = decide(question(sense), Measured((low + high) / 2, interval(low, high)))
    assert verdict == expected
    assert "0.5 points" in reason or reason == "the whole interval lies below 0"
    assert ("5 seeds are too few" in reason) == (expected == "inconclusive")


@pytest.mark.parametrize(
    ("narrow", "wide", "expected"),
    [
        ((-0.4, 0.4), (-0.45, 0.45), "supported"),
        ((-0.4, 0.4), (-0.6, 0.6), "supported"),  # the 90 % interval decides
        ((0.1, 0.5), (0.0, 0.6), "inconclusive"),
        ((-0.6, 0.4), (-0.7, 0.5), "inconclusive"),
        ((0.55, 2), (0.45, 2.1), "inconclusive"),  # the 95 % interval decides
        ((0.7, 2), (0.6, 2.1), "contradicted"),
        ((-2, -0.7), (-2.1, -0.6), "contradicted"),
        ((-2, 2), (-3, 3), "inconclusive"),
    ],
)
def test_an_equivalence_is_decided_by_two_intervals(
    narrow: tuple[float, float], wide: tuple[float, float], expected: str
) -> None:
    measured = Measured(sum(wide) / 2, interval(*wide), interval(*narrow, level=0.9))
    assert decide(question("within"), measured)[0] == expected


@pytest.mark.parametrize("sense", ["above", "below", "beyond", "within"])
def test_nothing_is_decided_without_an_interval_or_with_a_problem(sense: Sense) -> None:
    assert decide(question(sense), Measured(7.0))[0] == "inconclusive"
    assert decide(question(sense), Measured(problem="no records")) == ("not judged", "no records")
    sure = {"below": interval(-9, -8), "within": interval(-0.1, 0.1)}.get(sense, interval(8, 9))
    assert decide(question(sense), Measured(8.5, sure))[0] == "supported"
    assert decide(question(sense), Measured(8.5, sure, problem="vacuous")) == ("not judged", "vacuous")
    assert decide(question(sense), Measured(8.5, sure, doubt="chance")) == ("inconclusive", "chance")


def test_a_doubt_only_withholds_support() -> None:
    for low, high, expected in ((-2, -1, "contradicted"), (-0.1, 0.1, "negligible")):
        assert decide(question("above"), Measured(0, interval(low, high), doubt="chance"))[0] == expected


def seeds(values: object) -> SeedValues:
    return SeedValues(dict(enumerate(np.asarray(values, dtype=float).tolist())))


def test_too_few_seeds_are_a_problem() -> None:
    none = measured_over_seeds(question("above"), SeedValues(), LEAST_SPREAD)
    assert (none.effect, none.chance) == (None, 1.0) and "no seed" in none.problem
    one = measured_over_seeds(question("above"), SeedValues({3: 7.0}), LEAST_SPREAD)
    assert (one.effect, one.interval, one.chance, one.values) == (7.0, None, 1.0, {3: 7.0}) and one.problem


def p_above(x: Sample, limit: float) -> float:
    return float(stats.ttest_1samp(x, limit, alternative="greater").pvalue)


def p_below(x: Sample, limit: float) -> float:
    return float(stats.ttest_1samp(x, limit, alternative="less").pvalue)


# SciPy's p value of the claim, with the null at its threshold.
P_VALUES: dict[Sense, Callable[[Sample, float], float]] = {
    "above": lambda x, d: 2 * p_above(x, d),
    "below": lambda x, d: 2 * p_below(x, d),
    "beyond": lambda x, d: 2 * min(p_above(x, d), p_below(x, -d)),
    "within": lambda x, d: max(p_below(x, d), p_above(x, -d)),
}


@pytest.mark.parametrize("sense", P_VALUES)
def test_numbers_match_scipy_and_p_matches_the_verdict(sense: Sense) -> None:
    """p is below 0.05 exactly where the claim is supported."""
    rng = np.random.default_rng(1)
    supported = 0
    for n in (2, 3, 5, 20, 29):
        for _ in range(60):
            x = rng.normal(rng.normal(0, 1.2), rng.uniform(0.2, 2), n)
            if x.std(ddof=1) <= LEAST_SPREAD:
                continue
            measured = measured_over_seeds(question(sense), seeds(x), LEAST_SPREAD)
            ci = stats.ttest_1samp(x, 0).confidence_interval(0.95)
            assert measured.effect == pytest.approx(np.mean(x)) and measured.interval is not None
            assert (measured.interval.low, measured.interval.high) == pytest.approx((ci.low, ci.high))
            p = min(1.0, P_VALUES[sense](x, 0.5))
            assert measured.chance == pytest.approx(p, rel=1e-6, abs=1e-12)
            assert (decide(question(sense), measured)[0] == "supported") == (p < 0.05)
            supported += p < 0.05
    assert supported > 10


# Error rates, by simulation: the standard error of a rate of 0.05 over 2,000 samples is 0.005, that of 0.025 is 0.0035.
SAMPLES = 2000


@pytest.fixture
def without_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the signed-rank test, which plays no part in the verdict and takes most of a sample's time."""
    monkeypatch.setattr("scalefree.claims.verdict.signed_rank", lambda values: None)


def rates(sense: Sense, mean: float, spread: float, n: int, d: float = 1.0) -> dict[str, float]:
    rng = np.random.default_rng(7)
    found: dict[str, int] = {}
    for x in rng.normal(mean, spread, (SAMPLES, n)):
        verdict, _ = decide(question(sense, d), measured_over_seeds(question(sense, d), seeds(x), LEAST_SPREAD))
        found[verdict] = found.get(verdict, 0) + 1
    return {verdict: count / SAMPLES for verdict, count in found.items()}


@pytest.mark.parametrize("n", [5, 20])
@pytest.mark.usefixtures("without_ranks")
def test_an_equivalence_is_wrongly_supported_in_5_of_100_samples(n: int) -> None:
    """On the limit, where both tests are most likely to err."""
    on_the_limit = rates("within", 1.0, 0.4, n)
    assert on_the_limit["supported"] == pytest.approx(0.05, abs=0.015)
    assert on_the_limit["contradicted"] == pytest.approx(0.025, abs=0.011)
    noisy = rates("within", 1.0, 5.0, n)
    assert noisy.get("supported", 0) < 0.05, "much noise hides an equivalence"
    assert rates("within", 0.0, 0.4, n)["supported"] > 0.95


@pytest.mark.parametrize(
    ("sense", "verdict"), [("above", "supported"), ("below", "supported"), ("below", "contradicted")]
)
@pytest.mark.usefixtures("without_ranks")
def test_a_one_sided_claim_is_wrongly_decided_in_25_of_1000_samples(sense: Sense, verdict: str) -> None:
    assert rates(sense, 1.0, 1.0, 5)[verdict] == pytest.approx(0.025, abs=0.011)


@pytest.mark.usefixtures("without_ranks")
def test_a_small_effect_is_hardly_ever_contradicted() -> None:
    """Half the threshold at n = 20: the rule 'below the threshold' contradicted that 94 times in 100."""
    half = rates("above", 0.5, 0.3, 20)
    assert half.get("contradicted", 0) < 0.001 and half["negligible"] > 0.9
    assert rates("above", 0.0, 1.0, 20).get("contradicted", 0) == pytest.approx(0.025, abs=0.02)


def verdict_with(chance: float, planned: bool = True, where: str = "net", decision: str = "supported") -> Verdict:
    return Verdict(question("above"), where, planned, decision, "", Measured(1.0, chance=chance), (), "")  # type: ignore[arg-type]


def test_holm_counts_every_planned_claim_about_trainings() -> None:
    """Also those that are not judged yet, or p would grow as their runs are trained."""
    verdicts = [
        verdict_with(0.01),
        verdict_with(0.001, planned=False),
        verdict_with(0.04),
        verdict_with(0.0, where=""),
        verdict_with(1.0, decision="not judged"),
        verdict_with(0.03),
    ]
    found = [verdict.adjusted for verdict in adjusted(verdicts)]
    assert found == [pytest.approx(0.04), None, pytest.approx(0.09), None, None, pytest.approx(0.09)]
    assert [dataclasses.replace(v, adjusted=None) for v in adjusted(verdicts)] == verdicts


@pytest.mark.usefixtures("without_ranks")
def test_holm_errs_in_fewer_than_5_of_100_families() -> None:
    """Twelve true nulls on their threshold, and three false ones: any mistake among the twelve counts."""
    rng = np.random.default_rng(3)
    families, mistakes, found, plain = 250, 0, 0, 0
    for _ in range(families):
        verdicts = []
        for mean in (*[0.5] * 12, *[5.0] * 3):
            measured = measured_over_seeds(question("above"), seeds(rng.normal(mean, 1, 8)), LEAST_SPREAD)
            verdicts.append(Verdict(question("above"), "net", True, "supported", "", measured, (), ""))
        p = [verdict.adjusted for verdict in adjusted(verdicts)]
        assert all(value is not None for value in p)
        mistakes += any(value is not None and value < 0.05 for value in p[:12])
        found += all(value is not None and value < 0.05 for value in p[12:])
        plain += any(verdict.measured.chance < 0.05 for verdict in verdicts[:12])
    # p is two-sided and the claims are not, so half of 5 %.
    assert mistakes / families < 0.05 and found / families > 0.9
    assert plain / families > 0.2, "otherwise no correction would be needed"


NOT_NUMBERS = [math.nan, math.inf, -math.inf]


@pytest.mark.parametrize("bad", NOT_NUMBERS)
def test_non_finite_measurements_are_not_judged(bad: float) -> None:
    whole = Measured(1.0, interval(0.6, 2), interval(0.7, 1.9, 0.9), 0.01, 0.02, {0: 1.0})
    assert finite(whole) == whole
    for spoiled in (
        dataclasses.replace(whole, effect=bad),
        dataclasses.replace(whole, interval=interval(bad, 2)),
        dataclasses.replace(whole, interval=interval(0.6, bad)),
        dataclasses.replace(whole, narrow=interval(0.6, bad)),
        dataclasses.replace(whole, chance=bad),
        dataclasses.replace(whole, signed_rank=bad),
        dataclasses.replace(whole, values={0: bad}),
    ):
        cleaned = finite(spoiled)
        assert decide(question("above"), cleaned)[0] == "not judged"
        json.dumps(dataclasses.asdict(cleaned), allow_nan=False)


def test_a_verdict_survives_json() -> None:
    whole = Measured(1.0, interval(0.6, 2), interval(0.7, 1.9, 0.9), 0.01, 0.02, {0: 1.0, 19: -2.5}, "", "a doubt")
    for measured in (whole, Measured(problem="nothing there")):
        verdict = Verdict(question("within"), "net", True, "supported", "so", measured, ("a note", "two"), "8x8", 0.3)
        assert from_document(json.loads(json.dumps(dataclasses.asdict(verdict)))) == verdict
        assert verdict.place == "0-net" and (verdict.effect, verdict.interval) == (measured.effect, measured.interval)


def test_quantities_are_written_with_their_units() -> None:
    assert quantity(3.14159, "points", signed=True) == "+3.14 points"
    assert quantity(-0.5, "points", signed=True) == "-0.5 points"
    assert quantity(0.02, "powers of two") == "0.02 powers of two"
    assert quantity(0.25, "") == "0.25"
