"""With what a run was computed: versions, commit and device, for the record."""

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
# In a checkout this file lies at ROOT / SOURCE; git separates folders by slashes everywhere.
SOURCE = "src/scalefree/records/environment.py"

# What a commit is compared in: code and configs. Not the cells that records have chosen: they say which runs are
# trained and not what a run computes, and freezing writes them wherever the selection happens to end.
COMPARED = ("src", "configs")
CHOSEN = "configs/frozen"
# Names a file that scripts/pack.py made, where the code travels without its repository.
MANIFEST = "SCALEFREE_REVISION"

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


def manifest(root: Path) -> dict[str, Any] | None:
    """The commit of the clean checkout at `root`, and git's hash of each file of it that is compared.

    None where there is no commit, or the files differ from it.
    """
    here = revision(root / SOURCE)
    listed = _git(root, "ls-tree", "-r", "-z", "HEAD", "--", *COMPARED)
    if here.commit is None or here.uncommitted_changes is not False or listed is None:
        return None
    entries = (entry.partition("\t") for entry in listed.split("\0") if entry)
    files = {path: facts.split()[2] for facts, _, path in entries if not path.startswith(f"{CHOSEN}/")}
    return {"commit": here.commit, "files": files}


def _hashes(root: Path) -> dict[str, str]:
    """git's hash of each file that is compared, whatever of it a commit has; not of what Python and pip leave there."""
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
    """The revision that a manifest names, and whether all files under `root` are those that it lists.

    Raises:
        ValueError: no such file, or not a manifest; a record must not guess.
    """
    try:
        told = json.loads(file.read_bytes())
        commit, files = str(told["commit"]), dict(told["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{MANIFEST}={file} cannot be read as a manifest of scripts/pack.py: {error}") from None
    return Revision(commit, _hashes(root) != files)


def revision(file: Path) -> Revision:
    """The revision of the checkout that `file`, this module's own, lies in.

    That is the repository whose top folder has it at SOURCE, and whose commit holds it. The code may also lie in a
    folder of somebody else's repository, unpacked or installed there: that repository's commit says nothing of it.
    Where the environment names a manifest, that is asked and git is not.

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
    # A module or a config file that the commit lacks is a difference, too.
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


def build_of(environment: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a record's environment that decides its bits, one value for each name."""
    packages = environment.get("packages", {})
    return {
        **{key: environment.get(key) for key in BUILD},
        **{package: packages.get(package) for package in PACKAGES_OF_BUILD},
    }
