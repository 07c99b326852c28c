"""Where the runs of a multirun are trained: on this machine, or on a SLURM cluster."""

from scalefree.launching.jobs import SweepUnfinished, compose_jobs, launch, test_error
from scalefree.launching.settings import LocalSettings, Settings, SlurmSettings, settings_of

__all__ = [
    "LocalSettings",
    "Settings",
    "SlurmSettings",
    "SweepUnfinished",
    "compose_jobs",
    "launch",
    "settings_of",
    "test_error",
]
