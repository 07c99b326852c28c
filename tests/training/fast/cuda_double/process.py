"""Processes that run with the double in place of CUDA."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[4]


def command(library: Path, cache: Path, *arguments: str) -> dict[str, Any]:
    """Arguments for subprocess that start Python with the double in place of CUDA and its own user cache."""
    (cache / "scalefree").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / part) for part in ("src", "", "tests")),
        "OMP_NUM_THREADS": "1",
        "XDG_CACHE_HOME": str(cache),
    }
    return {"args": [sys.executable, *arguments], "env": environment}


class Session:
    """A separate process that answers questions, one after another."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.library, self.folder = library, folder
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, question: str, *arguments: Any) -> Any:
        """The answer of a function in session.py.

        Raises:
            AssertionError: it failed, or the process ended; the message has its output.
        """
        said = self.folder / "stderr"
        if self.process is None:
            with said.open("w") as stderr:
                self.process = subprocess.Popen(
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    **command(self.library, self.folder, "-m", "training.fast.cuda_double.session"),
                )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([question, arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            code = self.close()
            raise AssertionError(f"it ended with {code}:\n{said.read_text()}")
        answer = json.loads(line)
        assert "raised" not in answer, answer["raised"]
        return answer

    def close(self) -> int:
        """Ends the process and waits for it; the next question starts another one."""
        if self.process is None:
            return 0
        self.process.communicate()
        code, self.process = self.process.returncode, None
        return code
