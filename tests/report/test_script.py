"""scripts/report.py as a person runs it, with the real claims."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "scripts/report.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_it_writes_the_page_and_says_where(tmp_path: Path) -> None:
    done = report("profile=smoke", f"results_dir={tmp_path}")
    path = tmp_path / "report" / "smoke.html"
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"report: {path} (")
    # The claims about theory are judged without any record.
    assert 'href="#claim-2"' in path.read_text()


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    done = report("profile=huge", f"results_dir={tmp_path}")
    assert done.returncode == 2 and done.stderr.startswith("error: profile=huge is unknown")
    assert list(tmp_path.iterdir()) == []
