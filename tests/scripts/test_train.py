"""train.py: what it trains, what it refuses, and what it prints."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from launching.test_sweep import answers_sigterm, until
from scalefree.records import Store
from scripts.entry import ENVIRONMENT, call, command, start
from tracking.wandb_files import run_folders

TINY = ("dataset.per_class=20", "model.depth=8", "model.width=4", "training.epochs=1", "tracking=none", "device=cpu")

Train = Callable[..., int]


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Calls train.py in an empty working folder; its results go to `results` there."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return lambda *arguments: call("train.py", arguments, monkeypatch)


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def test_a_multirun_gives_every_combination_a_record_and_a_wandb_run(tmp_path: Path) -> None:
    """As in the README: two depths, two optimizers and two decays."""
    swept = ("model.depth=8,14", "optimizer=adaml2,adamw", "optimizer.weight_decay=0,1e-4")
    done = start(tmp_path, "train.py", "-m", *swept, "training.epochs=1", "model.width=8", "dataset.per_class=20")
    assert done.returncode == 0 and done.stderr == ""
    records = Store(tmp_path / "results").records()
    combinations = {
        (r.config["model"]["depth"], r.config["optimizer"]["name"], r.config["optimizer"]["weight_decay"])
        for r in records.values()
    }
    assert len(records) == len(combinations) == 8
    assert all(record.outcome.status == "completed" for record in records.values())
    folders = run_folders(tmp_path / "results")
    assert {folder.name.rpartition("-")[2] for folder in folders} == records.keys() and len(folders) == 8
    assert done.stdout.count(": trained, test error") == 8 and "\n8 trained\n" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"results"}


def test_a_multirun_can_sweep_torch_optimizers_and_their_arguments(tmp_path: Path) -> None:
    swept = ("optimizer=torch", "optimizer.target=torch.optim.NAdam,torch.optim.RAdam", "optimizer.weight_decay=1e-4")
    arguments = "optimizer.arguments={betas: [0.9, 0.99]},{betas: [0.8, 0.99]}"
    done = start(tmp_path, "train.py", "-m", *swept, arguments, *TINY)
    assert done.returncode == 0 and done.stderr == ""
    found = [record.config["optimizer"] for record in Store(tmp_path / "results").records().values()]
    assert sorted((of["target"], of["arguments"]["betas"][0]) for of in found) == [
        (f"torch.optim.{name}", beta) for name in ("NAdam", "RAdam") for beta in (0.8, 0.9)
    ]
    again = start(tmp_path, "train.py", "-m", *swept, arguments, *TINY)
    assert "4 already done\n" in again.stdout


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=basic",)], ids=str)
def test_a_multirun_with_an_unusable_optimizer_is_refused_by_name(
    launcher: tuple[str, ...], train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    swept = ("optimizer=torch", "optimizer.target=torch.optim.LBFGS,torch.optim.Nadam", "seed=0,1")
    assert train("-m", *launcher, *swept, *TINY) == 2
    out, err = capfd.readouterr()
    told = {line for line in err.splitlines() if line.startswith("error: ")}
    assert len(told) == (4 if launcher else 1)
    named = [name for line in told for name in ("LBFGS needs a closure", "no attribute 'Nadam'") if name in line]
    assert len(set(named)) == 2
    assert not (tmp_path / "work" / "results" / "runs").exists() and "trained" not in out


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("optimizer.weight_dekay=0", "weight_dekay"),
        ("+optimizer.momentum=0.9", "momentum"),
        ("model.depth=21", "depth=21 is not a CIFAR ResNet.*20, 26"),
        ("optimizer.lr=-1", r"optimizer\.lr=-1"),
        ("optimizer.lr=fast", r"optimizer\.lr.*fast"),
        ("optimizer=sgd", "sgd.*adamw"),
        ("precision=tf32", "precision=tf32"),
        ("optimizer.lr", r"optimizer\.lr"),
        ("dataset=image_folder", r"dataset\.root"),
        ("results_dir=5", r"results_dir=5 is not a path; write \./5"),
        ("results_dir=", "results_dir is empty"),
        ("results_dir=~no-such-user/x", "no such home folder"),
        ("dataset.root=0.5", r"dataset\.root=0\.5 is not a path"),
        ("results_dir=\x1b[31m", r"\\x1b\[31m"),
        (
            "tracking=null",
            "^error: tracking=null is not a valid choice; tracking takes one name of none, offline, online$",
        ),
        ("optimizer=3", "^error: optimizer=3 is not a valid choice"),
        ("optimizer=[adamw,adaml2]", r"^error: optimizer=\[adamw,adaml2\] is not a valid choice"),
        ("hydra/launcher=null", "^error: hydra/launcher=null is not a valid choice"),
        (f"seed={'9' * 400}", "^error: seed=9*9 has a number with too many digits"),
        ("seed=[1", r"^error: seed=\[1 is not key=value as Hydra reads it"),
        ("tracking.project=me/project", r"^error: tracking\.project='me/project' contains '/'"),
        ("results_dir=/dev/null", "^error: results_dir=/dev/null is impossible: /dev/null is not a directory"),
        ("results_dir=''", "^error: results_dir is empty"),
        ("tracking.group='a\nb\x1b'", r"tracking\.group='a\\nb\\x1b' contains"),
        ("--config-name=nowhere", "Cannot find primary config 'nowhere'"),
        ("--config-dir=/nowhere/at/all", "'/nowhere/at/all' not found"),
        ("--experimental-rerun=job.pickle", "would execute whatever the pickled file contains"),
        ("--verbose", "unrecognized arguments: --verbose"),
        ("hydra.job.env_copy=[NOT_THERE]", "NOT_THERE"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line_and_nothing_is_written(
    argument: str, named: str, train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(argument) == 2
    assert_one_line(capfd, named)
    assert tree(tmp_path / "work") == set()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-m", "--cfg", "job"), "Only one of --run, --multirun, --cfg"),
        (("--cfg", "job", "--package", "nowhere"), "package 'nowhere' not found"),
        (("--resolve",), "can only be used in conjunction with --cfg"),
        (("--cfg", "everything"), "invalid choice: 'everything'"),
        (("-cn",), "expected one argument"),
    ],
)
def test_incompatible_options_are_refused_in_one_line(
    arguments: tuple[str, ...], named: str, train: Train, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == "" and named in err and err.count("\n") == 1


def assert_one_line(capfd: pytest.CaptureFixture[str], named: str) -> None:
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and err.endswith("\n")
    assert re.search(named, err.rstrip()), err


def images(root: Path, change: str) -> Path:
    """A sound image folder of two classes, except for one change."""
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for number in range(3):
                pixels = np.full((8, 8), 80 * number, dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    if change == "unreadable":
        (root / "train" / "dog" / "1.png").write_bytes(b"no image")
    if change == "size":
        Image.new("L", (9, 8)).save(root / "test" / "cat" / "2.png")
    if change == "class":
        (root / "test" / "bird").mkdir()
        Image.new("L", (8, 8)).save(root / "test" / "bird" / "0.png")
    return root


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("missing", "nowhere does not exist"),
        ("empty", r"has no train/ folder"),
        ("unreadable", r"dog/1\.png is not a readable image"),
        ("size", r"cat/2\.png is 9x8"),
        ("class", "has the class 'bird', which train/ lacks"),
    ],
)
def test_a_bad_image_folder_is_refused_in_one_line_and_nothing_is_written(
    change: str, named: str, train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / ("nowhere" if change == "missing" else "images")
    if change == "empty":
        root.mkdir()
    elif change != "missing":
        images(root, change)
    before = tree(tmp_path)
    assert train("dataset=image_folder", f"dataset.root={root}", *TINY[1:]) == 2
    assert_one_line(capfd, named)
    assert tree(tmp_path) == before


def test_a_sound_image_folder_is_trained_on(train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = images(tmp_path / "images", "none")
    assert train("dataset=image_folder", f"dataset.root={root}", *TINY[1:]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("launcher", [(), ("-m", "hydra.launcher.jobs=1"), ("-m", "hydra/launcher=basic")], ids=str)
def test_a_tilde_means_the_home_folder(
    launcher: tuple[str, ...],
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    images(tmp_path / "images", "none")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = ("dataset=image_folder", "dataset.root=~/images", *TINY[1:])
    assert train(*launcher, *folder, "results_dir=~/with spaces/r\u00e9sultats") == 0
    assert len(Store(tmp_path / "with spaces" / "r\u00e9sultats").records()) == 1
    assert not [path for path in tree(tmp_path) if path.name.startswith("~")]


def test_names_that_are_not_utf8_are_supported(train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = images(tmp_path / "caf\udce9", "none")
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / "\udce9.png")
    assert train("dataset=image_folder", f"dataset.root={root}", *TINY[1:]) == 0
    (record,) = Store("results").records().values()
    assert record.environment["dataset_root"] == r"caf\xe9"
    (root / "train" / "cat" / "\udce9.png").write_bytes(b"")
    capfd.readouterr()
    assert train("dataset=image_folder", f"dataset.root={root}", *TINY[1:]) == 2
    assert_one_line(capfd, r"caf\\xe9/train/cat/\\xe9\.png is not a readable image")


def test_an_image_folder_is_read_in_a_locale_without_utf8(tmp_path: Path) -> None:
    root = images(tmp_path / "K\u00e4tzchen", "none")
    for split in ("train", "test"):
        (root / split / "cat").rename(root / split / "K\u00e4tzchen")
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        command("train.py", "dataset=image_folder", f"dataset.root={root}", *TINY[1:]),
        cwd=tmp_path,
        env={**ENVIRONMENT, **locale},
        capture_output=True,
    )
    assert done.returncode == 0 and done.stderr == b""
    (record,) = Store(tmp_path / "results").records().values()
    assert record.environment["dataset_root"] == "K\u00e4tzchen"


def test_a_pipe_in_place_of_an_image_does_not_block(tmp_path: Path) -> None:
    root = images(tmp_path / "images", "none")
    os.mkfifo(root / "test" / "dog" / "9.png")
    arguments = command("train.py", "dataset=image_folder", f"dataset.root={root}", *TINY[1:])
    done = subprocess.run(arguments, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and re.fullmatch(r"error: .*/dog/9\.png cannot be read .*\n", done.stderr)


def test_a_run_prints_its_result_and_a_rerun_says_that_it_is_done(
    train: Train, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train(*TINY) == 0
    out, err = capfd.readouterr()
    (record,) = Store("results").records().values()
    assert out.splitlines()[-1] == f"test error {record.test_error:.4f}: results/runs/{record.name}" and err == ""
    assert train(*TINY) == 0
    out, err = capfd.readouterr()
    assert out == f"already done, test error {record.test_error:.4f}: results/runs/{record.name}\n" and err == ""


def test_a_diverged_run_is_a_result(train: Train, capfd: pytest.CaptureFixture[str]) -> None:
    assert train(*TINY, "optimizer.lr=1e30") == 0
    assert "diverged at step" in capfd.readouterr().out


def test_a_failure_is_one_line_and_the_record_has_its_traceback(
    train: Train, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("scalefree.training.trainer.evaluate_all", fail)
    assert train(*TINY) == 1
    assert_one_line(capfd, "^error: RuntimeError: CUDA out of memory$")
    (record,) = Store("results").records().values()
    assert record.outcome.status == "failed" and "Traceback" in record.outcome.reason


def test_a_multirun_with_wrong_jobs_is_refused_as_a_whole_before_any_work(
    train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train("-m", *TINY, "model.depth=21,8,33", "optimizer.lr=1e-3") == 2
    out, err = capfd.readouterr()
    first, second = err.splitlines()
    assert first.startswith("error: ") and "model.depth=21 " in first and "nearest: 20, 26" in first
    assert second.startswith("error: ") and "model.depth=33 " in second
    assert out == "" and not (tmp_path / "work" / "results" / "runs").exists()


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("hydra.launcher.jobs=0", r"hydra\.launcher\.jobs=0 is impossible"),
        ("hydra.launcher.jobs=two", r"hydra\.launcher\.jobs='two' has the wrong type; expected int"),
        ("+hydra.launcher.threads=2", r"hydra\.launcher\.threads is unknown; local has jobs"),
        ("hydra/launcher=cloud", "hydra/launcher/cloud"),
    ],
)
def test_a_wrong_launcher_setting_is_refused_in_one_line(
    argument: str, named: str, train: Train, capfd: pytest.CaptureFixture[str]
) -> None:
    assert train("-m", *TINY, argument) == 2
    assert_one_line(capfd, named)


def test_a_failure_in_a_multirun_is_listed_and_affects_no_other_run(
    train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The second run's folder has an unreadable image; when rerun, only that run is left to do."""
    roots = [images(tmp_path / change, change) for change in ("none", "unreadable")]
    arguments = ("-m", "dataset=image_folder", f"dataset.root={','.join(map(str, roots))}", *TINY[1:])
    for ending in ("1 trained", "1 already done"):
        assert train(*arguments, "hydra.launcher.jobs=1") == 1
        out, err = capfd.readouterr()
        assert (
            ending in out and "1 failed" in out and "  failed: image_folder-" in out and "not a readable image" in out
        )
        assert err == "error: 1 of 2 runs have no result\n"
        (record,) = Store("results").records().values()
        assert record.outcome.status == "completed"


