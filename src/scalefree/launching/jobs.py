"""From a multirun's overrides to runs, and from their endings to one answer, whatever launches them."""

import contextlib
from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from scalefree.compose import one_line, run_config, to_run_config
from scalefree.config import ConfigError, RunConfig
from scalefree.launching.mps import multi_process_service
from scalefree.launching.reports import Sweep
from scalefree.launching.settings import LocalSettings, Settings
from scalefree.launching.sweep import sweep
from scalefree.records import RecordError, Store, run_name


class SweepUnfinished(Exception):
    """Some runs of a sweep have no result; all others are done, and the summary has been printed."""


def _plain(overrides: Sequence[str]) -> dict[str, Any]:
    """The values of overrides that are all of the kind `key=value`.

    Raises:
        ConfigError: there is another kind among them (`+key=value`, `~key`, an interpolation).
    """
    values = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        value = override.value()
        if override.type != OverrideType.CHANGE or override.package is not None or "${" in str(value):
            raise ConfigError(f"{override.input_line} is for Hydra")
        values[override.key_or_group] = _unquoted(value)
    return values


def _unquoted(value: Any) -> Any:
    """A parsed value with texts in place of Hydra's quoted ones, also inside lists and mappings."""
    if isinstance(value, dict):
        return {_unquoted(key): _unquoted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_unquoted(inner) for inner in value]
    return str(value) if isinstance(value, QuotedString) else value


def _compose_job(loader: ConfigLoader, config: DictConfig, overrides: Sequence[str]) -> RunConfig:
    # Hydra takes a quarter of a second for each of what may be hundreds of jobs; group files with values set on them
    # take none. Hydra is asked about the rest, and about everything that is wrong.
    with contextlib.suppress(ConfigError):
        return run_config(_plain(overrides))
    composed = loader.load_sweep_config(config, list(overrides))
    with read_write(composed), open_dict(composed):
        del composed["hydra"]
    return to_run_config(composed)


def compose_jobs(loader: ConfigLoader, config: DictConfig, job_overrides: Sequence[Sequence[str]]) -> list[RunConfig]:
    """The configuration of every job of a multirun.

    Raises:
        ConfigError: naming every job that cannot be, a line each.
    """
    configs, wrong = [], []
    for overrides in job_overrides:
        try:
            configs.append(_compose_job(loader, config, overrides))
        except (ConfigError, HydraException, OmegaConfBaseException) as error:
            wrong.append(f"{' '.join(overrides)}: {one_line(error)}")
    if wrong:
        raise ConfigError("\n".join(wrong))
    return configs


def _has_result(config: RunConfig) -> bool:
    with contextlib.suppress(RecordError):
        return Store(config.results_dir).result(run_name(config)) is not None
    return False


def _check_optimizers(configs: Sequence[RunConfig]) -> None:
    """Refuse classes of optimizers that cannot train, before the first run starts; finished runs need theirs no more.

    Raises:
        ConfigError: a line for each.
    """
    named = [config for config in configs if config.optimizer.target is not None]
    if todo := [config for config in named if not _has_result(config)]:
        from scalefree.training.chosen_optimizer import check_optimizers  # torch takes seconds

        check_optimizers(config.optimizer for config in todo)


def launch(settings: Settings, configs: Sequence[RunConfig]) -> Sweep:
    """Train the runs where the settings say, print the summary, and return the reports.

    Raises:
        ConfigError: what the settings ask for is not there, or an optimizer that cannot train; nothing was started.
        Interrupted: a signal stopped it; the same command goes on.
        SweepUnfinished: some runs failed, or are trained elsewhere.
    """
    _check_optimizers(configs)
    if isinstance(settings, LocalSettings):
        with multi_process_service() if settings.mps else contextlib.nullcontext():
            done = sweep(configs, settings.jobs, settings.longest_first)
    else:
        from scalefree.launching.slurm import sweep_on_slurm  # submitit is an optional extra

        done = sweep_on_slurm(configs, settings)
    print(done.summary(), flush=True)
    if done.interrupted is not None:
        from scalefree.training import Interrupted  # torch takes seconds

        raise Interrupted(done.interrupted)
    if done.unfinished:
        raise SweepUnfinished(f"{len(done.unfinished)} of {len(configs)} runs have no result")
    return done


def test_error(config: RunConfig) -> float | None:
    """The run's final test error in the store; None for an image folder, whose name its images decide."""
    record = Store(config.results_dir).read(run_name(config))
    return None if record is None else record.test_error
