"""With what a run was computed: versions, commit and device, for the record."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

PACKAGES = ("scalefree", "torch", "torchvision", "numpy", "hydra-core", "wandb", "scikit-learn")
# In a checkout this file lies at ROOT / SOURCE; git separates folders by slashes everywhere.
SOURCE = "src/scalefree/records/environment.py"

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


class Revision(NamedTuple):
    """The commit of the running code, and whether code or configs differ from it; None where nobody can tell."""

    commit: str | None
    uncommitted_changes: bool | None


def _git(root: Path, *arguments: str) -> str | None:
    """What git says of the repository at `root`; None where there is no git, or it refuses or fails."""
    # GIT_DIR and its kin name another repository, index or work tree; a hook's or an editor's shell has them set.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Nothing is written, not even a refreshed index: the checkout may be another user's.
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(done.stdout).rstrip("\n")


def revision(file: Path) -> Revision:
    """The revision of the checkout that `file`, this module's own, lies in.

    That is the repository whose top folder has it at SOURCE, and whose commit holds it. The code may also lie in a
    folder of somebody else's repository, unpacked or installed there: that repository's commit says nothing of it.
    """
    unknown = Revision(None, None)
    path = file.resolve()
    root = path.parents[SOURCE.count("/")]
    if not path.match(SOURCE):
        return unknown
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top) != root or _git(root, "cat-file", "-e", f"HEAD:{SOURCE}") is None:
        return unknown
    # A module or a config file that the commit lacks is a difference, too.
    changes = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", "src", "configs")
    return Revision(_git(root, "rev-parse", "HEAD"), None if changes is None else bool(changes))


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def versions() -> dict[str, Any]:
    """Package versions, Python, platform, and this repository's commit (None outside a checkout)."""
    return {
        "packages": {package: _version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        **revision(Path(__file__))._asdict(),
        "cpu_count": os.cpu_count(),
    }


def build_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record's environment that decides its bits, one value for each name."""
    packages = environment.get("packages", {})
    return {
        **{key: environment.get(key) for key in BUILD},
        **{package: packages.get(package) for package in PACKAGES_OF_BUILD},
    }
