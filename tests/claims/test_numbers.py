"""The numbers in a verdict against sums done here, on runs whose errors are known."""

import numpy as np
import pytest
from scipy import stats

from claims.made import GAIN, Made, as_the_paper_says, evidence
from scalefree.claims import (
    advantage_with_depth,
    advantage_without_bn,
    batch_norm_parity,
    loss_scale,
    prox_expansion,
    seeds,
    spread_and_advantage,
    update_scale_spread,
)
from scalefree.config import RunConfig, with_values

DEPTHS = (20, 38, 80)


def uneven(config: RunConfig) -> Made:
    """AdamW gains a point more per step of the seed in the deepest network."""
    made = as_the_paper_says(config)
    assert made.error is not None
    more = 0.01 * config.seed * (config.model.depth == 80 and config.optimizer.name == "adamw")
    return made._replace(error=made.error - more * (config.optimizer.weight_decay > 0))


def test_advantage_is_paired_over_seeds() -> None:
    verdict = advantage_without_bn.judge(evidence("quick", uneven, "without_bn", "depth"))
    means = [100 * np.mean([GAIN[depth] + 0.01 * seed * (depth == 80) for depth in DEPTHS]) for seed in (0, 1)]
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert verdict.effect == pytest.approx(np.mean(means))
    assert verdict.interval is not None
    assert (verdict.interval.n, verdict.interval.of) == (2, "seeds")
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx((expected.low, expected.high))


def test_slope_over_depth_is_paired_over_seeds() -> None:
    verdict = advantage_with_depth.judge(evidence("quick", uneven, "without_bn", "depth"))
    slopes = [
        np.polyfit(np.log2(DEPTHS), [100 * (GAIN[depth] + 0.01 * seed * (depth == 80)) for depth in DEPTHS], 1)[0]
        for seed in (0, 1)
    ]
    expected = stats.ttest_1samp(slopes, 0).confidence_interval(0.95)
    assert verdict.effect == pytest.approx(np.mean(slopes))
    assert verdict.interval is not None
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx((expected.low, expected.high))


def test_one_seed_leaves_the_settings_as_units() -> None:
    verdict = advantage_without_bn.judge(evidence("paper", as_the_paper_says, "without_bn"))
    gains = [100 * GAIN[depth] for depth in (20, 44, 56, 110, 218, 100)]
    expected = stats.ttest_1samp(gains, 0).confidence_interval(0.95)
    assert verdict.verdict == "supported"
    assert verdict.effect == pytest.approx(np.mean(gains))
    assert verdict.interval is not None
    assert (verdict.interval.n, verdict.interval.of) == (6, "settings")
    assert (verdict.interval.low, verdict.interval.high) == pytest.approx((expected.low, expected.high))


def test_one_seed_leaves_the_residuals_for_a_slope() -> None:
    verdict = advantage_with_depth.judge(evidence("paper", as_the_paper_says, "without_bn"))
    depths = (20, 44, 56, 110, 218)  # DenseNet is of another family
    line = stats.linregress(np.log2(depths), [100 * GAIN[depth] for depth in depths])
    assert verdict.effect == pytest.approx(line.slope)
    assert verdict.interval is not None and verdict.interval.of == "depths"
    assert verdict.interval.high - line.slope == pytest.approx(stats.t.ppf(0.975, 3) * line.stderr)


def test_one_seed_of_one_network_decides_nothing() -> None:
    verdict = batch_norm_parity.judge(evidence("h200", as_the_paper_says, "with_bn"))
    assert (verdict.verdict, verdict.effect, verdict.interval) == ("inconclusive at this scale", 0.0, None)
    assert "second seed" in verdict.reason


def test_five_seeds_at_the_papers_cells() -> None:
    verdict = seeds.judge(evidence("h200", as_the_paper_says, "seeds"))
    assert verdict.verdict == "supported"
    assert verdict.interval is not None and verdict.interval.n == 5
    assert verdict.effect == pytest.approx(100 * GAIN[110])
    assert "5 seeds" in verdict.scope


