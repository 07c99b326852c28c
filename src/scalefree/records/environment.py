"""With what a run was computed: versions, commit and device, for the record."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGES = ("scalefree", "torch", "torchvision", "numpy", "hydra-core", "wandb", "scikit-learn")

# What two trainings of one run must have in common for their results to be equal bit by bit.
BUILD = (
    "device",
    "threads",
    "runner",
    "convolutions",
    "cuda",
    "cudnn",
    "machine",
    "platform",
    "commit",
    "uncommitted_changes",
)
PACKAGES_OF_BUILD = ("scalefree", "torch", "numpy")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def versions() -> dict[str, Any]:
    """Package versions, Python, platform, and this repository's commit (None outside a checkout)."""
    changes = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "configs")
    return {
        "packages": {package: _version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "commit": _git("rev-parse", "HEAD"),
        # Whether the code or configs differed from that commit; None where nobody can tell.
        "uncommitted_changes": None if changes is None else bool(changes),
        "cpu_count": os.cpu_count(),
    }


def build_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record's environment that decides its bits, one value for each name."""
    packages = environment.get("packages", {})
    return {
        **{key: environment.get(key) for key in BUILD},
        **{package: packages.get(package) for package in PACKAGES_OF_BUILD},
    }
