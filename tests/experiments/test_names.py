"""How configurations are written for readers."""

import pytest

from scalefree.compose import run_config
from scalefree.config import DatasetConfig, RunConfig
from scalefree.experiments import Cell, Point, Result
from scalefree.experiments.arms import Arm, arm_of, network_of
from scalefree.experiments.evidence import describe
from scalefree.experiments.names import (
    cell_name,
    chance_error,
    dataset_name,
    network_name,
    number,
    scope,
    width_name,
)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (5e-4, "5e-4"), (1e-3, "1e-3"), (0.1, "1e-1"), (1.5e-3, "1.5e-3"), (2.0, "2e0"), (3e-4 * 100, "3e-2")],
)
def test_numbers_are_written_in_short_scientific_notation(value: float, written: str) -> None:
    assert number(value) == written


def config(**values: object) -> RunConfig:
    named = {name.replace("__", "."): value for name, value in values.items()}
    return run_config({"dataset": "digits", "model": "resnet", **named})


def point(*configs: RunConfig) -> Point:
    return Point(tuple(Result(Cell(of, of, ""), None) for of in configs))


def test_networks_have_labels_and_names() -> None:
    kinds = {
        "resnet80-nobn": (config(model__depth=80, model__batch_norm=False), "ResNet-80"),
        "resnet38w8-bn": (config(model__depth=38, model__width=8), "ResNet-38 with BN"),
        "resnet80w8-nobn-zero_last": (
            config(model__depth=80, model__width=8, model__batch_norm=False, model__initialization="zero_last"),
            "ResNet-80, zero last conv.",
        ),
        "densenet100-bn": (config(dataset="cifar100", model="densenet"), "DenseNet-BC-100 with BN"),
    }
    for label, (of, name) in kinds.items():
        network = network_of(of)
        assert (network.label, network_name(network)) == (label, name)
        assert network.family == of.model.name
        assert network.is_usual == (label == "resnet80-nobn")
    assert width_name(kinds["resnet38w8-bn"][0].model) == "width 8" and width_name(config().model) == ""
    assert width_name(config(dataset="cifar100", model="densenet", model__growth_rate=24).model) == "growth 24"


@pytest.mark.parametrize(
    ("values", "arm", "said"),
    [
        ({}, Arm("adamw"), "AdamW"),
        ({"optimizer": "adam_scaled_l2", "optimizer__granularity": "network"}, Arm("adam_scaled_l2_by_network"), None),
        ({"optimizer__eps": 1e-3}, Arm("adamw", eps=1e-3), "AdamW, eps 1e-3"),
        ({"training__loss_multiplier": 100}, Arm("adamw", loss_multiplier=100), "AdamW, loss x100"),
        (
            {"training__gradient_unbalance": 1.5},
            Arm("adamw", gradient_unbalance=1.5),
            "AdamW, layer gradients x10^±1.5",
        ),
        ({"optimizer__decay_unbalance": 2}, Arm("adamw", decay_unbalance=2), "AdamW, layer decays x10^±2"),
        ({"schedule": "cosine"}, Arm("adamw", schedule="cosine"), "AdamW, cosine"),
        ({"replica": 1}, Arm("adamw", replica=1), "AdamW, replica 1"),
    ],
)
def test_arms_are_described_by_what_is_unusual(values: dict[str, object], arm: Arm, said: str | None) -> None:
    of = config(**{"optimizer": "adamw", **values})
    assert arm_of(of) == arm and arm.is_usual == (arm == Arm(arm.method))
    assert describe(arm) == (said or "scaled Adam-l2 by network")


def test_step_size_decay_and_seed_are_not_part_of_an_arm() -> None:
    assert arm_of(config(seed=3, optimizer__lr=5e-4, optimizer__weight_decay=1e-2)) == arm_of(config())
    of = point(config(optimizer__lr=2e-3, optimizer__weight_decay=1e-4))
    assert cell_name(of) == "(2e-3, 1e-4)"


def test_data_sets_are_named_with_resolution_and_size() -> None:
    assert dataset_name(DatasetConfig(name="cifar10", resolution=16)) == "CIFAR-10 at 16x16"
    assert dataset_name(DatasetConfig(name="cifar10", per_class=500)) == "CIFAR-10 (500 images per class)"
    assert dataset_name(DatasetConfig(name="cifar10", resolution=32)) == "CIFAR-10"
    assert chance_error(DatasetConfig(name="cifar100")) == pytest.approx(0.99)
    assert chance_error(DatasetConfig(name="image_folder")) is None


def test_scopes_name_the_data_profile_epochs_and_seeds() -> None:
    assert scope("quick", []) == "profile quick"
    one, other = (
        config(training__epochs=1200, training__batch_size=32),
        config(training__epochs=7, training__batch_size=32),
    )
    assert scope("made", [point(one)]) == "Digits 8x8, profile made, 1,200 epochs of batch 32, 1 seed"
    both = [point(one, one), point(other, other)]
    assert scope("made", both) == "Digits 8x8, profile made, 7 or 1,200 epochs of batch 32, 2 seeds"
