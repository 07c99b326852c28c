"""The launchers `local` and `slurm` of `python scripts/train.py -m`, and its sweeper. Hydra looks for them only here.

Both read every run's configuration before they start the first, so a wrong one is refused before any work.
"""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class GridSweeper(BasicSweeper):
    """Hydra's own sweeper, but for two things.

    It leaves the check of all jobs to the launchers, which are ten times faster at it. And it writes no file of its
    own: a store that cannot be written may hold all that is asked for.
    """

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Launch every batch of jobs; what the launcher returned of each."""
        assert self.hydra_context is not None and self.launcher is not None
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        self.overrides = self.split_arguments(overrides, self.max_batch_size)
        returned: list[Sequence[JobReturn]] = []
        while not self.is_done():
            batch = self.get_job_batch()
            returned.append(self.launcher.launch(batch, initial_job_idx=sum(map(len, returned))))
        return returned


class LocalLauncher(Launcher):
    """Worker processes on this machine, as many at a time as `jobs` says."""

    kind = "local"

    def __init__(self, **settings: Any) -> None:
        self.settings = {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra gives; the task function is not needed, since the runs are trained by the package."""
        self.hydra_context = hydra_context
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Train all runs; each job returns its final test error.

        Raises:
            ConfigError: a run that cannot be; nothing was started.
            SweepUnfinished, Interrupted: after everything that could be done.
        """
        from scalefree.launching import compose_jobs, launch, settings_of, test_error

        settings = settings_of(self.kind, self.settings)
        configs = compose_jobs(self.hydra_context.config_loader, self.config, job_overrides)
        launch(settings, configs)
        returns = []
        for overrides, config in zip(job_overrides, configs, strict=True):
            done = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
            done.return_value = test_error(config)
            returns.append(done)
        return returns


class SlurmLauncher(LocalLauncher):
    """One job array on a SLURM cluster."""

    kind = "slurm"
