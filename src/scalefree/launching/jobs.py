"""Check and launch runs, whatever launcher is used."""

import contextlib
import os
from collections.abc import Sequence

from scalefree.config import ConfigError, RunConfig
from scalefree.interruption import Interrupted
from scalefree.launching.mps import multi_process_service
from scalefree.launching.reports import Sweep
from scalefree.launching.settings import LocalSettings, Settings
from scalefree.launching.sweep import sweep
from scalefree.records import Store, check_results_dir, run_name


class SweepUnfinished(Exception):
    """Some runs of a sweep have no result; all others are done and the summary has been printed."""

    def __init__(self, missing: int, runs: int) -> None:
        super().__init__(f"{missing} of {runs} runs have no result")
        self.missing = missing


def _is_done(config: RunConfig) -> bool:
    return Store(config.results_dir).has_result(run_name(config))


def _needs_cuda(config: RunConfig) -> bool:
    """Whether the run needs CUDA and is not done yet."""
    return (config.device == "cuda" or config.precision == "tf32") and not _is_done(config)


def check_machine(settings: Settings, configs: Sequence[RunConfig]) -> None:
    """Refuse runs that this machine cannot train before any run is started.

    On a cluster, only the nodes know their devices and data. Runs that are done need neither device nor optimizer.

    Raises:
        ConfigError: an impossible store or an optimizer that cannot train; locally, also a missing device or image
            folder.
    """
    for results_dir in {config.results_dir for config in configs}:
        check_results_dir(results_dir)
    if named := [of for of in configs if of.optimizer.target is not None and not _is_done(of)]:
        from scalefree.training.chosen_optimizer import check_optimizers  # torch takes seconds

        check_optimizers(config.optimizer for config in named)
    if not isinstance(settings, LocalSettings):
        return
    if asked := {(config.device, config.precision) for config in configs if _needs_cuda(config)}:
        from scalefree.training.device import choose_device  # torch takes seconds

        for device, precision in asked:
            choose_device(device, precision)
    for root in {config.dataset.root for config in configs if config.dataset.name == "image_folder"}:
        if root is not None and not os.path.isdir(os.path.expanduser(root)):
            raise ConfigError(
                f"dataset.root={root} does not exist; name a folder that contains train/<class>/ and test/<class>/"
            )


def launch(settings: Settings, configs: Sequence[RunConfig]) -> Sweep:
    """Train the runs as the settings say, print the summary, and return the reports.

    Raises:
        ConfigError: something that the settings need is missing; nothing was started.
        Interrupted: a signal stopped it; the same command resumes.
        SweepUnfinished: some runs failed or are being trained elsewhere.
    """
    if isinstance(settings, LocalSettings):
        with multi_process_service() if settings.mps else contextlib.nullcontext():
            done = sweep(configs, settings.jobs, settings.longest_first)
    else:
        from scalefree.launching.slurm import sweep_on_slurm  # submitit is an optional extra

        done = sweep_on_slurm(configs, settings)
    print(done.summary(), flush=True)
    if done.interrupted is not None:
        raise Interrupted(done.interrupted)
    if done.unfinished:
        raise SweepUnfinished(len(done.unfinished), len(configs))
    return done


def test_error(config: RunConfig) -> float | None:
    """The run's final test error in the store; None for an image folder, whose run name depends on its images."""
    record = Store(config.results_dir).read(run_name(config))
    return None if record is None else record.test_error
