"""A session on a lent machine: packed files keep the size limit, the next call resumes, and the time limit is kept."""

import importlib
import os
import sys
import tarfile
import time
from pathlib import Path
from types import ModuleType

import pytest

from scripts.entry import SCRIPTS, start

SCRIPT = "gpu_session.py"
KEPT = ("record.json", "curves.npz", "histograms.npz", "run.log")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module("gpu_session")


def made(results: Path, name: str, checkpoint: int = 0, age: float = 0.0) -> Path:
    """A run's folder: with a record, or with a checkpoint of this many bytes."""
    run = results / "runs" / name
    run.mkdir(parents=True)
    (run / "run.log").write_text("started\n")
    if not checkpoint:
        for kept in KEPT[:3]:
            (run / kept).write_text(f"{kept} of {name}")
        return run
    (run / "checkpoint.pt").write_bytes(os.urandom(checkpoint))
    os.utime(run / "checkpoint.pt", (time.time() - age,) * 2)
    return run


def test_a_second_call_unpacks_what_the_first_one_packed(session: ModuleType, tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    out.mkdir()
    old = made(results, "old")
    made(results, "done")
    made(results, "begun", checkpoint=1000)
    assert [path.name for path in session.pack(results, out, {old})] == ["records-0.tar.gz", "checkpoints-0.tar"]
    assert session.unpack(out, tmp_path / "second") == len(KEPT) + 1
    found = {path.relative_to(tmp_path / "second") for path in (tmp_path / "second").rglob("*") if path.is_file()}
    assert found == {Path("runs/begun/checkpoint.pt"), *(Path("runs/done", kept) for kept in KEPT)}
    for path in found:
        assert (tmp_path / "second" / path).read_bytes() == (results / path).read_bytes()


def test_packed_files_keep_the_limit_and_the_newest_checkpoints_come_first(
    session: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "CHECKPOINT_FILES", 2)
    largest = 200_000
    for age in range(6):
        made(tmp_path, f"begun{age}", checkpoint=70_000, age=age)
    made(tmp_path, "huge", checkpoint=largest)
    (tmp_path / "out").mkdir()
    written = session.pack(tmp_path, tmp_path / "out", set(), largest)
    assert all(path.stat().st_size <= largest for path in written)
    names = []
    for path in written:
        with tarfile.open(path) as archive:
            names += [Path(name).parent.name for name in archive.getnames()]
    assert names == ["begun0", "begun1", "begun2", "begun3"]
    said = capsys.readouterr().out
    assert "huge/checkpoint.pt is too large" in said and "2 checkpoints do not fit" in said


def test_newly_chosen_cells_are_packed_and_unpacked(
    session: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ROOT", tmp_path)
    monkeypatch.setattr(session, "CHOSEN", tmp_path / "configs" / "frozen")
    session.CHOSEN.mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for name in ("old", "grown"):
        (session.CHOSEN / f"{name}.yaml").write_text("cells\n")
    before = session.contents(session.CHOSEN)
    assert session.pack_chosen(tmp_path / "out", before) is None and not list((tmp_path / "out").iterdir())
    for name in ("grown", "new"):
        (session.CHOSEN / f"{name}.yaml").write_text("more cells\n")
    session.pack_chosen(tmp_path / "out", before)
    other = tmp_path / "other"
    monkeypatch.setattr(session, "ROOT", other)
    assert session.unpack(tmp_path / "out", other / "results") == 2
    assert sorted(path.name for path in (other / "configs" / "frozen").iterdir()) == ["grown.yaml", "new.yaml"]


def test_a_session_requires_the_manifest(tmp_path: Path) -> None:
    """Even if the lent machine has a repository, whose commit may not be that of the files."""
    plan = "profile=smoke experiment=seeds"
    done = start(tmp_path, SCRIPT, f"data={tmp_path}", f"out={tmp_path / 'out'}", f"results={tmp_path / 'r'}", plan)
    assert done.returncode == 2 and "SCALEFREE_REVISION is not set" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["profile=smoke"], 'data=DIR, out=DIR and at least one plan, such as "profile=cifar16", must be given'),
        (["data=.", "out=o"], 'data=DIR, out=DIR and at least one plan, such as "profile=cifar16", must be given'),
        (["data=a b", "out=o", "profile=smoke"], "SCALEFREE_REVISION is not set"),
        (["data=.", "out=o", "tests=ye", "profile=smoke"], "tests=ye is impossible; choose one of yes, no"),
        (["data=.", "out=o", "experiment=seeds profile=smoke"], "unknown argument 'experiment=seeds profile=smoke'"),
        (["data=.", "out=o", "seconds=1.5", "profile=smoke"], "seconds=1.5 is impossible"),
    ],
)
def test_arguments_are_told_from_plans(arguments: list[str], said: str, tmp_path: Path) -> None:
    """A path may have spaces, and a plan may be a single word."""
    (tmp_path / "a b").mkdir()
    done = start(tmp_path, SCRIPT, *arguments, f"results={tmp_path / 'r'}")
    assert done.returncode == 2 and f"error: {said}" in done.stderr


