"""The launchers `local` and `slurm` of `python scripts/train.py -m`, and its sweeper. Hydra looks for plugins only
here.

The sweeper composes and checks every job before starting the first, so an invalid one is refused before any work.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from scalefree.compose import one_line, parse_override
from scalefree.config import ConfigError, RunConfig
from scalefree.records import run_name

# Checking this many takes minutes; the list of far more would not even fit into memory.
MOST_JOBS = 100_000


def values(override: Override) -> Iterator[str]:
    """The values that a multirun tries for an override."""
    return override.sweep_string_iterator() if override.is_discrete_sweep() else iter([""])


class LocalLauncher(Launcher):
    """Worker processes on this machine, `jobs` at a time."""

    kind = "local"

    def __init__(self, **settings: Any) -> None:
        self.values = {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in settings.items()}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep Hydra's context; the task function is not needed, since the package trains the runs.

        Raises:
            ConfigError: an invalid setting of the launcher.
        """
        from scalefree.launching import settings_of

        self.hydra_context = hydra_context
        self.config = config
        self.settings = settings_of(self.kind, self.values)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Compose these jobs and train them, for sweepers that decide their jobs batch by batch.

        Raises:
            JobsRefused, ConfigError: impossible runs; none of the batch was started.
            SweepUnfinished, Interrupted: after everything possible was done.
        """
        from scalefree.launching import check_machine, compose_jobs

        loader = self.hydra_context.config_loader
        configs = compose_jobs(loader, self.config, job_overrides, own_processes=True, first=initial_job_idx)
        check_machine(self.settings, configs)
        return self.train(job_overrides, configs)

    def train(self, job_overrides: Sequence[Sequence[str]], configs: Sequence[RunConfig]) -> Sequence[JobReturn]:
        """Train all runs; each job returns its final test error."""
        from scalefree.launching import launch, test_error

        launch(self.settings, configs)
        returns = []
        for overrides, config in zip(job_overrides, configs, strict=True):
            done = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
            done.return_value = test_error(config)
            returns.append(done)
        return returns


class SlurmLauncher(LocalLauncher):
    """One job array on a SLURM cluster."""

    kind = "slurm"


class GridSweeper(BasicSweeper):
    """Every combination of the values, as in Hydra's own sweeper, but all are refused or all are trained.

    This also holds for batches: an invalid job is refused before the first batch, and a failed run does not cancel
    later batches. The sweeper itself writes only figures, at the end: a read-only store may already contain every run.

    With `experiment` the jobs are the runs of those experiments under `profile`, each combined with anything else that
    is swept over; the command line takes precedence over a grid.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: Any = None,
        experiment: Any = None,
        profile: Any = None,
    ) -> None:
        super().__init__(max_batch_size, params)
        self.experiments = [str(name) for name in ([experiment] if isinstance(experiment, str) else experiment or [])]
        self.profile = str(profile or "quick")

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """As in Hydra's sweeper; this sets up the launcher too.

        Raises:
            ConfigError: an impossible batch size.
        """
        size = self.max_batch_size
        if size is not None and (type(size) is not int or size < 1):
            raise ConfigError(
                f"hydra.sweeper.max_batch_size={size} is impossible; it must be a whole number of at least 1, or null"
            )
        super().setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Train every job, batch by batch.

        Raises:
            JobsRefused, ConfigError: impossible jobs; nothing was started.
            SweepUnfinished: after all batches, once the results were shown.
        """
        from scalefree.launching import SweepUnfinished, conclude

        batches, configs = self._prepare(arguments)

        returns: list[Sequence[JobReturn]] = []
        first = missing = 0
        for batch in batches:
            try:
                if isinstance(self.launcher, LocalLauncher):
                    returns.append(self.launcher.train(batch, configs[first : first + len(batch)]))
                else:
                    assert self.launcher is not None
                    returns.append(self.launcher.launch(batch, initial_job_idx=first))
            except SweepUnfinished as error:
                missing += error.missing
            first += len(batch)
        conclude(configs, (",".join(self.experiments), self.profile) if self.experiments else ())
        if missing:
            raise SweepUnfinished(missing, len(configs))
        return returns

    def _of_experiments(self, jobs: Sequence[Sequence[str]]) -> list[list[str]]:
        """Each run of the experiments as a job, combined with each job from the command line.

        Raises:
            ConfigError: an unknown experiment or profile, or one without runs, or without any that can be trained yet.
        """
        from scalefree.experiments import load_experiment, runs_of
        from scalefree.experiments.overrides import overrides_of

        found = [load_experiment(name, self.profile) for name in self.experiments]
        named = f"experiment={','.join(self.experiments)} profile={self.profile}"
        if waiting := sum(len(experiment.waiting) for experiment in found):
            print(
                f"{named}: {waiting} runs are left out because their step size and decay are not chosen yet; "
                f"python scripts/reproduce.py profile={self.profile} chooses them and trains every run",
                flush=True,
            )
        runs = runs_of(found)
        if not runs:
            look = f"; python scripts/status.py profile={self.profile} lists the experiments that have some"
            raise ConfigError(f"{named} has no runs{' that can be trained yet' if waiting else look}")
        if len(runs) * len(jobs) > MOST_JOBS:
            raise ConfigError(f"this multirun has more than {MOST_JOBS} jobs; split it into smaller ones")
        combined = []
        for job in jobs:
            given = {parse_override(override).key_or_group for override in job}
            for config, needed_by in runs.values():
                own = overrides_of(config)
                own["tracking.group"] = f"tracking.group={needed_by[0]}"
                tags = ",".join(f"'{tag}'" for tag in (f"profile:{self.profile}", *needed_by))
                own["tracking.tags"] = f"tracking.tags=[{tags}]"
                combined.append([*(text for key, text in own.items() if key not in given), *job])
        return combined

    def _prepare(self, arguments: list[str]) -> tuple[list[list[list[str]]], list[RunConfig]]:
        """The batches of jobs and their runs, all checked."""
        from scalefree.launching import check_machine, compose_jobs

        assert self.hydra_context is not None and self.config is not None
        loader = self.hydra_context.config_loader
        try:
            parser = OverridesParser.create(config_loader=loader)
            overrides = parser.parse_overrides([*self._parse_config(), *arguments])
            if math.prod(sum(1 for _ in islice(values(override), MOST_JOBS + 1)) for override in overrides) > MOST_JOBS:
                raise ConfigError(f"this multirun has more than {MOST_JOBS} jobs; split it into smaller ones")
            batches = self.split_arguments(overrides, self.max_batch_size)
        except Exception as error:  # Hydra raises many kinds of error, including AssertionError
            raise ConfigError(one_line(error)) from error
        jobs = [job for batch in batches for job in batch]
        local = isinstance(self.launcher, LocalLauncher)
        if not self.experiments:
            configs = compose_jobs(loader, self.config, jobs, own_processes=local)
        else:
            jobs = self._of_experiments(jobs)
            configs = compose_jobs(loader, self.config, jobs, own_processes=local)
            # Settings on the command line may make several runs identical.
            once = {run_name(config): (job, config) for job, config in zip(jobs, configs, strict=True)}.values()
            jobs, configs = [job for job, _ in once], [config for _, config in once]
            size = self.max_batch_size or len(jobs)
            batches = [jobs[first : first + size] for first in range(0, len(jobs), size)]
        if isinstance(self.launcher, LocalLauncher):
            check_machine(self.launcher.settings, configs)
        return batches, configs
