"""Grids: products, shared runs, frozen cells, and the paper's own numbers."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.made import CELLS, NETWORKS, WITHOUT, cells_of, frozen, load, made_cells
from scalefree.compose import CONFIG_DIR
from scalefree.config import ConfigError, validate
from scalefree.experiments import Experiment, experiment_names, load_experiment, profile_names, runs_of
from scalefree.experiments.arms import Arm, arm_of, network_of
from scalefree.experiments.frozen import Frozen
from scalefree.experiments.grid import product
from scalefree.experiments.results import settings, with_records

# The paper's grid, and its models.
PAPER_LRS = {5e-5, 1e-4, 5e-4, 1e-3, 5e-3}
PAPER_DECAYS = {0, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 1e-2}
# The experiments of each profile.
MAIN = {"epsilon", "initialization", "loss_scale", "prox_equivalence", "with_bn"}
OURS = {"balance", "corners", "ladder", "no_decay"}
ASKED = {
    "smoke": MAIN | OURS | {"layer_loss"},
    "quick": MAIN | {"corners"},
    "digits": MAIN | OURS | {"layer_loss", "selection"},
    "cifar16": MAIN | OURS | {"selection"},
    "h200": MAIN | {"corners", "without_bn"},
    "rented": {"corners", "selection"},
    "paper": MAIN | {"without_bn"},
}


def test_a_grid_is_the_product_of_its_lists_and_single_values() -> None:
    combinations = product({"a": [1, 2], "b": 5, "c": ["x", "y"]})
    assert combinations == [
        {"a": 1, "b": 5, "c": "x"},
        {"a": 1, "b": 5, "c": "y"},
        {"a": 2, "b": 5, "c": "x"},
        {"a": 2, "b": 5, "c": "y"},
    ]


@pytest.mark.parametrize("profile", profile_names())
def test_every_grid_is_valid_and_only_the_expected_ones_are_empty(profile: str, tmp_path: Path) -> None:
    """With the committed cells."""
    experiments = [load_experiment(name, profile) for name in experiment_names()]
    for experiment in experiments:
        assert experiment.title
        assert bool(experiment.cells or experiment.waiting) == (experiment.name in ASKED[profile])
    for config, _ in runs_of(experiments).values():
        # YAML has many ways to read 5e-5 as a string.
        assert type(config.optimizer.lr) is float and 0 < config.optimizer.lr <= 1.6e-2
        assert type(config.optimizer.weight_decay) is float and 0 <= config.optimizer.weight_decay <= 0.1
        validate(config)


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


@pytest.mark.parametrize("profile", ["paper", "h200"])
def test_the_papers_sizes_use_tf32(profile: str) -> None:
    """That is torch's default for convolutions on GPUs, and the authors' code does not change it."""
    runs = runs_of([load_experiment(name, profile) for name in ("without_bn", "with_bn")]).values()
    assert runs and {config.precision for config, _ in runs} == {"tf32"}


@pytest.mark.parametrize("profile", ["smoke", "quick", "paper"])
def test_cells_without_decay_share_a_run_and_no_others_do(profile: str) -> None:
    for name in experiment_names():
        by_run: dict[str, set[tuple[str, str, float]]] = {}
        for cell in load_experiment(name, profile).cells:
            of, run = cell.config.optimizer, cell.run.optimizer
            by_run.setdefault(cell.identity, set()).add((of.name, of.granularity, of.weight_decay))
            if of.weight_decay == 0:
                assert (run.name, run.granularity, run.decay_unbalance) == ("adamw", "coordinate", 0)
                assert (run.lr, run.eps, run.weight_decay) == (of.lr, of.eps, 0)
            else:
                assert cell.run == cell.config
        assert all(len(of) == 1 or {decay for *_, decay in of} == {0} for of in by_run.values())


def test_at_lambda_0_the_corners_are_one_run() -> None:
    cells = load_experiment("corners", "smoke").cells
    assert len(cells) == 2 * 4 * 2 and len(runs_of([load_experiment("corners", "smoke")])) == 2 * (1 + 4)
    assert len({cell.identity for cell in cells if cell.config.optimizer.weight_decay == 0}) == 2


def test_a_run_that_two_experiments_need_is_trained_once() -> None:
    one, two = load_experiment("corners", "quick"), load_experiment("epsilon", "quick")
    together = runs_of([one, two])
    assert len(together) < len(runs_of([one])) + len(runs_of([two]))
    assert any(needed_by == ["corners", "epsilon"] for _, needed_by in together.values())


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"experiment=nothing is unknown; choose one of .*without_bn"):
        load_experiment("nothing", "quick")
    with pytest.raises(ConfigError, match=r"profile=huge is unknown; choose one of .*quick"):
        load_experiment("without_bn", "huge")


@pytest.mark.parametrize("profile", ["digits", "cifar16"])
def test_confirmation_runs_use_frozen_cells_and_seeds_that_chose_nothing(profile: str, tmp_path: Path) -> None:
    loaded = load(profile, made_cells(profile), tmp_path)
    selecting = {cell.config.seed for cell in loaded.experiments["selection"].cells}
    for name, experiment in loaded.experiments.items():
        assert not experiment.waiting
        for cell in experiment.cells if name != "selection" else ():
            config, arm = cell.config, arm_of(cell.config)
            assert config.seed not in selecting
            assert network_of(config).label.removeprefix("resnet") in NETWORKS[profile]
            lr, decay = config.optimizer.lr, config.optimizer.weight_decay
            if name == "with_bn" or name == "prox_equivalence":
                assert (lr, decay) == CELLS["adamw"]
            elif arm.loss_multiplier == 100 and arm.method == "adaml2":
                assert (lr, decay) in (CELLS["adaml2"], (CELLS["adaml2"][0], 3e-2))
            elif name == "no_decay" and arm.method == "adamw":
                assert (lr, decay) in (CELLS["adamw"], WITHOUT)
            else:
                assert (lr, decay) == CELLS[arm.method]


@pytest.mark.parametrize("profile", ["digits", "cifar16"])
def test_without_frozen_cells_the_same_runs_wait(profile: str, tmp_path: Path) -> None:
    waiting, chosen = load(profile, None, tmp_path), load(profile, made_cells(profile), tmp_path)
    for name, experiment in waiting.experiments.items():
        if name == "selection":
            continue
        assert not experiment.cells and len(experiment.waiting) == len(chosen.experiments[name].cells)
        for run, cell in zip(experiment.waiting, chosen.experiments[name].cells, strict=True):
            assert arm_of(run.config) == arm_of(cell.config) and run.config.seed == cell.config.seed
            assert run.network == network_of(cell.config).label and run.method in (
                arm_of(cell.config).method,
                "adamw",
                "adamw_decayed",
                "no_decay",
            )
    times = {run.decay_times for run in waiting.experiments["loss_scale"].waiting}
    assert times == {1, 100}


def test_the_arms_of_each_question_on_digits(tmp_path: Path) -> None:
    """The arms of each experiment, whatever their networks, cells and seeds."""
    experiments = load("digits", made_cells("digits"), tmp_path).experiments
    four = {Arm(method) for method in ("adaml2", "adamw", "adam_metric_prox", "adam_scaled_l2")}
    two = {Arm("adaml2"), Arm("adamw")}
    layers = {Arm("adam_scaled_l2_by_layer"), Arm("adam_scaled_l2_by_network")}
    expected = {
        "corners": four,
        "prox_equivalence": {Arm("adamw"), Arm("adamprox"), Arm("adamw", replica=1)},
        "with_bn": two,
        "without_bn": set(),
        "loss_scale": two | {Arm(of.method, loss_multiplier=100) for of in two},
        "layer_loss": {
            Arm(of.method, gradient_unbalance=by) for of in two | {Arm("adam_scaled_l2")} for by in (0, 1.5)
        },
        "epsilon": two | {Arm(of.method, eps=1e-3) for of in two},
        "initialization": two,
        "no_decay": four,
        "ladder": {Arm("adam_scaled_l2"), Arm("adaml2")} | layers,
        "balance": {Arm("adamw", decay_unbalance=by) for by in (0, 1, 2)},
    }
    found = {name: {arm_of(cell.config) for cell in of.cells} for name, of in experiments.items()}
    assert {name: arms for name, arms in found.items() if name != "selection"} == expected
    assert found["selection"] == four | layers, "the coarser rungs have their own grids"


GRID: dict[str, Any] = {
    "dataset": "digits",
    "model": "resnet",
    "model.batch_norm": False,
    "optimizer": ["adamw", "adaml2"],
    "optimizer.weight_decay": [0, 1e-3],
}
OWN = {key: value for key, value in GRID.items() if "weight_decay" not in key}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Experiment]:
    """Writes a custom experiment beside copies of all configurations, and loads it."""
    folder = tmp_path / "configs"
    shutil.copytree(CONFIG_DIR, folder)
    monkeypatch.setattr("scalefree.compose.CONFIG_DIR", folder)
    monkeypatch.setattr("scalefree.experiments.grid.CONFIG_DIR", folder)

    def load(grids: object) -> Experiment:
        content = {"title": "One's own", "grids": grids}
        (folder / "experiment" / "own.yaml").write_text(f"# @package experiment\n{json.dumps(content)}")
        load_experiment.cache_clear()
        return load_experiment("own", "smoke")

    return load


def test_a_custom_experiment_can_be_added(written: Callable[[object], Experiment]) -> None:
    experiment = written({"smoke": [GRID, {**GRID, "seed": [0, 1]}]})
    assert (experiment.name, experiment.title) == ("own", "One's own")
    chosen = [(c.config.optimizer.name, c.config.optimizer.weight_decay, c.config.seed) for c in experiment.cells]
    # The second grid's cells at seed 0 are the first one's.
    assert len(chosen) == len(set(chosen)) == 8 and chosen[:2] == [("adamw", 0.0, 0), ("adamw", 1e-3, 0)]
    assert {c.config.training.epochs for c in experiment.cells} == {2}, "the profile's overrides"
    assert len(runs_of([experiment])) == 6
    assert written({"quick": [GRID]}).cells == ()


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("title: One\n", "title"),
        ("title: One\ngrids: {}\ngrid: {}\n", "title, grids, grid"),
        ("", "none"),
    ],
)
def test_an_experiment_without_its_keys_or_with_others_is_refused(
    text: str, has: str, written: Callable[[object], Experiment], tmp_path: Path
) -> None:
    written({})
    (tmp_path / "configs" / "experiment" / "own.yaml").write_text(f"# @package experiment\n{text}")
    load_experiment.cache_clear()
    with pytest.raises(
        ConfigError,
        match=f"the experiment's file must have the keys title and grids, and no others; it has {has}$",
    ):
        load_experiment("own", "smoke")


FOLDER = {**GRID, "dataset": "image_folder", "dataset.root": "anywhere"}


@pytest.mark.parametrize(
    ("grids", "said"),
    [
        (None, "must be a list for each profile"),
        ([GRID], "must be a list for each profile"),
        ({"smoke": GRID}, "must be a list for each profile"),
        ({"smoke": "abc"}, "must be a list for each profile"),
        ({3: [GRID]}, "has grids for unknown profiles: 3"),
        ({"smoke": ["abc"]}, "abc is not a mapping of a run's keys to values"),
        ({"smoke": [None]}, "None is not a mapping of a run's keys to values"),
        ({"smoke": [{**GRID, "seed": "${profile.nothing}"}]}, "Interpolation key 'profile.nothing' not found"),
        ({"smoke": [{**GRID, "seed": []}]}, "a grid with no value for seed has no runs"),
        ({"smoke": [{**GRID, "model.deep": 8}]}, "model.deep"),
        ({"smoke": [{**OWN, "cell": None}]}, "an empty cell or decay_times means nothing"),
        ({"smoke": [{**OWN, "cell": "own", "decay_times": None}]}, "an empty cell or decay_times means nothing"),
        ({"smoke": [FOLDER]}, "dataset=image_folder needs dataset.fingerprint too"),
    ],
)
def test_an_impossible_grid_is_refused_with_its_experiment_and_profile(
    grids: object, said: str, written: Callable[[object], Experiment]
) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)) as refused:
        written(grids)
    assert str(refused.value).startswith("experiment own under profile smoke: ")


def test_an_image_folder_whose_images_are_known_can_be_in_a_grid(written: Callable[[object], Experiment]) -> None:
    assert len(written({"smoke": [{**FOLDER, "dataset.fingerprint": "0" * 12 + "-" + "1" * 12}]}).cells) == 4


@pytest.mark.parametrize("text", ["description: x\n", "description: x\noverrides:\n", "overrides: [a=1]\n", "- a\n"])
def test_a_profile_without_what_its_runs_share_is_refused(
    text: str, written: Callable[[object], Experiment], tmp_path: Path
) -> None:
    written({"smoke": [GRID]})
    (tmp_path / "configs" / "profile" / "mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match="experiment own under profile mine: "):
        load_experiment("own", "mine")


def test_hidden_files_are_ignored_and_other_names_refused(
    written: Callable[[object], Experiment], tmp_path: Path
) -> None:
    folder = tmp_path / "configs" / "experiment"
    written({"smoke": [GRID]})
    known = experiment_names()
    (folder / ".#corners.yaml").symlink_to("nowhere")
    (folder / "._corners.yaml").write_bytes(bytes(range(256)))
    assert experiment_names() == known
    (folder / "corners (copy).yaml").write_text("")
    with pytest.raises(ConfigError, match=r"corners \(copy\)\.yaml has a name that cannot be chosen"):
        experiment_names()


def test_a_file_that_is_not_text_is_named(written: Callable[[object], Experiment], tmp_path: Path) -> None:
    written({"smoke": [GRID]})
    (tmp_path / "configs" / "profile" / "mine.yaml").write_bytes("description: Gr\u00f6\u00dfe".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"profile/mine\.yaml is not UTF-8 text"):
        load_experiment("own", "mine")


@pytest.mark.parametrize(
    ("cell", "times", "expected"),
    [
        ("own", 1, {"adamw": (2e-3, 1e-3), "adaml2": (1e-3, 3e-4)}),
        ("own", 100, {"adamw": (2e-3, 0.1), "adaml2": (1e-3, 3e-2)}),
        ("adamw", 1, {"adamw": (2e-3, 1e-3), "adaml2": (2e-3, 1e-3)}),
        ("adamw_decayed", 10, {"adamw": (2e-3, 1e-2), "adaml2": (2e-3, 1e-2)}),
        ("no_decay", 1, {"adamw": WITHOUT, "adaml2": WITHOUT}),
    ],
)
def test_a_grid_can_refer_to_frozen_cells(
    cell: str, times: float, expected: object, written: Callable[[object], Experiment], tmp_path: Path
) -> None:
    cells = Frozen({"resnet20-nobn": cells_of("resnet20-nobn")}, 7, "")
    more = {} if times == 1 else {"decay_times": times}
    with frozen(cells, tmp_path):
        experiment = written({"smoke": [{**OWN, "cell": cell, **more}]})
    found = {
        c.config.optimizer.name: (c.config.optimizer.lr, c.config.optimizer.weight_decay) for c in experiment.cells
    }
    assert found == expected and not experiment.waiting


def test_only_networks_without_a_frozen_cell_wait(written: Callable[[object], Experiment], tmp_path: Path) -> None:
    cells = Frozen({"resnet20-nobn": cells_of("resnet20-nobn")}, 7, "")
    with frozen(cells, tmp_path):
        experiment = written({"smoke": [{**OWN, "model.depth": [20, 32], "cell": "own"}]})
    assert {cell.config.model.depth for cell in experiment.cells} == {20}
    assert [(run.network, run.method) for run in experiment.waiting] == [
        ("resnet32-nobn", "adamw"),
        ("resnet32-nobn", "adaml2"),
    ]


def test_torch_optimizers_share_no_runs(written: Callable[[object], Experiment]) -> None:
    torchs = {
        **GRID,
        "optimizer": "torch",
        "optimizer.target": ["torch.optim.Adam", "torch.optim.NAdam"],
        "optimizer.arguments": [{}, {"betas": [0.8, 0.99]}],
    }
    experiment = written({"smoke": [GRID, torchs]})
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
        ({"smoke": [{**GRID, "decay_times": 100}]}, "decay_times=100 multiplies the decay of a cell; add cell: own"),
        ({"smoke": [{**GRID, "cell": "own"}]}, "cell=own takes its step size and decay from that cell"),
        (
            {"smoke": [{**OWN, "optimizer.lr": 1e-3, "cell": "own"}]},
            "cell=own takes its step size and decay from that cell",
        ),
        ({"smoke": [{**OWN, "cell": "best"}]}, "cell=best is unknown; choose own, no_decay, or a method such as adamw"),
        ({"smoke": [{**OWN, "cell": "own", "decay_times": 0}]}, "decay_times=0 is impossible"),
        ({"smoke": [{**OWN, "cell": "own", "decay_times": "many"}]}, "decay_times=many is impossible"),
        ({"huge": [GRID]}, "huge"),
    ],
)
def test_an_impossible_grid_is_refused_by_name(
    grids: object, named: str, written: Callable[[object], Experiment]
) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        written(grids)
    assert "\n" not in str(caught.value)
