"""Settings of the launcher presets in configs/hydra/launcher/, checked before any work starts."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scalefree.config import ConfigError


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass
class LocalSettings:
    """Worker processes on this machine: `jobs` runs at a time, with MPS if they should share a GPU.

    Runs start longest first, which finishes soonest, or in the order given, for when time may run out before all are
    done.
    """

    jobs: int = field(default_factory=cores)
    mps: bool = False
    longest_first: bool = True


@dataclass
class SlurmSettings:
    """One SLURM job array; the preset's comments explain each."""

    runs_per_job: int = 1
    runs_at_once: int = 1
    partition: str | None = None
    timeout_min: int = 60
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: int | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)
    setup: list[str] = field(default_factory=list)
    array_parallelism: int = 256
    signal_delay_s: int = 120
    wait: bool = True


Settings = LocalSettings | SlurmSettings
KINDS: dict[str, type[Settings]] = {"local": LocalSettings, "gpu": LocalSettings, "slurm": SlurmSettings}


def settings_of(kind: str, values: Mapping[str, Any]) -> Settings:
    """A preset's values as typed settings; None leaves the default.

    Raises:
        ConfigError: an unknown key, a wrong type or a number below 1.
    """
    if kind not in KINDS:
        raise ConfigError(f"hydra/launcher={kind} is unknown; choose one of {', '.join(KINDS)}")
    defaults = KINDS[kind]()
    known = {f.name: getattr(defaults, f.name) for f in dataclasses.fields(defaults)}
    # Settings that are null by default, with their type if given.
    nullable: dict[str, type] = {"partition": str, "cpus_per_task": int, "gpus_per_node": int, "mem_gb": int}
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"hydra.launcher.{key} is unknown; {kind} has {', '.join(known)}")
        if value is None:
            continue
        wanted = nullable.get(key, type(known[key]))
        if type(value) is not wanted:
            raise ConfigError(f"hydra.launcher.{key}={value!r} has the wrong type; expected {wanted.__name__}")
        if isinstance(value, int) and wanted is int and value < 1:
            raise ConfigError(f"hydra.launcher.{key}={value} is impossible; it must be at least 1")
        chosen[key] = value
    return KINDS[kind](**chosen)
