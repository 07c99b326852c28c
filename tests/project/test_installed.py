"""The package installed as a copy, as by `pip install .`, contains everything that it needs."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
DISTRIBUTE = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"


def python(*arguments: str | Path, folder: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Python in `folder`, with `path` before the installed packages."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path or "")}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the contents of the package's wheel, built from its source distribution."""
    source, built, site = (tmp_path_factory.mktemp(name) for name in ("source", "built", "site"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("src", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    done = python("-c", DISTRIBUTE, built, folder=source)
    assert done.returncode == 0, done.stderr
    (archive,) = built.glob("*.tar.gz")
    shutil.unpack_archive(archive, built, filter="data")
    (unpacked,) = (path for path in built.iterdir() if path.is_dir())
    done = python("-c", BUILD, built, folder=unpacked)
    assert done.returncode == 0, done.stderr
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def files(folder: Path, suffixes: Sequence[str] = ()) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)) for path in found if not suffixes or path.suffix in suffixes}


def test_the_wheel_has_every_module_data_file_and_configuration(site: Path) -> None:
    configs = {f"configs/{name}" for name in files(ROOT / "configs")}
    assert configs and files(site / "scalefree") == files(ROOT / "src" / "scalefree") | configs
    assert files(site / "hydra_plugins") == files(ROOT / "src" / "hydra_plugins")
    assert {path.name for path in site.iterdir() if path.suffix != ".dist-info"} == {"scalefree", "hydra_plugins"}


def test_the_checkouts_scripts_work_with_the_installed_package(site: Path, tmp_path: Path) -> None:
    shown = python(ROOT / "scripts/train.py", "--cfg=job", folder=tmp_path, path=site)
    assert shown.returncode == 0 and "weight_decay" in shown.stdout
    status = python(ROOT / "scripts/status.py", "profile=smoke", folder=tmp_path, path=site)
    assert status.returncode == 0 and "33 different runs in total, 0 done" in status.stdout
    where = python("-c", "import scalefree.compose as c; print(c.CONFIG_DIR)", folder=tmp_path, path=site)
    assert Path(where.stdout.strip()) == site / "scalefree" / "configs"


@pytest.mark.parametrize("left", ["nothing", "an empty folder", "empty groups"])
def test_without_its_configurations_every_script_is_refused_in_one_line(left: str, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site / "scalefree", tmp_path / "site" / "scalefree", ignore=shutil.ignore_patterns("configs"))
    shutil.copytree(site / "hydra_plugins", tmp_path / "site" / "hydra_plugins")
    if left != "nothing":
        (tmp_path / "site" / "scalefree" / "configs").mkdir()
    if left == "empty groups":
        for group in ("experiment", "profile", "optimizer"):
            (tmp_path / "site" / "scalefree" / "configs" / group).mkdir()
    for script, *arguments in (
        ("train.py", "model.depth=8"),
        ("train.py", "-m", "model.depth=8"),
        ("reproduce.py", "profile=smoke"),
        ("status.py", "profile=smoke"),
        ("figures.py", "profile=smoke"),
        ("report.py", "profile=smoke"),
    ):
        done = python(ROOT / "scripts" / script, *arguments, folder=tmp_path, path=tmp_path / "site")
        assert done.returncode == 2 and done.stdout == "", script
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
