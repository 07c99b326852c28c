"""Runs the scripts as a user does."""

import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
# For programs that also import from the tests.
TESTS_ENVIRONMENT = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPTS / script), *arguments]


def start(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a script to its end in its own process, in `folder`."""
    return subprocess.run(command(script, *arguments), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def call(script: str, arguments: Sequence[str], patch: pytest.MonkeyPatch) -> int:
    """Runs a script in this process, which has already loaded torch; returns its exit code."""
    patch.setattr(sys, "argv", [str(SCRIPTS / script), *arguments])
    patch.syspath_prepend(SCRIPTS)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)
