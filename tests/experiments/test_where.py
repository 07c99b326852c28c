"""Conditions on runs: which runs they select, and how wrong ones are refused."""

from typing import Any

import pytest

from scalefree.compose import run_config
from scalefree.config import ConfigError
from scalefree.experiments.grid import Cell
from scalefree.experiments.results import Result
from scalefree.experiments.where import labels, read_where, stem
from scalefree.records import run_identity


def run(**values: Any) -> Result:
    config = run_config({key.replace("__", "."): value for key, value in values.items()})
    return Result(Cell(config, config, run_identity(config)), None)


RUNS = [
    run(optimizer=optimizer, model__depth=depth, seed=seed, optimizer__weight_decay=1e-3)
    for optimizer in ("adamw", "adaml2") for depth in (20, 56) for seed in (0, 1)
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("[]", 8),
        ("[optimizer.name=adamw, model.depth=56]", 2),
        ("optimizer=adamw,model.depth=56", 2),
        ("[model.depth=[20,56], seed=0]", 4),
        ("[optimizer.weight_decay=0.001]", 8),
        ("[optimizer.betas=[0.9,0.999], seed=1]", 4),
        ("[model.batch_norm=true]", 8),
        ("[dataset.per_class=null]", 8),
        ("[optimizer.name='adaml2']", 4),
    ],
)
def test_conditions_select_runs(text: str, runs: int) -> None:
    assert len(read_where(text).of(RUNS)) == runs


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[model.depht=56]", "model.depht cannot be used here"),
        ("[model]", "model is not a condition"),
        ("[model.depth=]", "model.depth= is not a condition"),
        ("[seed=0, seed=1]", "seed is given twice"),
        ("[seed=0", "bracket"),
        ("[results_dir=x]", "results_dir cannot be used here"),
        ("[seed=range(3)]", "write seed=[ONE,OTHER]"),
    ],
)
def test_a_wrong_condition_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("[", r"\[")):
        read_where(text)


def test_a_condition_that_no_run_meets_is_refused_with_the_existing_values() -> None:
    with pytest.raises(ConfigError, match=r"no run with optimizer.name=adamw has model.depth=57; choose from 20, 56"):
        read_where("[optimizer=adamw, model.depth=57]").of(RUNS)
    # 1 is not a boolean.
    with pytest.raises(ConfigError, match=r"no run has model.batch_norm=1; choose from true"):
        read_where("[model.batch_norm=1]").of(RUNS)


def test_a_folder_is_named_after_the_conditions_of_its_parts() -> None:
    parts = [read_where("[optimizer.name=adamw, model.depth=56]"), read_where("seed=0")]
    assert stem(parts) == "optimizer.name=adamw_model.depth=56_vs_seed=0"


def test_parts_are_labelled_by_what_tells_them_apart() -> None:
    def called(*texts: str) -> list[str]:
        return labels(list(map(read_where, texts)))

    some, other = "[seed=0, model.depth=56, optimizer=[adamw,adaml2]]", "[model.depth=20, seed=0]"
    assert called(some, other) == ["depth 56, optimizer AdamW or Adam-l2", "depth 20"]
    assert called("[model.batch_norm=true]", "[]") == ["batch_norm true", "every run"]
    # The same conditions in another order.
    assert called("[seed=0, model.depth=8]", "[model.depth=8, seed=0]") == [
        "[seed=0, model.depth=8]", "[model.depth=8, seed=0]"
    ]  # fmt: skip