def test_hydras_launcher_trains_in_this_process_and_lists_failures(
    train: Train, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    roots = [images(tmp_path / change, change) for change in ("unreadable", "none", "size")]
    arguments = ("dataset=image_folder", f"dataset.root={','.join(map(str, roots))}", *TINY[1:])
    assert train("-m", "hydra/launcher=basic", *arguments) == 2
    out, err = capfd.readouterr()
    assert len(Store("results").records()) == 1 and "test error" in out
    first, second, head, *listed = err.splitlines()
    assert "not a readable image" in first and "is 9x8" in second
    assert head == "2 runs failed:" and listed == [first, second]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_a_checkpoint_and_says_how_to_resume(number: signal.Signals, tmp_path: Path) -> None:
    arguments = (*TINY, "training.epochs=100000", "tracking=none")
    with subprocess.Popen(
        command("train.py", *arguments),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # the process that runs the tests may ignore it
    ) as process:
        until(lambda: answers_sigterm(process.pid))
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err == "interrupted; run the same command again to resume\n"
    left = {path.name for path in (tmp_path / "results" / "runs").glob("*/*")}
    assert left == {"checkpoint.pt", "run.log"}


def test_help_and_cfg_do_not_import_torch(tmp_path: Path) -> None:
    for argument in ("--help", "--cfg=job"):
        interpreter, *rest = command("train.py", argument)
        shown = subprocess.run(
            [interpreter, "-X", "importtime", *rest], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True
        )
        imported = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
        assert shown.returncode == 0 and "weight_decay" in shown.stdout
        assert "hydra" in imported and not imported & {"torch", "wandb", "sklearn", "scalefree.training"}
    assert tree(tmp_path) == set()
