"""Best cells: by test error, by validation, over seeds, with runs missing or diverged."""

import pytest

from scalefree.compose import run_config
from scalefree.experiments import Cell, Result, settings
from scalefree.records import Outcome, Record, run_identity, run_name, scientific_config

Errors = dict[tuple[str, float, int], tuple[float, float] | str | None]


def results(errors: Errors) -> list[Result]:
    """(optimizer, decay, seed) -> (test, validation) errors, "diverged", or None for a missing run."""
    made = []
    for (optimizer, decay, seed), outcome in errors.items():
        config = run_config(
            {
                "dataset": "digits",
                "dataset.validation_fraction": 0.1,
                "model": "resnet",
                "optimizer": optimizer,
                "optimizer.weight_decay": decay,
                "seed": seed,
            }
        )
        record = None
        if outcome is not None:
            completed = outcome != "diverged"
            test, validation = outcome if completed else (None, None)
            record = Record(
                identity=run_identity(config),
                name=run_name(config),
                config=scientific_config(config),
                outcome=Outcome("completed" if completed else "diverged", 1),
                environment={},
                fingerprints={},
                final_metrics={"final_test_error": test, "final_validation_error": validation},
            )
        made.append(Result(Cell(config, config, run_identity(config)), record))
    return made


def best_decay(errors: Errors, criterion: str = "test") -> float | None:
    (setting,) = settings(results(errors))
    best = setting.best("adamw", criterion)
    return None if best is None else best.weight_decay


def test_the_two_criteria_may_differ() -> None:
    errors: Errors = {("adamw", 1e-4, 0): (0.2, 0.4), ("adamw", 1e-3, 0): (0.3, 0.3)}
    assert best_decay(errors, "test") == 1e-4
    assert best_decay(errors, "validation") == 1e-3


def test_the_mean_over_seeds_decides() -> None:
    errors: Errors = {
        ("adamw", 1e-4, 0): (0.1, 0.0),
        ("adamw", 1e-4, 1): (0.5, 0.0),
        ("adamw", 1e-3, 0): (0.2, 0.0),
        ("adamw", 1e-3, 1): (0.3, 0.0),
    }
    assert best_decay(errors) == 1e-3


def test_a_diverged_seed_is_worse_than_any_error() -> None:
    errors: Errors = {
        ("adamw", 1e-4, 0): (0.0, 0.0),
        ("adamw", 1e-4, 1): "diverged",
        ("adamw", 1e-3, 0): (0.9, 0.9),
        ("adamw", 1e-3, 1): (0.9, 0.9),
    }
    assert best_decay(errors) == 1e-3
    (setting,) = settings(results(errors))
    assert setting.of("adamw")[0].mean_error() == 1.0 and setting.of("adamw")[0].status == "diverged"


def test_a_half_finished_cell_does_not_compete() -> None:
    errors: Errors = {
        ("adamw", 1e-4, 0): (0.0, 0.0),
        ("adamw", 1e-4, 1): None,
        ("adamw", 1e-3, 0): (0.9, 0.9),
        ("adamw", 1e-3, 1): (0.9, 0.9),
    }
    assert best_decay(errors) == 1e-3
    assert best_decay({("adamw", 1e-4, 0): None}) is None


def test_the_smaller_decay_wins_a_tie() -> None:
    assert best_decay({("adamw", 1e-3, 0): (0.2, 0.2), ("adamw", 1e-4, 0): (0.2, 0.2)}) == 1e-4


def test_a_tie_is_one_of_wrong_images_whatever_order_floats_are_summed_in() -> None:
    """2 + 3 + 7 wrong images of 359 are 3 + 7 + 2 and 4 + 4 + 4; as floats the sums differ in the last bit."""
    wrong = {1e-1: (7, 1, 1), 1e-2: (1, 1, 7), 1e-3: (3, 3, 3)}
    assert len({sum(count / 359 for count in counts) for counts in wrong.values()}) > 1, "or this test shows nothing"
    errors: Errors = {
        ("adamw", decay, seed): (count / 359, count / 144)
        for decay, counts in wrong.items()
        for seed, count in enumerate(counts)
    }
    for subset in ((1e-1, 1e-2, 1e-3), (1e-1, 1e-2), (1e-2, 1e-3), (1e-1, 1e-3)):
        some = {key: value for key, value in errors.items() if key[1] in subset}
        assert best_decay(some, "test") == best_decay(some, "validation") == min(subset)


def test_optimizers_share_a_setting_and_other_keys_do_not() -> None:
    (setting,) = settings(results({("adamw", 0, 0): None, ("adaml2", 0, 0): None, ("adaml2", 1e-3, 1): None}))
    assert setting.optimizers == ("adamw", "adaml2") and len(setting.points) == 3
    other = run_config({"dataset": "digits", "model": "resnet", "model.depth": 32})
    both = [*results({("adamw", 0, 0): None}), Result(Cell(other, other, run_identity(other)), None)]
    assert [s.config.model.depth for s in settings(both)] == [20, 32]


@pytest.mark.parametrize("outcome", [(0.25, 0.5), "diverged"])
def test_errors_by_seed(outcome) -> None:
    (setting,) = settings(results({("adamw", 0, 3): outcome, ("adamw", 0, 4): None}))
    (point,) = setting.points
    assert point.status == "partial"
    assert point.errors("test") == {3: 2.0 if outcome == "diverged" else 0.25}
    assert point.errors("validation") == {3: 2.0 if outcome == "diverged" else 0.5}
