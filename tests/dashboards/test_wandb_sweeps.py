"""The sweeps for `wandb sweep`: every combination is a run that the entry point would train."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from scalefree.compose import CONFIG_DIR, compose_tree, to_run_config
from scalefree.records import run_identity
from scalefree.tracking.metrics import METRICS

SWEEPS = sorted((CONFIG_DIR / "wandb_sweep").glob("*.yaml"))


def combinations(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """What a grid sweep gives its agents, one combination per run."""
    axes = [[(key, value) for value in given.get("values", [given.get("value")])] for key, given in parameters.items()]
    return [dict(combination) for combination in itertools.product(*axes)]


def arguments(combination: dict[str, Any]) -> list[str]:
    """The command line arguments as wandb's agent builds them."""
    args = {key: {"value": value} for key, value in combination.items()}
    made: list[str] = create_sweep_command_args({"args": args})["args_no_hyphens"]
    return made


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: str(path.stem))
def test_every_combination_is_a_run_of_its_own(path: Path) -> None:
    # Not resolved: `${args_no_hyphens}` is for wandb.
    sweep: Any = OmegaConf.to_container(OmegaConf.load(path))
    assert sweep["method"] == "grid"
    assert sweep["metric"]["name"] in {metric.name for metric in METRICS} and sweep["metric"]["goal"] == "minimize"
    command = create_sweep_command(sweep["command"])
    assert command == ["python", "scripts/train.py", "${args_no_hyphens}"]
    assert (CONFIG_DIR.parent / command[1]).is_file()
    asked = combinations(sweep["parameters"])
    configs = [to_run_config(compose_tree("config", arguments(combination))) for combination in asked]
    assert len({run_identity(config) for config in configs}) == len(asked) > 10
    assert {config.tracking.mode for config in configs} == {"online"}
    assert {config.model.batch_norm for config in configs} == {False}
    varied = {"depth": lambda config: config.model.depth, "lambda": lambda config: config.optimizer.weight_decay}
    assert len({varied[path.stem](config) for config in configs}) == 5


def test_there_is_one_sweep_over_depth_and_one_over_lambda() -> None:
    assert [path.stem for path in SWEEPS] == ["depth", "lambda"]
