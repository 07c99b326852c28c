"""Grids: products, shared runs, and the paper's own numbers."""

import pytest

from scalefree.config import ConfigError
from scalefree.experiments import experiment_names, load_experiment, profile_names, runs_of
from scalefree.experiments.grid import product

# paper.md, section 3: the grid, and section 5: the models.
PAPER_LRS = {5e-5, 1e-4, 5e-4, 1e-3, 5e-3}
PAPER_DECAYS = {0, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2}


def test_product_of_lists_and_single_values() -> None:
    combinations = product({"a": [1, 2], "b": 5, "c": ["x", "y"]})
    assert combinations == [
        {"a": 1, "b": 5, "c": "x"},
        {"a": 1, "b": 5, "c": "y"},
        {"a": 2, "b": 5, "c": "x"},
        {"a": 2, "b": 5, "c": "y"},
    ]


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("name", experiment_names())
def test_every_grid_is_valid_and_not_empty(name: str, profile: str) -> None:
    experiment = load_experiment(name, profile)
    assert experiment.name == name and experiment.title and experiment.cells


def test_without_bn_is_the_papers_grid() -> None:
    cells = load_experiment("without_bn", "paper").cells
    assert len(cells) == 6 * 2 * 5 * 8
    models = {(c.config.dataset.name, c.config.model.name, c.config.model.depth) for c in cells}
    resnets = {("cifar10", "resnet", depth) for depth in (20, 44, 56, 110, 218)}
    assert models == resnets | {("cifar100", "densenet", 100)}
    assert {c.config.optimizer.lr for c in cells} == PAPER_LRS
    assert {c.config.optimizer.weight_decay for c in cells} == PAPER_DECAYS
    for c in cells:
        assert not c.config.model.batch_norm and c.config.schedule.name == "constant"
        assert (c.config.training.epochs, c.config.training.batch_size) == (300, 128)
        assert (c.config.dataset.crop_padding, c.config.dataset.horizontal_flip) == (4, True)
        assert c.config.dataset.validation_fraction == 0 and c.config.optimizer.eps == 1e-8


def test_with_bn_is_the_papers_grid() -> None:
    cells = load_experiment("with_bn", "paper").cells
    assert len(cells) == 2 * 2 * 5 * 8
    assert {(c.config.model.name, c.config.model.depth, c.config.model.batch_norm) for c in cells} == {
        ("resnet", 110, True),
        ("densenet", 100, True),
    }


def test_cells_without_decay_share_a_run_and_no_others_do() -> None:
    cells = load_experiment("without_bn", "smoke").cells
    by_run: dict[str, set[tuple[str, float]]] = {}
    for cell in cells:
        by_run.setdefault(cell.identity, set()).add((cell.config.optimizer.name, cell.config.optimizer.weight_decay))
    for sharing in by_run.values():
        assert len(sharing) == 1 or {decay for _, decay in sharing} == {0}
    assert len(cells) - len(by_run) == 2  # one pair at each of two depths
    for cell in cells:
        if cell.config.optimizer.weight_decay == 0:
            assert cell.run.optimizer.name == "adamw"
        else:
            assert cell.run == cell.config


def test_a_run_that_two_experiments_need_is_trained_once() -> None:
    one, two = load_experiment("without_bn", "quick"), load_experiment("depth", "quick")
    together = runs_of([one, two])
    assert len(together) < len(runs_of([one])) + len(runs_of([two]))
    assert any(needed_by == ["without_bn", "depth"] for _, needed_by in together.values())


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="experiment=nothing is unknown; choose one of .*without_bn"):
        load_experiment("nothing", "quick")
    with pytest.raises(ConfigError, match="profile=huge is unknown; choose one of .*quick"):
        load_experiment("without_bn", "huge")
