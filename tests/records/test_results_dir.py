"""Which paths can be a store's directory."""

import os
from pathlib import Path

import pytest

from scalefree.config import ConfigError
from scalefree.records import check_results_dir


def test_existing_and_new_directories_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for path in ("results", "a/b/c", ".", "..", str(tmp_path), tmp_path / "x" / "y", "link/results", "a b", "ü"):
        check_results_dir(path)
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "results_dir is empty"),
        (" ", "results_dir is empty"),
        ("/dev/null", "/dev/null is not a directory"),
        ("/dev/null/results", "/dev/null is not a directory"),
        ("file", "file is not a directory"),
        ("file/deep/down", "file is not a directory"),
        ("pipe", "pipe is not a directory"),
        ("nowhere", "nowhere is a broken link"),
        ("nowhere/results", "nowhere is a broken link"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
        ("a\0b", "contains a null character"),
        ("~no such user/x", "no such home folder"),
    ],
)
def test_impossible_directories_are_refused_by_name(
    path: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("in the way")
    os.mkfifo("pipe")
    Path("nowhere").symlink_to("not there")
    Path("loop").symlink_to("loop")
    with pytest.raises(ConfigError, match=why) as refused:
        check_results_dir(path)
    assert str(refused.value).startswith("results_dir")
    with pytest.raises(ConfigError, match=r"^OTHER_STORE"):
        check_results_dir(path, "OTHER_STORE")


@pytest.mark.parametrize("part", ["runs", "archives"])
def test_a_store_whose_disk_is_not_mounted_is_refused(part: str, tmp_path: Path) -> None:
    """It would look empty, and everything would be trained again."""
    (tmp_path / part).symlink_to(tmp_path / "unmounted")
    with pytest.raises(ConfigError, match=f"/{part} is a broken link; repair or remove it"):
        check_results_dir(tmp_path)
    (tmp_path / "unmounted").mkdir()
    check_results_dir(tmp_path)
    (tmp_path / part).unlink()
    (tmp_path / part).write_text("")
    with pytest.raises(ConfigError, match=f"/{part} is not a directory"):
        check_results_dir(tmp_path)
