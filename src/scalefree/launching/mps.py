"""NVIDIA's Multi-Process Service, which lets kernels of several processes run on one GPU at once.

The sweep runs its own daemon, from before the first worker starts until after the last has ended. None of the GPU's
settings is changed, in particular not the compute mode.
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
    """Set environment variables for processes that are started within the block."""
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
    """Let CUDA processes that are started within the block share their GPU through a daemon.

    If the environment already names a daemon, as on some clusters, that one is used.

    Raises:
        ConfigError: this machine has no MPS daemon, or it did not start.
    """
    if PIPES in os.environ:
        yield
        return
    control = shutil.which(CONTROL)
    if control is None:
        raise ConfigError(
            f"hydra.launcher.mps=true needs {CONTROL}, which is part of NVIDIA's driver; use hydra.launcher.mps=false"
        )
    with (
        tempfile.TemporaryDirectory(prefix="mps-") as folder,
        _environment({PIPES: str(Path(folder, "pipe")), "CUDA_MPS_LOG_DIRECTORY": str(Path(folder, "log"))}),
    ):
        for name in ("pipe", "log"):
            Path(folder, name).mkdir()
        said = Path(folder, "said")
        with said.open("w") as file:  # not a pipe, which the daemon would keep open
            code = subprocess.run([control, "-d"], stdout=file, stderr=file, start_new_session=True).returncode
        if code != 0:
            raise ConfigError(
                f"{CONTROL} -d failed with exit code {code}: {said.read_text().strip()}; use hydra.launcher.mps=false"
            )
        try:
            yield
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                subprocess.run([control], input="quit\n", text=True, capture_output=True, timeout=60)
