"""A record names the commit of the running code, or none."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from scalefree.records.environment import MANIFEST, SOURCE, Revision, manifest, revision, versions

NONE = Revision(None, None)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def unpacked(root: Path) -> Path:
    """Makes a copy of the code in a folder; returns the file whose revision is asked for."""
    file = root / SOURCE
    file.parent.mkdir(parents=True)
    file.write_text("asks\n")
    (root / "configs").mkdir()
    (root / "configs" / "config.yaml").write_text("seed: 0\n")
    return file


def repository(root: Path) -> str:
    """Commits everything in a folder to a new repository there; returns the commit."""
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", "first")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return unpacked(tmp_path / "ours")


@pytest.fixture
def commit(file: Path, tmp_path: Path) -> str:
    return repository(tmp_path / "ours")


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Somebody else's repository with a commit."""
    root = tmp_path / "other"
    root.mkdir()
    (root / "readme").write_text("another project\n")
    repository(root)
    return root


def test_a_checkout_has_its_commit_and_no_changes(file: Path, commit: str) -> None:
    assert revision(file) == Revision(commit, False)


@pytest.mark.parametrize("changed", [SOURCE, "configs/config.yaml", "src/scalefree/new.py", "configs/new.yaml"])
def test_changed_code_and_configs_are_uncommitted_changes(file: Path, commit: str, changed: str) -> None:
    (file.parents[3] / "notes.txt").write_text("no code\n")
    assert revision(file) == Revision(commit, False)
    (file.parents[3] / changed).write_text("other: 1\n")
    assert revision(file) == Revision(commit, True)


def test_the_commit_of_an_enclosing_repository_is_not_ours(other: Path) -> None:
    file = unpacked(other / "vendored" / "scalefree")
    assert revision(file) == NONE
    repository(other)  # even if it is committed there
    assert revision(file) == NONE


def test_a_copy_inside_a_checkout_is_not_that_checkout(file: Path, commit: str) -> None:
    """Code unpacked or installed below the checkout may be from any other commit."""
    root = file.parents[3]
    assert commit and revision(unpacked(root / "copy")) == NONE
    installed = root / "site/scalefree/records/environment.py"
    installed.parent.mkdir(parents=True)
    installed.write_text("asks\n")
    assert revision(installed) == NONE


def test_a_repository_whose_commit_lacks_the_code_is_not_ours(other: Path) -> None:
    assert revision(unpacked(other)) == NONE
    assert git(other, "rev-parse", "HEAD")


def test_an_installed_package_is_not_a_checkout(other: Path) -> None:
    file = other / ".venv/lib/python3/site-packages/scalefree/records/environment.py"
    file.parent.mkdir(parents=True)
    file.write_text("asks\n")
    repository(other)
    assert revision(file) == NONE


def test_gits_environment_variables_do_not_redirect_to_another_repository(
    file: Path, commit: str, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    assert revision(file) == Revision(commit, False)


def test_gits_environment_variables_do_not_turn_a_copy_into_a_checkout(
    file: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert revision(file) == NONE
    monkeypatch.setenv("GIT_WORK_TREE", str(file.parents[3]))
    assert revision(file) == NONE


def test_a_linked_work_tree_is_a_checkout(file: Path, commit: str, tmp_path: Path) -> None:
    git(file.parents[3], "worktree", "add", "-q", str(tmp_path / "linked"))
    assert revision(tmp_path / "linked" / SOURCE) == Revision(commit, False)


def test_a_link_to_the_checkout_is_a_checkout(file: Path, commit: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file.parents[3])
    assert revision(tmp_path / "link" / SOURCE) == Revision(commit, False)


def test_without_git_the_commit_is_unknown(
    file: Path, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert commit
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision(file) == NONE


def test_if_git_refuses_the_commit_is_unknown(
    file: Path, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a checkout that another user owns."""
    stand_in = tmp_path / "bin" / "git"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\necho fatal: detected dubious ownership >&2\nexit 128\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(stand_in.parent))
    assert commit and revision(file) == NONE


def test_a_repository_without_a_commit_has_none(file: Path) -> None:
    git(file.parents[3], "init", "-q")
    assert revision(file) == NONE


@pytest.fixture
def copied(file: Path, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the checkout without git and with a manifest; the file whose revision is asked for."""
    made = manifest(file.parents[3])
    assert made is not None and made["commit"] == commit
    shutil.copytree(file.parents[3], tmp_path / "copy", ignore=shutil.ignore_patterns(".git"))
    (tmp_path / "revision.json").write_text(json.dumps(made))
    monkeypatch.setenv(MANIFEST, str(tmp_path / "revision.json"))
    return tmp_path / "copy" / SOURCE


def test_a_copy_that_matches_its_manifest_has_the_commit(copied: Path, commit: str) -> None:
    (copied.parents[3] / "notes.txt").write_text("no code\n")
    for left in ("src/scalefree/__pycache__/a.pyc", "src/scalefree.egg-info/PKG-INFO"):
        path = copied.parents[3] / left
        path.parent.mkdir()
        path.write_text("left behind\n")
    assert revision(copied) == Revision(commit, False)


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_a_copy_that_differs_from_its_manifest_has_changes(change: str, copied: Path, commit: str) -> None:
    config = copied.parents[3] / "configs" / "config.yaml"
    if change == "removed":
        config.unlink()
    else:
        (config if change == "changed" else config.with_name("new.yaml")).write_text("other: 1\n")
    assert revision(copied) == Revision(commit, True)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"commit": "a"}', '{"commit": "a", "files": 3}'])
def test_an_unreadable_manifest_is_an_error(content: str, copied: Path, tmp_path: Path) -> None:
    (tmp_path / "revision.json").write_text(content)
    with pytest.raises(ValueError, match=r"SCALEFREE_REVISION=.*revision\.json cannot be read"):
        revision(copied)


def test_uncommitted_code_has_no_manifest(file: Path, commit: str) -> None:
    (file.parents[3] / "configs" / "new.yaml").write_text("other: 1\n")
    assert commit and manifest(file.parents[3]) is None


def test_newly_frozen_cells_do_not_count_as_a_change(
    file: Path, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a checkout and in a copy: they decide which runs are trained, not what a run computes."""
    root = file.parents[3]
    frozen = root / "configs" / "frozen" / "profile.yaml"
    frozen.parent.mkdir()
    frozen.write_text("cells: 1\n")
    assert revision(file) == Revision(commit, False)
    made = manifest(root)
    assert made is not None and not any("frozen" in path for path in made["files"])
    (tmp_path / "revision.json").write_text(json.dumps(made))
    monkeypatch.setenv(MANIFEST, str(tmp_path / "revision.json"))
    frozen.write_text("cells: 2\n")
    assert revision(file) == Revision(commit, False)


def test_records_have_the_commit_and_whether_it_was_changed() -> None:
    assert {"commit", "uncommitted_changes"} <= versions().keys()
