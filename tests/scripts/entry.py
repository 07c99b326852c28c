"""The scripts as a user starts them."""

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
# For programs that import from the tests too.
TESTS_ENVIRONMENT = {**ENVIRONMENT, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(SCRIPTS / script), *arguments]


def start(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, in `folder`, to its end."""
    return subprocess.run(command(script, *arguments), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def call(script: str, arguments: Sequence[str], patch: pytest.MonkeyPatch) -> int:
    """Run a script in this process, which has torch already; its exit code."""
    patch.setattr(sys, "argv", [str(SCRIPTS / script), *arguments])
    patch.syspath_prepend(SCRIPTS)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    code = ended.value.code
    return code if isinstance(code, int) else int(code is not None)