@pytest.mark.parametrize(("obeys", "code"), [(True, 7), (False, -9)])
def test_a_command_is_asked_to_stop_and_then_killed(
    obeys: bool, code: int, session: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE", 1.0)
    answer = "sys.exit(7)" if obeys else "None"
    program = (
        f"import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: {answer})\n"
        "print('ready', flush=True)\nfor _ in range(100): time.sleep(0.2)"
    )
    started = time.monotonic()
    assert session.run_until([sys.executable, "-c", program], started + 3, tmp_path / "log") == code
    assert 3 <= time.monotonic() - started < 15 and (tmp_path / "log").read_text() == "ready\n"


def test_a_command_that_ends_early_is_not_waited_for(session: ModuleType, tmp_path: Path) -> None:
    started = time.monotonic()
    assert session.run_until([sys.executable, "-c", "raise SystemExit(3)"], started + 60, tmp_path / "log") == 3
    assert time.monotonic() - started < 30


def test_missing_images_are_reported_before_any_work(tmp_path: Path) -> None:
    empty = tmp_path / "data"
    empty.mkdir()
    (empty / "train").mkdir()
    arguments = [
        f"data={empty}",
        f"out={tmp_path / 'out'}",
        f"results={tmp_path / 'r'}",
        "profile=smoke experiment=seeds",
    ]
    done = start(tmp_path, SCRIPT, *arguments)
    assert done.returncode == 2 and "has no class folders" in done.stderr and not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["data=d", "out=o"], ["data=d", "out=o", "jobs=0", "profile=a experiment=b"]]
)
def test_wrong_arguments_are_refused(arguments: list[str], tmp_path: Path) -> None:
    done = start(tmp_path, SCRIPT, *arguments)
    assert done.returncode == 2 and done.stderr.startswith("error: ")


def test_unpacking_replaces_no_record(session: ModuleType, tmp_path: Path) -> None:
    results, out, second = tmp_path / "results", tmp_path / "out", tmp_path / "second"
    out.mkdir()
    made(results, "done")
    session.pack(results, out, set())
    here = made(second, "done")
    (here / "record.json").write_text("the one that was here")
    assert session.unpack(out, second) == 0
    assert (here / "record.json").read_text() == "the one that was here"


def packed(path: Path, name: str, link: str = "") -> None:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
        archive.addfile(member)


def test_a_foreign_archive_is_refused_by_name(session: ModuleType, tmp_path: Path) -> None:
    results, out, other = tmp_path / "results", tmp_path / "out", tmp_path / "other"
    out.mkdir()
    made(results, "done")
    made(results, "begun", checkpoint=1000)
    session.pack(results, out, set())
    whole = {path.name: path.read_bytes() for path in out.iterdir()}
    for name, content in whole.items():
        (out / name).write_bytes(content[: min(700, len(content) // 2)])  # after the end of a tar comes padding
        with pytest.raises(ValueError, match=f"{name} cannot be unpacked"):
            session.unpack(out, other)
        (out / name).unlink()
    archive = out / "records-0.tar"
    for name, link in (("../outside", ""), ("/outside", ""), ("runs/a/../../b", ""), ("runs/a/record.json", "/etc/x")):
        packed(archive, name, link)
        with pytest.raises(ValueError, match=r"records-0\.tar cannot be unpacked"):
            session.unpack(out, other)
    archive.rename(out / "frozen.tar")
    packed(out / "frozen.tar", "scripts/train.py")
    with pytest.raises(ValueError, match="which no session packs"):
        session.unpack(out, other)
    with pytest.raises(ValueError, match="is not a folder"):
        session.unpack(tmp_path / "nowhere", other)
    assert not other.exists()
