"""The library is made once for a processor, made again if it is damaged, and done without where it cannot be made."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from conftest import Make
from scalefree.models import resnet
from scalefree.records import Store
from scalefree.training import run
from scalefree.training.native import compiled, use_native_convolutions
from scripts.entry import ENVIRONMENT

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and nothing loaded from another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled.library.cache_clear()
    yield tmp_path / "cache" / "scalefree"
    compiled.library.cache_clear()


@needs_compiler
def test_it_is_made_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.library() is not None
    (made,) = cache.iterdir()
    assert made == compiled.library_path()
    compiled.library.cache_clear()
    monkeypatch.setattr(subprocess, "run", None)
    assert compiled.library() is not None


@needs_compiler
def test_a_damaged_one_is_made_again(cache: Path) -> None:
    cache.mkdir(parents=True)
    compiled.library_path().write_bytes(b"\x7fELF and no more")
    assert compiled.library() is not None
    assert compiled.library_path().stat().st_size > 1000


@needs_compiler
def test_another_source_or_processor_has_another_one(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = compiled.library_path()
    monkeypatch.setattr(compiled, "_processor", lambda: "flags: another")
    other = compiled.library_path()
    source = tmp_path / "conv3x3.c"
    source.write_text(compiled.SOURCE.read_text() + "\n")
    monkeypatch.setattr(compiled, "SOURCE", source)
    assert len({path, other, compiled.library_path()}) == 3


@needs_compiler
def test_processes_that_make_it_at_once_all_have_it(cache: Path) -> None:
    code = "from scalefree.training.native import compiled; assert compiled.library() is not None"
    environment = {**ENVIRONMENT, "XDG_CACHE_HOME": str(cache.parent)}
    started = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert [path.suffix for path in cache.iterdir()] == [".so"]


def without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def with_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


def with_no_place_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))


@pytest.mark.parametrize("hindrance", [without_a_compiler, with_a_compiler_that_fails, with_no_place_to_write])
def test_without_it_torchs_convolutions_do(
    hindrance: object, cache: Path, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(hindrance)
    hindrance(tmp_path, monkeypatch)
    assert compiled.library() is None
    model = resnet(8, 10, width=8)
    assert not use_native_convolutions(model) and torch.isfinite(model(torch.zeros(2, 3, 8, 8))).all()
    config = tiny({"model.width": 8})
    record = run(config).record
    assert record.outcome.status == "completed" and record.environment["convolutions"] == "torch"
    assert Store(config.results_dir).read(record.name) == record


@needs_compiler
def test_a_record_says_that_it_was_made_with_it(cache: Path, tiny: Make) -> None:
    assert run(tiny({"model.width": 8})).record.environment["convolutions"] == "torch and conv3x3.c"
