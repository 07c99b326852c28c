"""What the launcher presets accept and refuse."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from scalefree.compose import CONFIG_DIR
from scalefree.config import ConfigError
from scalefree.launching import LocalSettings, SlurmSettings, settings_of
from scalefree.launching.settings import cores


def preset(name: str) -> dict[str, Any]:
    values = OmegaConf.to_container(OmegaConf.load(CONFIG_DIR / "hydra" / "launcher" / f"{name}.yaml"))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items() if key != "_target_"}


def test_the_presets_list_every_setting_with_its_default() -> None:
    assert settings_of("local", preset("local")) == LocalSettings(jobs=cores()) == LocalSettings()
    assert preset("local").keys() == vars(LocalSettings()).keys()
    assert settings_of("gpu", preset("gpu")) == LocalSettings(jobs=8, mps=True)
    assert settings_of("slurm", preset("slurm")) == SlurmSettings()
    assert preset("slurm").keys() == vars(SlurmSettings()).keys()


@pytest.mark.parametrize(
    ("kind", "key", "value", "said"),
    [
        ("cloud", "jobs", 2, "hydra/launcher=cloud is unknown; choose one of local, gpu, slurm"),
        ("local", "partition", "gpu", "hydra.launcher.partition is unknown; local has jobs, mps, longest_first"),
        ("slurm", "timeout_min", "1h", "hydra.launcher.timeout_min='1h' has the wrong type; expected int"),
        ("slurm", "runs_per_job", 0, "hydra.launcher.runs_per_job=0 is impossible; it must be at least 1"),
        ("slurm", "wait", 1, "hydra.launcher.wait=1 has the wrong type; expected bool"),
        ("slurm", "partition", 3, "hydra.launcher.partition=3 has the wrong type; expected str"),
        ("slurm", "setup", "module load", "hydra.launcher.setup='module load' has the wrong type; expected list"),
    ],
)
def test_wrong_settings_are_refused_by_name(kind: str, key: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings_of(kind, {key: value})
    assert str(refused.value) == said


def test_null_means_the_default_and_other_values_are_used() -> None:
    settings = settings_of("slurm", {"gpus_per_node": 1, "mem_gb": None, "wait": False})
    assert settings == SlurmSettings(gpus_per_node=1, wait=False)
