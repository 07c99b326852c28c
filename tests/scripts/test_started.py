"""Every script starts however Python is started: it needs only the installed package on the path."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.entry import ENVIRONMENT, ROOT, SCRIPTS

# What each script says about an unknown argument.
SAID = {
    "archive.py": "error: unknown argument 'nonsense=1'",
    "benchmark.py": "error: unknown argument 'nonsense=1'",
    "dashboard.py": "error: unknown argument 'nonsense=1'",
    "dashboard_offline.py": "error: unknown argument 'nonsense=1'",
    "defect.py": "error: unknown argument 'nonsense=1'",
    "export.py": "error: unknown argument 'nonsense=1'",
    "figures.py": "error: unknown argument 'nonsense=1'",
    "freeze.py": "error: unknown argument 'nonsense=1'",
    "gpu_session.py": "error: unknown argument 'nonsense=1'",
    "import_wandb.py": "error: unknown argument 'nonsense=1'",
    "merge.py": "error: nonsense=1 is not a store of records",
    "pack.py": "error: unknown argument 'nonsense=1'",
    "report.py": "error: unknown argument 'nonsense=1'",
    "reproduce.py": "error: unknown argument 'nonsense=1'",
    "status.py": "error: unknown argument 'nonsense=1'",
    "sync.py": "error: unknown argument 'nonsense=1'",
    "train.py": "error: Could not override 'nonsense'",
    "verify.py": "error: unknown argument 'nonsense=1'",
}
# Isolated like `python -I`, which ignores the script's folder and PYTHONPATH; the package is
# found as an installed one would be.
ISOLATED = f"import runpy, sys; sys.path.insert(0, {str(ROOT / 'src')!r}); sys.argv = sys.argv[1:]; " + (
    "runpy.run_path(sys.argv[0], run_name='__main__')"
)


def test_every_script_is_tested() -> None:
    assert {path.name for path in SCRIPTS.glob("*.py")} == SAID.keys()


@pytest.mark.parametrize("script", SAID)
def test_scripts_start_isolated_and_through_a_link_on_a_safe_path(script: str, tmp_path: Path) -> None:
    link = tmp_path / "links" / "another name.py"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(SCRIPTS / script, link.parent))
    (tmp_path / "work").mkdir()
    starts = (
        ["-I", "-c", ISOLATED, str(SCRIPTS / script)],
        ["-P", "../links/another name.py"],
    )
    for start in starts:
        command = [sys.executable, *start, "nonsense=1"]
        done = subprocess.run(command, cwd=tmp_path / "work", env=ENVIRONMENT, capture_output=True, text=True)
        assert done.returncode == 2 and done.stdout == "", (start, done.stderr)
        assert done.stderr.startswith(SAID[script]) and done.stderr.count("\n") == 1, (start, done.stderr)


def test_a_multirun_and_its_workers_start_on_a_safe_path(tmp_path: Path) -> None:
    tiny = ("dataset.per_class=20", "model.depth=8", "model.width=4", "training.epochs=1", "tracking=none")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "train.py"), "-m", *tiny, "hydra.launcher.jobs=1"],
        cwd=tmp_path,
        env={**ENVIRONMENT, "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "") and "\n1 trained\n" in done.stdout
