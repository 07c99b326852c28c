"""From a multirun's overrides to configurations: the quick way gives what Hydra gives."""

from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig

from scalefree.compose import CONFIG_DIR, compose_tree, register_schemas, to_run_config
from scalefree.config import ConfigError
from scalefree.launching import compose_jobs


@pytest.fixture(scope="module")
def hydra() -> Any:
    """Hydra's loader, and the configuration of a multirun without overrides."""
    register_schemas()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        yield loader, loader.load_configuration("config", [], RunMode.MULTIRUN)


NADAM = ["optimizer=torch", "optimizer.target=torch.optim.NAdam"]
OVERRIDES = [
    [],
    ["model.depth=56", "optimizer.lr=1e-3", "optimizer.weight_decay=0", "seed=3"],
    ["model=densenet", "model.depth=40", "dataset=cifar100", "schedule=cosine", "tracking=none"],
    ["optimizer.betas=[0.8,0.99]", "training.histogram_epochs=[]", "dataset.per_class=null", "tracking.tags=[a,b]"],
    ["dataset=image_folder", "dataset.root='/some where/x'", "results_dir=/tmp/a"],
    ["optimizer=adaml2", "optimizer.lr='2e-3'", "precision=bf16", "model.batch_norm=false"],
    ["results_dir=${optimizer.name}"],
    ["++optimizer.eps=0"],
    [
        "optimizer=torch",
        "optimizer.target=torch.optim.NAdam",
        "optimizer.arguments={a: 4e-3, b: ['x y', \"z\"], c: {d: null}}",
    ],
    ["optimizer=torch", "optimizer.target=torch.optim.NAdam", "optimizer.arguments.a=4e-3"],
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=" ".join)
def test_it_is_what_hydra_composes(overrides: list[str], hydra: tuple[ConfigLoader, DictConfig]) -> None:
    loader, config = hydra
    (found,) = compose_jobs(loader, config, [overrides])
    assert found == to_run_config(compose_tree("config", overrides))


def test_the_usual_kind_does_not_ask_hydra(
    hydra: tuple[ConfigLoader, DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    loader, config = hydra
    monkeypatch.setattr(loader, "load_sweep_config", None)
    grid = [[f"model.depth={depth}", f"seed={seed}"] for depth in (20, 56) for seed in range(3)]
    found = compose_jobs(loader, config, grid)
    assert [(c.model.depth, c.seed) for c in found] == [(d, s) for d in (20, 56) for s in range(3)]


def test_every_wrong_job_is_named(hydra: tuple[ConfigLoader, DictConfig]) -> None:
    loader, config = hydra
    wrong = [["seed=1"], ["model.depth=21"], ["optimizer=sgd"], ["optimizer.momentum=1"], ["seed=x"]]
    with pytest.raises(ConfigError) as refused:
        compose_jobs(loader, config, wrong)
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [" ".join(overrides) for overrides in wrong[1:]]
