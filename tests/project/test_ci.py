""".ci/run with a stand-in for make: its steps, and that the first failure ends it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
echo "$@"
[ -e Makefile ] || exit 9
[ "$1" != "$FAILS" ] || exit 7
"""


def run(folder: Path, fails: str) -> subprocess.CompletedProcess[str]:
    make = folder / "make"
    make.write_text(STAND_IN)
    make.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "FAILS": fails, "TMPDIR": str(folder)}
    return subprocess.run([ROOT / ".ci/run"], cwd=folder, env=environment, capture_output=True, text=True)


def test_tests_then_linters_then_the_smallest_profile(tmp_path: Path) -> None:
    done = run(tmp_path, fails="nothing")
    assert done.returncode == 0
    steps = done.stdout.splitlines()
    assert steps[:2] == ["test", "lint"]
    assert steps[2].startswith(f"reproduce-figures PROFILE=smoke RESULTS={tmp_path}/")
    assert list(tmp_path.iterdir()) == [tmp_path / "make"]


@pytest.mark.parametrize("step", ["test", "lint", "reproduce-figures"])
def test_a_failure_ends_it(tmp_path: Path, step: str) -> None:
    done = run(tmp_path, fails=step)
    assert done.returncode == 7
    assert done.stdout.splitlines()[-1].startswith(step)
    assert list(tmp_path.iterdir()) == [tmp_path / "make"]
