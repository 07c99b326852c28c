"""Every claim on trained runs can be turned by hand-made records: supported, contradicted and inconclusive."""

from collections.abc import Callable

import pytest

from claims.made import Made, Model, as_the_paper_says, evidence, noisy, swapped, without
from scalefree.claims import (
    Evidence,
    Verdict,
    advantage_with_depth,
    advantage_without_bn,
    batch_norm_parity,
    epsilon,
    initialization,
    loss_scale,
    metric_prox,
    prox_expansion,
    seeds,
    spread_and_advantage,
    update_scale_spread,
)
from scalefree.config import RunConfig, with_values

Judge = Callable[[Evidence], Verdict]
INCONCLUSIVE = "inconclusive at this scale"
JUDGES: tuple[Judge, ...] = (
    prox_expansion.judge,
    batch_norm_parity.judge,
    advantage_without_bn.judge,
    advantage_with_depth.judge,
    update_scale_spread.judge,
    spread_and_advantage.judge,
    loss_scale.judge,
    epsilon.judge,
    initialization.judge,
    metric_prox.judge,
    seeds.judge,
)


def like_usual(config: RunConfig) -> Made:
    """Neither eps nor initialisation change anything."""
    return as_the_paper_says(with_values(config, {"optimizer.eps": 1e-8, "model.initialization": "kaiming"}))


def metric_prox_like_adamw(config: RunConfig) -> Made:
    name = config.optimizer.name
    return as_the_paper_says(with_values(config, {"optimizer.name": "adamw" if name == "adam_metric_prox" else name}))


def errors_swapped(config: RunConfig) -> Made:
    """AdamW's errors are Adam-l2's and the other way round; the update scales stay."""
    other = swapped(as_the_paper_says)(config)
    assert other is not None
    return as_the_paper_says(config)._replace(error=other.error)


def with_bn(adamw: float, of_seed: float) -> Model:
    """With BatchNorm, AdamW is better with a decay than without, by so much and so much more with seed 1."""

    def change(config: RunConfig) -> Made:
        made = as_the_paper_says(config)
        better = config.model.batch_norm and config.optimizer.name == "adamw" and config.optimizer.weight_decay > 0
        return Made(0.05 - adamw - of_seed * config.seed) if better else made

    return change


def prox(off: float, of_seed: float) -> Model:
    """AdamProx is worse than AdamW by so much, and by so much more with seed 1."""

    def change(config: RunConfig) -> Made:
        made = as_the_paper_says(config)
        assert made.error is not None
        more = off + of_seed * config.seed if config.optimizer.name == "adamprox" else 0.0
        return made._replace(error=made.error + more)

    return change


def adamw_moves_with_one_seed(config: RunConfig) -> Made:
    made = as_the_paper_says(config)
    assert made.error is not None
    moved = config.training.loss_multiplier != 1 and config.optimizer.name == "adamw" and config.seed == 1
    return made._replace(error=made.error + 0.04 * moved)


def spread_least_in_the_deepest(config: RunConfig) -> Made:
    made = as_the_paper_says(config)
    return made._replace(spread=1.0) if config.model.depth == 80 and config.optimizer.name == "adaml2" else made


NOISY = noisy(metric_prox_like_adamw, 0.5)
SWAPPED = swapped(as_the_paper_says)

# A judge, and records that support its claim, that contradict it, and that leave it open.
TURNS: list[tuple[Judge, Model, Model, Model]] = [
    (prox_expansion.judge, as_the_paper_says, prox(0.03, 0.0), prox(0.0, 0.025)),
    (batch_norm_parity.judge, as_the_paper_says, with_bn(0.03, 0.001), with_bn(0.0, 0.02)),
    (advantage_without_bn.judge, as_the_paper_says, SWAPPED, NOISY),
    (advantage_with_depth.judge, as_the_paper_says, SWAPPED, NOISY),
    (update_scale_spread.judge, as_the_paper_says, SWAPPED, NOISY),
    (spread_and_advantage.judge, as_the_paper_says, errors_swapped, spread_least_in_the_deepest),
    (loss_scale.judge, as_the_paper_says, SWAPPED, adamw_moves_with_one_seed),
    (epsilon.judge, as_the_paper_says, like_usual, NOISY),
    (initialization.judge, as_the_paper_says, like_usual, NOISY),
    (metric_prox.judge, metric_prox_like_adamw, as_the_paper_says, NOISY),
    (seeds.judge, as_the_paper_says, SWAPPED, NOISY),
]


def named(judge: Judge) -> str:
    return judge.__module__.rpartition(".")[2]


@pytest.mark.parametrize(("judge", "for_it", "against_it", "neither"), TURNS, ids=[named(turn[0]) for turn in TURNS])
def test_records_turn_the_verdict(judge: Judge, for_it: Model, against_it: Model, neither: Model) -> None:
    supported, contradicted, open_ = (judge(evidence("quick", model)) for model in (for_it, against_it, neither))
    assert (supported.verdict, supported.question.name) == ("supported", named(judge))
    assert supported.effect is not None and supported.interval is not None
    assert contradicted.verdict == "contradicted"
    assert open_.verdict == INCONCLUSIVE
    assert open_.effect is not None and open_.interval is not None
    assert "cells present" in open_.scope


@pytest.mark.parametrize("judge", JUDGES, ids=named)
def test_swapping_adamw_and_adaml2_turns_what_is_about_them(judge: Judge) -> None:
    symmetric = (batch_norm_parity.judge, spread_and_advantage.judge)
    before, after = (judge(evidence("quick", model)) for model in (metric_prox_like_adamw, swapped(as_the_paper_says)))
    assert before.verdict == "supported"
    assert (after.verdict == "supported") == (judge in symmetric)


@pytest.mark.parametrize("judge", JUDGES, ids=named)
def test_missing_records_are_inconclusive(judge: Judge) -> None:
    empty = judge(evidence("quick", without(as_the_paper_says, lambda _: True)))
    assert (empty.verdict, empty.effect, empty.interval) == (INCONCLUSIVE, None, None)
    assert empty.reason.startswith("no records")
    half = judge(evidence("quick", without(as_the_paper_says, lambda config: config.seed == 1)))
    assert half.verdict == INCONCLUSIVE
    assert half.reason.startswith("missing cells")
    left_out = judge(Evidence("quick", {}, evidence("quick", as_the_paper_says, "seeds").store))
    assert (left_out.verdict, left_out.scope) == (INCONCLUSIVE, "profile quick, no cells")
