"""Bad input: one clear line, a non-zero exit, nothing written."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scripts.running import SCRIPTS, run_script


def images(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("ant", "bee"):
            (root / split / name).mkdir(parents=True)
            for number in range(3):
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / split / name / f"{number}.png")
    return root


def refused(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, *overrides: str) -> str:
    """The one line on stderr of a refused training."""
    results = tmp_path / "results"
    code = run_script(monkeypatch, "train.py", *overrides, f"results_dir={results}", "tracking=none")
    said = capfd.readouterr()
    assert code == 2
    assert not results.exists()
    lines = said.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and "Traceback" not in said.out
    return lines[0]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.dpeth=20"], "dpeth"),
        (["+model.dpeth=20"], "model.dpeth is no key of a run"),
        (["model.depth=21"], "model.depth=21 is no CIFAR ResNet depth: depths are 6n+2; nearest: 20, 26"),
        (["model.depth=deep"], "model.depth"),
        (["model=vgg"], "densenet resnet"),
        (["model=densenet", "model.width=8"], "width"),
        (["optimizer.lr=-1"], "optimizer.lr=-1 is impossible"),
        (["optimizer.weight_decay=-1e-4"], "optimizer.weight_decay=-0.0001 is impossible"),
        (["optimizer=sgd"], "adamw"),
        (["precision=fp16"], "precision=fp16 is unknown; choose one of fp32, tf32, bf16"),
        (["training.epochs=0"], "training.epochs=0 is impossible"),
        (["dataset=image_folder"], "dataset.root"),
        (["dataset=image_folder", "dataset.root=/nowhere"], "dataset.root=/nowhere does not exist"),
    ],
)
def test_refuses(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    overrides: list[str],
    message: str,
) -> None:
    assert message in refused(monkeypatch, capfd, tmp_path, *overrides)


def test_refuses_damaged_image_folders(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whole = images(tmp_path / "whole")

    def damaged(name: str) -> Path:
        return Path(shutil.copytree(whole, tmp_path / name))

    def said(root: Path) -> str:
        return refused(monkeypatch, capfd, tmp_path, "dataset=image_folder", f"dataset.root={root}")

    unreadable = damaged("unreadable") / "train" / "bee" / "1.png"
    unreadable.write_bytes(b"not a picture")
    assert str(unreadable) in said(tmp_path / "unreadable")
    larger = damaged("sizes") / "test" / "ant" / "2.png"
    Image.new("RGB", (16, 16)).save(larger)
    assert f"{larger} is 16x16" in said(tmp_path / "sizes")
    shutil.rmtree(damaged("classes") / "train" / "bee")
    assert "'bee' that train/ lacks" in said(tmp_path / "classes")
    (tmp_path / "empty").mkdir()
    assert "has no train/ folder" in said(tmp_path / "empty")


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("reproduce.py", ["profile=huge"], "profile=huge is unknown; choose one of"),
        ("reproduce.py", ["experiment=nothing"], "experiment=nothing is unknown; choose one of"),
        ("reproduce.py", ["jobs=none"], "jobs=none is impossible"),
        ("reproduce.py", ["prfile=quick"], "unknown argument 'prfile=quick'"),
        ("figures.py", ["figure=portrait"], "figure=portrait is unknown; choose one of"),
        ("status.py", ["profile=huge"], "profile=huge is unknown; choose one of"),
    ],
)
def test_other_scripts_refuse(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    script: str,
    arguments: list[str],
    message: str,
) -> None:
    assert run_script(monkeypatch, script, *arguments, f"results_dir={tmp_path / 'results'}") == 2
    assert message in capfd.readouterr().err
    assert not (tmp_path / "results").exists()


def test_help_needs_no_torch() -> None:
    program = (
        "import runpy, sys; sys.argv = ['train.py', '--help']\n"
        f"try: runpy.run_path({str(SCRIPTS / 'train.py')!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0 and "optimizer: " in done.stdout
