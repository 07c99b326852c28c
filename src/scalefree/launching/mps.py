"""NVIDIA's Multi-Process Service: kernels of several processes run on one GPU at once, not in turn.

The daemon is this sweep's own: it is started before the first worker and ended after the last. None of the GPU's
settings changes; in particular the compute mode stays what it is.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scalefree.config import ConfigError

CONTROL = "nvidia-cuda-mps-control"
PIPES = "CUDA_MPS_PIPE_DIRECTORY"


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def multi_process_service() -> Iterator[None]:
    """While it lasts, CUDA processes that are started share their GPU through a daemon.

    Where one is named in the environment already, as clusters do it, that one serves.

    Raises:
        ConfigError: this machine has no such daemon, or it did not start.
    """
    if PIPES in os.environ:
        yield
        return
    control = shutil.which(CONTROL)
    if control is None:
        raise ConfigError(
            f"hydra.launcher.mps=true needs {CONTROL}, a part of NVIDIA's driver; hydra.launcher.mps=false does without"
        )
    with (
        tempfile.TemporaryDirectory(prefix="mps-") as folder,
        _environment({PIPES: str(Path(folder, "pipe")), "CUDA_MPS_LOG_DIRECTORY": str(Path(folder, "log"))}),
    ):
        for name in ("pipe", "log"):
            Path(folder, name).mkdir()
        said = Path(folder, "said")
        with said.open("w") as file:  # no pipe, which the daemon would hold open
            code = subprocess.run([control, "-d"], stdout=file, stderr=file, start_new_session=True).returncode
        if code != 0:
            raise ConfigError(
                f"{CONTROL} -d ended with {code}: {said.read_text().strip()}; use hydra.launcher.mps=false"
            )
        try:
            yield
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run([control], input="quit\n", text=True, capture_output=True, timeout=60)
