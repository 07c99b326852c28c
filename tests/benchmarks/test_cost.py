"""What runs cost, checked against hand counts."""

from typing import Any

import pytest

from benchmarks.cost import BANDWIDTH, FORWARD, PEAK, Cost, Costs, images, network
from benchmarks.roofline import bytes_per_image, operations_per_image
from scalefree.compose import run_config
from scalefree.config import RunConfig


def made(values: dict[str, Any]) -> RunConfig:
    base = {"dataset": "cifar10", "model": "resnet", "model.depth": 20, "model.batch_norm": False, "optimizer": "adamw"}
    return run_config({**base, "training.epochs": 3, "training.batch_size": 128, **values})


@pytest.mark.parametrize(
    ("values", "trained", "evaluated"),
    [
        # Both splits after every epoch, the training set also augmented.
        ({}, 150_000, 3 * (50_000 + 50_000 + 10_000)),
        ({"dataset.crop_padding": 0, "dataset.horizontal_flip": False}, 150_000, 3 * 60_000),
        ({"dataset.validation_fraction": 0.1}, 135_000, 3 * (45_000 + 45_000 + 5_000 + 10_000)),
        # After the second epoch and after the last one.
        ({"training.evaluate_every": 2}, 150_000, 2 * 110_000),
        ({"dataset.per_class": 100}, 3_000, 3 * (1_000 + 1_000 + 10_000)),
    ],
)
def test_counts_the_images_that_a_run_trains_on_and_evaluates(
    values: dict[str, Any], trained: int, evaluated: int
) -> None:
    assert images(made(values)) == (trained, evaluated)


@pytest.mark.parametrize("precision", PEAK)
def test_a_runs_cost_is_its_image_count_times_the_cost_per_image(precision: str) -> None:
    config = made({"precision": precision})
    model = network(config)
    training, evaluation = operations_per_image(model, 3, 32)
    rate, size = PEAK[precision]
    moved = bytes_per_image(model, 3, 32, 128, size)
    found = Costs().of(config)
    assert found.operations == 150_000 * training + 330_000 * evaluation
    assert found.bytes == pytest.approx((150_000 + FORWARD * 330_000) * moved)
    assert found.computing * rate == pytest.approx(found.operations)
    assert found.moving * BANDWIDTH == pytest.approx(found.bytes)


def test_costs_depend_on_the_network_and_add_up() -> None:
    """On its width, resolution and kind."""
    costs = Costs()
    narrow, wide, small = (
        costs.of(made(values)) for values in ({"model.width": 8}, {"model.width": 16}, {"dataset.resolution": 16})
    )
    assert 3.5 < wide.operations / narrow.operations < 4 and 3.9 < wide.operations / small.operations < 4.1
    dense = costs.of(made({"model": "densenet", "model.depth": 10, "model.growth_rate": 4}))
    assert 0 < dense.operations < narrow.operations
    assert sum([narrow, wide], Cost()) == Cost(
        2, narrow.operations + wide.operations, narrow.bytes + wide.bytes, narrow.computing + wide.computing,
        narrow.moving + wide.moving,
    )  # fmt: skip


def test_other_datasets_are_refused() -> None:
    with pytest.raises(ValueError, match="dataset=digits"):
        images(made({"dataset": "digits"}))
