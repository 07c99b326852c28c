"""What else can be true of runs, and must not be taken for evidence."""

from pathlib import Path

import pytest

from claims.made import GAIN, Made, as_the_paper_says, evidence, swapped, written
from scalefree.claims import (
    advantage_without_bn,
    batch_norm_parity,
    epsilon,
    gather,
    initialization,
    loss_scale,
    metric_prox,
    prox_expansion,
)
from scalefree.claims.histograms import total_variation
from scalefree.config import RunConfig

INCONCLUSIVE = "inconclusive at this scale"


def test_where_nothing_trains_all_optimizers_are_alike() -> None:
    dead = evidence("quick", lambda _: Made(0.9), "with_bn", "depth", "prox_equivalence", "loss_scale")
    for judge in (batch_norm_parity.judge, prox_expansion.judge, loss_scale.judge):
        verdict = judge(dead)
        assert verdict.verdict == INCONCLUSIVE
        assert "train" in verdict.reason


def test_nothing_can_be_taken_away_where_there_is_nothing() -> None:
    found = evidence("quick", swapped(as_the_paper_says))
    for judge in (epsilon.judge, initialization.judge, metric_prox.judge):
        verdict = judge(found)
        assert verdict.verdict == INCONCLUSIVE
        assert "no sure advantage to begin with" in verdict.reason


def test_a_share_of_the_advantage_remains() -> None:
    def a_tenth(config: RunConfig) -> Made:
        """With a raised eps AdamW keeps a tenth of its gain."""
        made = as_the_paper_says(config)
        raised = config.optimizer.name == "adamw" and config.optimizer.eps > 1e-8
        assert made.error is not None
        return made._replace(error=made.error - raised * GAIN[config.model.depth] / 10)

    verdict = epsilon.judge(evidence("quick", a_tenth, "epsilon"))
    gain = max(100 * GAIN[s.config.model.depth] for s in evidence("quick", a_tenth, "epsilon").settings("epsilon"))
    assert verdict.effect == pytest.approx(gain * (1 / 10 - 1 / 2))
    assert verdict.verdict == "supported"
    assert any("(10 %)" in note for note in verdict.notes)


def test_an_eps_at_which_nothing_trains_is_passed_over() -> None:
    def dead_at_the_largest(config: RunConfig) -> Made:
        return Made(0.9) if config.optimizer.eps > 5e-3 else as_the_paper_says(config)

    def dead_when_raised(config: RunConfig) -> Made:
        return Made(0.9) if config.optimizer.eps > 1e-8 else as_the_paper_says(config)

    # Not scale-free any more at 1e-5 and 1e-3, where Adam-l2 is trained too: no advantage left.
    verdict = epsilon.judge(evidence("h200", dead_at_the_largest, "epsilon"))
    assert (verdict.verdict, verdict.effect) == ("supported", pytest.approx(-100 * GAIN[110] / 2))
    assert epsilon.judge(evidence("h200", dead_when_raised, "epsilon")).verdict == INCONCLUSIVE


def test_adamw_that_moves_too_contradicts_its_invariance() -> None:
    def both_move(config: RunConfig) -> Made:
        made = as_the_paper_says(config)
        assert made.error is not None
        moved = config.training.loss_multiplier != 1 and config.optimizer.name == "adamw"
        return made._replace(error=made.error + 0.03 * moved)

    verdict = loss_scale.judge(evidence("quick", both_move, "loss_scale"))
    assert verdict.effect == pytest.approx(3)
    assert verdict.verdict == "contradicted"
    assert "AdamW's own errors are not in place" in verdict.reason


def test_histograms_may_object(tmp_path: Path) -> None:
    def only_adamw_histograms_move(config: RunConfig) -> Made:
        moved = config.training.loss_multiplier != 1 and config.optimizer.name == "adamw"
        return as_the_paper_says(config)._replace(center=-9 if moved else -3)

    for name, model, expected in (
        ("as-in-the-paper", as_the_paper_says, "supported"),
        ("objection", only_adamw_histograms_move, INCONCLUSIVE),
    ):
        written(tmp_path / name, "quick", model, "loss_scale")
        verdict = loss_scale.judge(gather("quick", tmp_path / name))
        assert verdict.verdict == expected
        assert any("70%" in note and "0%" in note for note in verdict.notes)


def test_total_variation(tmp_path: Path) -> None:
    def far_apart(config: RunConfig) -> Made:
        return Made(None if config.seed else 0.1, center=-3 if config.optimizer.name == "adamw" else -4)

    written(tmp_path, "quick", far_apart, "seeds")
    found = gather("quick", tmp_path)
    setting = found.settings("seeds")[0]
    (first,), (second,) = setting.of("adaml2"), setting.of("adamw")
    assert total_variation(found, first, second) == {0: pytest.approx(0.7)}
    assert total_variation(found, first, first) == {0: 0}


def test_another_order_contradicts_the_expansion() -> None:
    found = evidence("quick", as_the_paper_says, "prox_equivalence")
    assert prox_expansion.judge_with(found, 2.02).verdict == "supported"
    verdict = prox_expansion.judge_with(found, 1.0)
    assert verdict.verdict == "contradicted"
    assert "order 1.00" in verdict.reason


def test_validation_may_choose_other_cells() -> None:
    def lucky(config: RunConfig) -> Made:
        """AdamW's gain at its best cell is not seen on the validation images, by which it takes the free cell."""
        made = as_the_paper_says(config)
        decayed = config.optimizer.name == "adamw" and config.optimizer.weight_decay > 0
        return made._replace(validation=0.9) if decayed and not config.model.batch_norm else made

    verdict = advantage_without_bn.judge(evidence("quick", lucky, "without_bn"))
    assert verdict.verdict == "supported"
    assert verdict.by_validation is not None
    assert verdict.by_validation.effect == pytest.approx(-1)
    assert verdict.by_validation.verdict == "contradicted"
    assert "validation does not confirm it" in verdict.reason
    assert any("chosen by validation" in note and "AdamW 31.1 % at (2e-3, 0)" in note for note in verdict.notes)


def test_training_losses_are_shown_where_they_are_known() -> None:
    found = evidence("quick", as_the_paper_says, "without_bn")
    for result in found.results["without_bn"]:
        assert result.record is not None
        result.record.final_metrics["final_train_loss"] = 0.25 if result.config.optimizer.name == "adamw" else 0.5
    shown = [note for note in advantage_without_bn.judge(found).notes if "training loss" in note]
    assert shown[0] == "resnet20w8-nobn: final training loss there Adam-l2 0.5, AdamW 0.25"
    assert len(shown) == 3
