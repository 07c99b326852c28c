"""Paths as users write them, and where caches are."""

import os
import pwd
from pathlib import Path

import pytest

from scalefree.paths import user_cache, written_path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_means_the_home_folder(home: Path) -> None:
    assert written_path("results_dir", "~") == str(home)
    assert written_path("results_dir", "~/a b") == f"{home}/a b"
    user = pwd.getpwuid(os.getuid())
    assert written_path("results_dir", f"~{user.pw_name}/x") == f"{user.pw_dir.rstrip('/')}/x"


@pytest.mark.parametrize(
    "text", ["results", "./5", "a/5", "5a", "./~", "a~b", "\udce9", "x y", "/", ".", "v1.2", "true story"]
)
def test_other_paths_are_unchanged(text: str) -> None:
    assert written_path("results_dir", text) == text


@pytest.mark.parametrize(
    "text",
    ["5", "-1", "1e-3", "0.5", "1_000", "nan", "Infinity", "True", "false", "9" * 400, "\N{FULLWIDTH DIGIT FIVE}"],
)
def test_a_number_is_not_a_path(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^dataset\.root={text} is not a path; write \./{text} if"):
        written_path("dataset.root", text)
    assert written_path("dataset.root", f"./{text}") == f"./{text}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "results_dir is empty"),
        (" ", "results_dir is empty"),
        ("~no-such-user/x", "results_dir=~no-such-user/x: there is no such home folder"),
        ("a\0b", "null character"),
        ("\ud800", "cannot be a path here"),
    ],
)
def test_impossible_paths_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        written_path("results_dir", text)


@pytest.mark.parametrize("caches", [None, "", "relative/cache"])
def test_the_cache_is_in_the_home_folder(caches: str | None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if caches is None:
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", caches)
    assert user_cache() == home / ".cache" / "scalefree"


def test_xdg_cache_home_moves_the_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_cache() == Path("/somewhere/scalefree")
    monkeypatch.setenv("XDG_CACHE_HOME", "~/mine")
    assert user_cache() == home / "mine" / "scalefree"


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 987654)
    assert user_cache() is None
    with pytest.raises(ValueError, match="there is no such home folder"):
        written_path("dataset.root", "~/images")
