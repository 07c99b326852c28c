"""The environment in which a run was computed, for its record: versions, commit and device."""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import scalefree

PACKAGES = ("scalefree", "torch", "torchvision", "numpy", "hydra-core", "wandb", "scikit-learn")
# In a checkout this file is at ROOT / SOURCE; git separates folders with slashes on every system.
SOURCE = "src/scalefree/records/environment.py"

# What is compared with the commit: code and configs, except the cells chosen from records. Those determine which runs
# are trained, not what a run computes, and are written wherever the selection happens to finish.
COMPARED = ("src", "configs")
CHOSEN = "configs/frozen"
# Names a file made by scripts/pack.py, for code that is copied without its repository.
MANIFEST = "SCALEFREE_REVISION"

# What two trainings of a run must share for their results to be equal bit by bit.
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
    """The commit of the running code, and whether code or configs differ from it; None if unknown."""

    commit: str | None
    uncommitted_changes: bool | None


def _git(root: Path, *arguments: str) -> str | None:
    """The output of git for the repository at `root`; None if git is missing, refuses or fails."""
    # GIT_DIR and similar variables, set by hooks and some editors, name another repository, index or work tree.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    # Write nothing, not even a refreshed index: the checkout may belong to another user.
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


def manifest(root: Path) -> dict[str, Any] | None:
    """The commit of the clean checkout at `root`, and git's hash of each compared file in it.

    None if there is no commit or the files differ from it.
    """
    here = revision(root / SOURCE)
    listed = _git(root, "ls-tree", "-r", "-z", "HEAD", "--", *COMPARED)
    if here.commit is None or here.uncommitted_changes is not False or listed is None:
        return None
    entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
    files = {path: facts.split()[2] for facts, _, path in entries if not path.startswith(f"{CHOSEN}/")}
    return {"commit": here.commit, "files": files}


def _hashes(root: Path) -> dict[str, str]:
    """git's hash of each compared file, committed or not, without what Python and pip leave there."""
    found = {}
    for folder in COMPARED:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root).as_posix()
            left_behind = any(part == "__pycache__" or part.endswith(".egg-info") for part in path.parts)
            if path.is_file() and not left_behind and not name.startswith(f"{CHOSEN}/"):
                content = path.read_bytes()
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
                found[name] = blob.hexdigest()
    return found


def _by_manifest(file: Path, root: Path) -> Revision:
    """The revision named by a manifest, and whether the files under `root` differ from those that it lists.

    Raises:
        ValueError: the file is missing or not a manifest; a record must not guess.
    """
    try:
        told = json.loads(file.read_bytes())
        commit, files = str(told["commit"]), dict(told["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{MANIFEST}={file} cannot be read as a manifest ({error}); write it with scripts/pack.py"
        ) from None
    return Revision(commit, _hashes(root) != files)


def revision(file: Path) -> Revision:
    """The revision of the checkout that contains `file`, this module's own file.

    That is the repository whose top folder has it at SOURCE and whose commit contains it. The code may also have been
    unpacked or installed inside another repository, whose commit says nothing about it. If the environment names a
    manifest, that is used instead of git.

    Raises:
        ValueError: the manifest cannot be read.
    """
    unknown = Revision(None, None)
    path = file.resolve()
    root = path.parents[SOURCE.count("/")]
    if not path.match(SOURCE):
        return unknown
    if MANIFEST in os.environ:
        return _by_manifest(Path(os.environ[MANIFEST]), root)
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top) != root or _git(root, "cat-file", "-e", f"HEAD:{SOURCE}") is None:
        return unknown
    # A module or a config file that the commit lacks also counts as a change.
    changes = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", *COMPARED, f":!{CHOSEN}")
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
        "packages": {"scalefree": scalefree.__version__, **{package: _version(package) for package in PACKAGES[1:]}},
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        **revision(Path(__file__))._asdict(),
        "cpu_count": os.cpu_count(),
    }


def on_cpu(environment: Mapping[str, Any]) -> bool:
    """Whether a record's environment names a CPU as its device."""
    return str(environment.get("device", "")).startswith("cpu")


def build_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record's environment that determines its exact bits, by name."""
    packages = environment.get("packages", {})
    return {
        **{key: environment.get(key) for key in BUILD},
        **{package: packages.get(package) for package in PACKAGES_OF_BUILD},
    }
