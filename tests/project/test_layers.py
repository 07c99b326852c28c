"""The import contracts: the package keeps them, and wrong imports break them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs import-linter on a copy of the sources."""
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept(sources: Path) -> None:
    done = lint_imports(sources)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("figures/new", "import scalefree.training"),
        ("training/new", "import scalefree.experiments.grid, scalefree.figures"),
        ("training/new", "import scalefree.training.fast.flat"),
        ("records/new", "import torch"),
        ("experiments/new", "import scalefree.measure"),
        ("figures/new", "import torch"),
        ("models/new", "import numpy"),
        ("optim/new", "import scalefree.config"),
        ("unplaced", "import math"),
    ],
)
def test_a_wrong_import_breaks_a_contract(sources: Path, module: str, line: str) -> None:
    (sources / f"src/scalefree/{module}.py").write_text(f"{line}\n")
    done = lint_imports(sources)
    assert done.returncode == 1
    assert f"scalefree.{module.replace('/', '.')}" in done.stdout