def test_a_diverged_run_counts_as_the_worst() -> None:
    def diverging(config: RunConfig) -> Made:
        hopeless = config.model.depth == 80 and config.optimizer.name == "adaml2"
        return Made(None) if hopeless else as_the_paper_says(config)

    verdict = seeds.judge(evidence("quick", diverging, "seeds"))
    assert verdict.effect == pytest.approx(100 - 100 * (0.30 + 0.001 - GAIN[80]))
    assert verdict.verdict == "supported"
    # In the grid another cell is best: the one without decay, a point worse than Adam-l2's usual.
    best = advantage_without_bn.judge(evidence("quick", diverging, "without_bn"))
    assert best.effect == pytest.approx(100 * (np.mean([GAIN[depth] for depth in DEPTHS]) + 0.01 / 3))
    assert any("Adam-l2 31.1 % at (2e-3, 0)" in note for note in best.notes)


def test_diverged_runs_have_no_final_update_scales() -> None:
    def diverging(config: RunConfig) -> Made:
        return (
            Made(None) if config.model.depth > 20 and config.optimizer.name == "adaml2" else as_the_paper_says(config)
        )

    # The runs without decay, AdamW's by name, are then Adam-l2's best.
    verdict = update_scale_spread.judge(evidence("quick", diverging, "without_bn"))
    assert verdict.effect is not None
    everything = update_scale_spread.judge(
        evidence("quick", lambda c: Made(None) if c.model.depth > 20 else as_the_paper_says(c), "without_bn")
    )
    assert (everything.verdict, everything.effect) == ("inconclusive at this scale", None)
    assert "fewer than two depths" in everything.reason


def test_spread_grows_with_depth() -> None:
    verdict = update_scale_spread.judge(evidence("quick", as_the_paper_says, "without_bn"))
    slope = np.polyfit(np.log2(DEPTHS), [10 * GAIN[depth] for depth in DEPTHS], 1)[0]
    assert verdict.effect == pytest.approx(slope)
    # Made spreads have a standard deviation of 1.5 interquartile ranges.
    assert any(f"slope is {1.5 * slope:.2g}" in note for note in verdict.notes)


def test_correlation_is_over_settings() -> None:
    found = evidence("quick", as_the_paper_says)
    verdict = spread_and_advantage.judge(found)
    places = []
    for setting in found.settings(*spread_and_advantage.EXPERIMENTS):
        if len(setting.optimizers) > 1 and any(point.weight_decay for point in setting.points):
            decayed = {"optimizer.weight_decay": 1e-3, "seed": 0}
            first, second = (
                as_the_paper_says(with_values(setting.config, {**decayed, "optimizer.name": name}))
                for name in ("adaml2", "adamw")
            )
            assert first.error is not None and second.error is not None
            places.append((first.spread - second.spread, round(first.error - second.error, 6)))
    assert verdict.effect == pytest.approx(stats.spearmanr(places).statistic)
    assert verdict.interval is not None and verdict.interval.n == len(places) >= 5
    few = spread_and_advantage.judge(evidence("quick", as_the_paper_says, "without_bn"))
    assert (few.verdict, few.effect) == ("inconclusive at this scale", pytest.approx(1))
    assert few.reason.startswith("3 settings")


def test_the_prox_is_held_against_the_noise_of_seeds() -> None:
    def apart(config: RunConfig) -> Made:
        """AdamProx 1.5 points off; seeds 3 points apart."""
        made = as_the_paper_says(config)
        assert made.error is not None
        return made._replace(error=made.error + 0.028 * config.seed + 0.015 * (config.optimizer.name == "adamprox"))

    verdict = prox_expansion.judge(evidence("quick", apart, "prox_equivalence"))
    assert verdict.question.threshold == pytest.approx(3.0)
    assert verdict.effect == pytest.approx(1.5)
    assert verdict.verdict == "supported"
    single = prox_expansion.judge(evidence("h200", apart, "prox_equivalence"))
    assert single.question.threshold == prox_expansion.AGREE
    assert single.verdict == "contradicted"


def test_a_whole_grid_is_bootstrapped() -> None:
    def uneven_in_lr(config: RunConfig) -> Made:
        made = as_the_paper_says(config)
        more = 2 * config.optimizer.lr * (config.training.loss_multiplier != 1 and config.optimizer.name == "adaml2")
        return made._replace(error=(made.error or 0.0) + more)

    verdict = loss_scale.judge(evidence("paper", uneven_in_lr, "loss_scale"))
    assert verdict.verdict == "supported"
    assert verdict.interval is not None
    # Five step sizes, seven decays above 0, two multipliers.
    assert (verdict.interval.n, verdict.interval.method) == (70, "BCa bootstrap")
    assert verdict.effect == pytest.approx(100 * (0.06 + 2 * np.mean([5e-5, 1e-4, 5e-4, 1e-3, 5e-3])))
