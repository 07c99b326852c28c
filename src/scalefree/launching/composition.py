"""Compose a multirun's jobs as Hydra does, but faster.

Hydra takes 60 ms per job, nearly all of it for merging the files that the job's groups choose, and a sweep has hundreds
of jobs but only a few combinations of files. Hydra's last step sets the job's values on the merged files. So the files
are merged once per combination, and only that last step, Hydra's own function, is done for every job. Any job for which
this could make a difference (an interpolation, `+key`, `~key`, a search path) is composed entirely by Hydra.
"""

import copy
import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override, OverrideType
from hydra.core.utils import env_override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from scalefree.compose import one_line, parse_override, to_run_config
from scalefree.config import ConfigError, RunConfig
from scalefree.records import check_results_dir
from scalefree.terminal import shown

# Settings that only Hydra's own launcher, which trains in its own process, supports, with their neutral values.
OWN_PROCESS: dict[str, tuple[object, ...]] = {
    "job.chdir": (None, False),
    "job.env_copy": ([],),
    "job.env_set": ({},),
    "output_subdir": (None,),
    "sweep.subdir": (".",),
    "job_logging.root": (None,),
    "callbacks": ({},),
}

# The jobs of a sweep repeat the same few overrides.
parse = functools.cache(parse_override)


class JobsRefused(ConfigError):
    """Impossible jobs of a multirun, one line each."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def without_hydra(job: DictConfig) -> DictConfig:
    """What Hydra passes to a task: a copy of the job's configuration without Hydra's own section."""
    task = copy.deepcopy(job)
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


@contextmanager
def _current(job: DictConfig) -> Iterator[None]:
    """Make the job Hydra's current one, which `hydra:` interpolations read, in the environment that it sets."""
    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(job)
    try:
        folder = os.path.join(str(job.hydra.sweep.dir), str(job.hydra.sweep.subdir))
        with read_write(job.hydra.runtime), open_dict(job.hydra.runtime):
            job.hydra.runtime.output_dir = os.path.abspath(folder)
        HydraConfig.instance().set_config(job)
        with env_override(job.hydra.job.env_set):
            yield
    finally:
        HydraConfig.instance().cfg = before


def _check_settings(job: DictConfig) -> None:
    settings: Any = OmegaConf.to_container(job.hydra, resolve=False)
    for key, nothing in OWN_PROCESS.items():
        value = functools.reduce(dict.__getitem__, key.split("."), settings)
        if value not in nothing:
            raise ConfigError(
                f"hydra.{key}={value} has no effect with this launcher, which trains runs in separate processes;"
                " leave it out, or train one run at a time with hydra/launcher=basic, which supports it"
            )


class Composer:
    """Composes the jobs of one multirun.

    Args:
        loader: Hydra's configuration loader, with its search path.
        multirun: the configuration of the multirun as a whole.
        own_processes: whether the runs are trained in separate processes, that is, not by Hydra's own launcher.
    """

    def __init__(self, loader: ConfigLoaderImpl, multirun: DictConfig, own_processes: bool) -> None:
        self.loader = loader
        self.multirun = multirun
        self.own_processes = own_processes
        # Merged files by choice of group files; None if Hydra has to compose every such job.
        self.merged: dict[tuple[str, ...], DictConfig | None] = {}

    def job(self, overrides: Sequence[str], number: int) -> RunConfig:
        """The run that Hydra's own launcher would pass to the task as the job of that number.

        Raises:
            Exception: anything that Hydra or the run's checks find wrong.
        """
        parsed = [parse(override) for override in overrides]
        choices = tuple(override.input_line or "" for override in parsed if self._is_choice(override))
        values = [override for override in parsed if not self._is_choice(override)]
        if self.multirun.hydra.searchpath or not all(map(self._is_plain, parsed)):
            return self._composed(overrides, number)
        if choices not in self.merged:
            self.merged[choices] = self._merge(choices)
        merged = self.merged[choices]
        if merged is None:
            return self._composed(overrides, number)
        task = copy.deepcopy(merged)
        self.loader._apply_overrides_to_config(values, task)
        return to_run_config(task)

    def _is_choice(self, override: Override) -> bool:
        """Whether the override chooses a group file, by Hydra's own criterion."""
        return self.loader.repository.group_exists(override.key_or_group) and not isinstance(override.value(), dict)

    @staticmethod
    def _is_plain(override: Override) -> bool:
        """Whether the override is a simple `key=value` for the run, not for Hydra."""
        return (
            override.type == OverrideType.CHANGE
            and override.package is None
            and not override.is_hydra_override()
            and "${" not in str(override.value())
        )

    def _load(self, overrides: Sequence[str], number: int) -> DictConfig:
        job: DictConfig = self.loader.load_sweep_config(self.multirun, list(overrides))
        if self.own_processes:  # a group's file may have set one for this job
            _check_settings(job)
        with open_dict(job):
            job.hydra.job.id = job.hydra.job.num = number
        return job

    def _composed(self, overrides: Sequence[str], number: int) -> RunConfig:
        job = self._load(overrides, number)
        with _current(job):
            return to_run_config(without_hydra(job))

    def _merge(self, choices: Sequence[str]) -> DictConfig | None:
        task = without_hydra(self._load(choices, 0))
        return None if "${" in OmegaConf.to_yaml(task) else task


def compose_jobs(
    loader: ConfigLoader,
    multirun: DictConfig,
    job_overrides: Sequence[Sequence[str]],
    own_processes: bool,
    first: int = 0,
) -> list[RunConfig]:
    """The run of every job of a multirun, as Hydra would compose it; `first` is the number of the first job.

    Raises:
        ConfigError: a Hydra setting that the launcher does not support.
        JobsRefused: naming every impossible job.
    """
    assert isinstance(loader, ConfigLoaderImpl)
    if own_processes:
        _check_settings(multirun)
    composer = Composer(loader, multirun, own_processes)
    configs, wrong = [], []
    for number, overrides in enumerate(job_overrides, first):
        try:
            config = composer.job(overrides, number)
            check_results_dir(config.results_dir)
        except Exception as error:  # Hydra raises many kinds of error, including ValueError and KeyError
            wrong.append(shown(f"{' '.join(overrides)}: {one_line(error)}"))
        else:
            configs.append(config)
    if wrong:
        raise JobsRefused(wrong)
    return configs
