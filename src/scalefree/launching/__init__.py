"""Train the runs of a multirun on this machine or on a SLURM cluster."""

from scalefree.launching.composition import JobsRefused, compose_jobs
from scalefree.launching.ending import conclude
from scalefree.launching.jobs import SweepUnfinished, check_machine, launch, test_error
from scalefree.launching.settings import LocalSettings, Settings, SlurmSettings, settings_of

__all__ = [
    "JobsRefused",
    "LocalSettings",
    "Settings",
    "SlurmSettings",
    "SweepUnfinished",
    "check_machine",
    "compose_jobs",
    "conclude",
    "launch",
    "settings_of",
    "test_error",
]
