"""Grids: products, shared runs, and the paper's own numbers."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from scalefree.compose import CONFIG_DIR
from scalefree.config import ConfigError, validate
from scalefree.experiments import Experiment, experiment_names, load_experiment, profile_names, runs_of
from scalefree.experiments.grid import product
from scalefree.experiments.results import settings, with_records

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


# Half an hour is enough for the main question alone; the grid of the selection seeds is there where such seeds are.
ASKED_BY = {"cifar_small": {"without_bn", "depth"}, "cifar16": {"selection"}}
SELECTING = {"digits", "cifar16"}


@pytest.mark.parametrize("profile", profile_names())
@pytest.mark.parametrize("name", experiment_names())
def test_every_grid_is_valid_and_none_is_empty_by_mistake(name: str, profile: str) -> None:
    experiment = load_experiment(name, profile)
    assert experiment.name == name and experiment.title
    asked = name in ASKED_BY.get(profile, {name}) and (name != "selection" or profile in SELECTING)
    assert bool(experiment.cells) == asked


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
    with pytest.raises(ConfigError, match=r"experiment=nothing is unknown; choose one of .*without_bn"):
        load_experiment("nothing", "quick")
    with pytest.raises(ConfigError, match=r"profile=huge is unknown; choose one of .*quick"):
        load_experiment("without_bn", "huge")


def counted_runs(name: str) -> dict[str, int]:
    """What the head of an experiment's file says of its runs: `smoke 6, quick 22, h200 54, paper 450`."""
    head = (CONFIG_DIR / "experiment" / f"{name}.yaml").read_text()
    (line,) = re.findall(r"^# Runs.*?: (smoke .*?)\.$", head, re.MULTILINE)
    return {profile: int(count) for profile, count in (part.split() for part in line.split(", "))}


@pytest.mark.parametrize("name", sorted(set(experiment_names()) - {"depth", "selection"}))
def test_the_head_of_an_experiment_counts_its_runs(name: str) -> None:
    told = counted_runs(name)
    assert told.keys() == {"smoke", "quick", "h200", "paper"}
    assert told == {profile: len(runs_of([load_experiment(name, profile)])) for profile in told}


def test_numbers_of_all_grids_are_numbers() -> None:
    """YAML has a hundred ways to read 5e-5 as a word."""
    for profile in profile_names():
        for config, _ in runs_of(load_experiment(name, profile) for name in experiment_names()).values():
            assert type(config.optimizer.lr) is float and 0 < config.optimizer.lr <= 8e-3
            assert type(config.optimizer.weight_decay) is float and 0 <= config.optimizer.weight_decay <= 0.1
            validate(config)


def test_the_paper_profile_has_the_papers_best_cells() -> None:
    """paper.md, section 3: (alpha, lambda) of Adam-l2 and AdamW."""
    best = {
        (20, "adaml2"): (1e-3, 5e-4),
        (20, "adamw"): (1e-3, 5e-5),
        (44, "adaml2"): (5e-4, 5e-4),
        (44, "adamw"): (5e-4, 5e-5),
        (56, "adaml2"): (5e-4, 5e-4),
        (56, "adamw"): (5e-4, 5e-5),
        (110, "adaml2"): (1e-3, 5e-4),
        (110, "adamw"): (5e-4, 1e-4),
        (218, "adaml2"): (5e-4, 5e-3),
        (218, "adamw"): (5e-4, 5e-5),
        (100, "adaml2"): (5e-4, 1e-3),
        (100, "adamw"): (1e-3, 5e-5),
    }
    found: dict[tuple[int, str], set[tuple[float, float]]] = {}
    for cell in load_experiment("seeds", "paper").cells:
        optimizer = cell.config.optimizer
        key = (cell.config.model.depth, optimizer.name)
        found.setdefault(key, set()).add((optimizer.lr, optimizer.weight_decay))
    assert found == {key: {cell} for key, cell in best.items()}


GRID = {"dataset": "digits", "model": "resnet", "optimizer": ["adamw", "adaml2"], "optimizer.weight_decay": [0, 1e-3]}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Experiment]:
    """Loads an experiment of one's own, among copies of all configurations."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIG_DIR, folder)
    monkeypatch.setattr("scalefree.compose.CONFIG_DIR", folder)
    monkeypatch.setattr("scalefree.experiments.grid.CONFIG_DIR", folder)

    def load(grids: object) -> Experiment:
        content = {"name": "own", "title": "One's own", "grids": grids}
        (folder / "experiment" / "own.yaml").write_text(f"# @package experiment\n{json.dumps(content)}")
        load_experiment.cache_clear()
        return load_experiment("own", "smoke")

    return load


def test_an_experiment_of_ones_own(load: Callable[[object], Experiment]) -> None:
    experiment = load({"smoke": [GRID, {**GRID, "seed": [0, 1]}]})
    assert (experiment.name, experiment.title) == ("own", "One's own")
    chosen = [(c.config.optimizer.name, c.config.optimizer.weight_decay, c.config.seed) for c in experiment.cells]
    # The second grid's cells at seed 0 are the first one's.
    assert len(chosen) == len(set(chosen)) == 8 and chosen[:2] == [("adamw", 0.0, 0), ("adamw", 1e-3, 0)]
    assert {c.config.training.epochs for c in experiment.cells} == {2}, "the profile's overrides"
    assert len(runs_of([experiment])) == 6
    assert load({"quick": [GRID]}).cells == ()


def test_a_grid_of_torch_optimizers_shares_no_run(load: Callable[[object], Experiment]) -> None:
    torchs = {
        **GRID,
        "optimizer": "torch",
        "optimizer.target": ["torch.optim.Adam", "torch.optim.NAdam"],
        "optimizer.arguments": [{}, {"betas": [0.8, 0.99]}],
    }
    experiment = load({"smoke": [GRID, torchs]})
    assert len(experiment.cells) == 12 and len(runs_of([experiment])) == 11
    assert all(cell.run == cell.config for cell in experiment.cells[4:])
    settings_of = settings(with_records(experiment, {}))
    assert [setting.optimizers for setting in settings_of] == [
        (
            "adamw",
            "adaml2",
            "torch.optim.Adam()",
            "torch.optim.Adam(betas=[0.8,0.99])",
            "torch.optim.NAdam()",
            "torch.optim.NAdam(betas=[0.8,0.99])",
        )
    ]


@pytest.mark.parametrize(
    ("grids", "named"),
    [
        ({"smoke": [{**GRID, "optimizer.weight_dekay": 0}]}, r"optimizer\.weight_dekay"),
        ({"smoke": [{**GRID, "modle": "resnet"}]}, "modle"),
        ({"smoke": [{**GRID, "model": "vgg"}]}, "vgg"),
        ({"smoke": [{**GRID, "model.depth": [20, 21]}]}, r"model\.depth=21"),
        ({"smoke": [{**GRID, "optimizer.lr": "1e-3x"}]}, r"optimizer\.lr"),
        ({"smoke": [{**GRID, "seed": -1}]}, "seed=-1"),
        ({"huge": [GRID]}, "huge"),
    ],
)
def test_a_grid_with_what_no_run_has_is_refused_by_name(
    grids: object, named: str, load: Callable[[object], Experiment]
) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        load(grids)
    assert "\n" not in str(caught.value)
