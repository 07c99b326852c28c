"""The library is built once per processor, rebuilt if damaged, and not used if it cannot be built."""

import hashlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from conftest import Make
from other_users import needs_root
from scalefree.models import resnet
from scalefree.records import Store
from scalefree.training import run
from scalefree.training.fast.native import compiled
from scalefree.training.fast.native.network import use_native_convolutions
from scripts.entry import ENVIRONMENT

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, without a library loaded from another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiled.library.cache_clear()
    yield tmp_path / "cache" / "scalefree"
    compiled.library.cache_clear()


def kept() -> Path:
    path = compiled.library_path()
    assert path is not None
    return path


def load_again() -> object:
    compiled.library.cache_clear()
    return compiled.library()


@needs_compiler
def test_the_library_is_built_once(
    cache: Path, monkeypatch: pytest.MonkeyPatch, umask: Callable[[int], int], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the umask, nobody else can write to it; the digest beside it has the format of `sha256sum`."""
    umask(0o002)
    assert compiled.library() is not None
    assert {path.name for path in cache.iterdir()} == {kept().name, f"{kept().name}.sha256"}
    assert [stat.S_IMODE(path.stat().st_mode) & 0o022 for path in (cache, *cache.iterdir())] == [0, 0, 0]
    subprocess.run(["sha256sum", "--check", f"{kept().name}.sha256"], cwd=cache, check=True, capture_output=True)
    monkeypatch.setattr(subprocess, "run", None)
    assert load_again() is not None
    assert caplog.records == []


@needs_compiler
def test_the_library_is_flushed_before_it_is_used(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    assert compiled.library() is not None
    assert [Path(name).name.rpartition(".so")[0].removeprefix(".") for name in flushed if name.endswith(".tmp")] == [
        kept().stem
    ] * 2


def compile_source(source: str, to: Path) -> None:
    """Compiles a library from other C code, with a matching digest."""
    (to.parent / "other.c").write_text(source)
    flags = [flag for flag in compiled.COMPILE[1:] if flag != str(compiled.SOURCE)]
    subprocess.run([compiled.COMPILE[0], str(to.parent / "other.c"), *flags, str(to)], check=True)
    (to.parent / "other.c").unlink()
    sign(to)


def sign(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def zero_the_end(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose_the_digest(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").unlink()


def empty_the_digest(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").write_bytes(b"")


def become_text_with_a_digest(path: Path) -> None:
    path.write_bytes(b"hello" * 1000)
    sign(path)


def lack_functions(path: Path) -> None:
    compile_source("int nothing(void) { return 0; }", path)


def lack_one_function(path: Path) -> None:
    compile_source(compiled.SOURCE.read_text().replace("conv3x3_backward", "conv3x3_backwards"), path)


def compute_another_forward_pass(path: Path) -> None:
    source = compiled.SOURCE.read_text()
    wrong = source.replace("if (residual != NULL) out +=", "if (residual != NULL) out -=")
    assert wrong != source
    compile_source(wrong, path)


def compute_another_backward_pass(path: Path) -> None:
    source = compiled.SOURCE.read_text()
    wrong = source.replace(
        "const Weights reversed = {w + (ptrdiff_t)8 *", "const Weights reversed = {w + (ptrdiff_t)7 *"
    )
    assert wrong != source
    compile_source(wrong, path)


def be_writable_by_everyone(path: Path) -> None:
    path.chmod(0o666)


def be_writable_by_the_group(path: Path) -> None:
    path.chmod(0o664)


def be_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere.so"))
    path.symlink_to("elsewhere.so")


def be_a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/nonexistent/x")


def be_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def have_a_pipe_as_digest(path: Path) -> None:
    path.with_name(f"{path.name}.sha256").unlink()
    os.mkfifo(path.with_name(f"{path.name}.sha256"))


@needs_compiler
@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        zero_the_end,
        flip_a_bit,
        lose_the_digest,
        empty_the_digest,
        have_a_pipe_as_digest,
        become_text_with_a_digest,
        lack_functions,
        lack_one_function,
        compute_another_forward_pass,
        compute_another_backward_pass,
        be_writable_by_everyone,
        be_writable_by_the_group,
        be_a_link,
        be_a_dangling_link,
        be_a_pipe,
    ],
)
def test_a_damaged_or_unsafe_library_is_rebuilt_with_one_warning(
    damage: Callable[[Path], None], cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the digest, a truncated library would end the process with SIGBUS."""
    assert compiled.library() is not None
    whole = kept().read_bytes()
    damage(kept())
    assert load_again() is not None
    (said,) = caplog.records
    assert said.levelno == logging.WARNING and str(kept()) in said.message and "again" in said.message
    assert kept().read_bytes() == whole and not kept().is_symlink()
    # It is whole again, so the next process compiles nothing.
    monkeypatch.setattr(subprocess, "run", None)
    assert load_again() is not None and len(caplog.records) == 1


def marking(marker: Path) -> str:
    """The library's source, with code that creates a file when it is loaded."""
    mark = f'__attribute__((constructor)) static void mark(void) {{ fclose(fopen("{marker}", "w")); }}'
    return "\n".join([compiled.SOURCE.read_text(), "#include <stdio.h>", mark, ""])


@needs_compiler
@pytest.mark.parametrize("whose", ["everyone's file", "everyone's folder", "the group's folder"])
def test_a_library_that_others_could_have_written_is_never_executed(
    whose: str, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It computes the right values and has a matching digest, and is refused only for its permissions."""
    assert compiled.library() is not None
    marker = tmp_path / "executed"
    path = kept()
    compile_source(marking(marker), path)
    {
        "everyone's file": lambda: path.chmod(0o666),
        "everyone's folder": lambda: cache.chmod(0o777),
        "the group's folder": lambda: cache.chmod(0o770),
    }[whose]()
    assert load_again() is not None
    assert not marker.exists() and len(caplog.records) == 1
    path.parent.chmod(0o700)
    path.chmod(0o600)
    compile_source(marking(marker), path)
    assert load_again() is not None and marker.exists(), "the same file is executed if nobody else can write to it"


@needs_root
@needs_compiler
@pytest.mark.parametrize("what", ["file", "digest", "folder"])
def test_a_library_of_another_user_is_never_executed(
    what: str, cache: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert compiled.library() is not None
    marker, path = tmp_path / "executed", kept()
    compile_source(marking(marker), path)
    os.chown({"file": path, "digest": path.with_name(f"{path.name}.sha256"), "folder": cache}[what], 65534, 65534)
    assert load_again() is not None
    assert not marker.exists() and len(caplog.records) == 1


@needs_compiler
def test_a_library_that_computes_wrong_sums_is_not_used(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "conv3x3.c"
    source.write_text(compiled.SOURCE.read_text().replace("+=", "-=", 1))
    monkeypatch.setattr(compiled, "SOURCE", source)
    monkeypatch.setattr(compiled, "COMPILE", (*compiled.COMPILE[:-2], str(source), "-o"))
    with caplog.at_level(logging.INFO):
        assert compiled.library() is None
    assert "does not compute what torch does" in caplog.text and list(cache.iterdir()) == []


@needs_compiler
def test_without_a_usable_cache_each_process_builds_its_own(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compiled.library_path() is None and compiled.library() is not None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert compiled.library_path() is None and load_again() is not None
    cache.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))
    kept().mkdir()
    assert load_again() is not None and [path.suffix for path in cache.iterdir() if path.is_file()] == [".sha256"]


@needs_compiler
def test_another_source_or_processor_has_its_own_library(
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
def test_processes_can_build_the_library_at_once(cache: Path) -> None:
    code = "from scalefree.training.fast.native import compiled; assert compiled.library() is not None"
    environment = {**ENVIRONMENT, "XDG_CACHE_HOME": str(cache.parent)}
    started = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert sorted(path.suffix for path in cache.iterdir()) == [".sha256", ".so"]


def without_a_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def with_a_compiler_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")


def with_no_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr(tempfile, "mkdtemp", nowhere)


@pytest.mark.parametrize("hindrance", [without_a_compiler, with_a_compiler_that_fails, with_no_temporary_folder])
def test_without_the_library_torchs_convolutions_are_used(
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
def test_a_record_says_that_the_library_was_used(cache: Path, tiny: Make) -> None:
    assert run(tiny({"model.width": 8})).record.environment["convolutions"] == "torch and conv3x3.c"
