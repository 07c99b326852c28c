"""A process that runs with the double of CUDA, started when a test asks it something."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.cuda_double.build import Unavailable, command, compiled

Ask = Callable[..., Any]


class Session:
    """Answers questions, one after another, in a process of its own."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.library, self.folder = library, folder
        self.process: subprocess.Popen[str] | None = None

    def __call__(self, question: str, *arguments: Any) -> Any:
        """The answer of a function of session.py.

        Raises:
            AssertionError: it failed, or the process ended; with all that it said.
        """
        said = self.folder / "stderr"
        if self.process is None or self.process.poll() is not None:
            with said.open("w") as stderr:
                self.process = subprocess.Popen(
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    **command(self.library, self.folder, "-m", "training.cuda_double.session"),
                )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps([question, arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait()}:\n{said.read_text()}"
        answer = json.loads(line)
        assert "raised" not in answer, answer["raised"]
        return answer

    def close(self) -> None:
        if self.process is not None:
            self.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The double, compiled."""
    try:
        return compiled(tmp_path_factory.mktemp("cuda_double"))
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def ask(double: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks a process with the double."""
    session = Session(double, tmp_path_factory.mktemp("session"))
    yield session
    session.close()
