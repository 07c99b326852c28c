"""conv3x3.c as a library, compiled for this machine's processor and kept in the user's cache."""

import contextlib
import ctypes
import functools
import hashlib
import logging
import os
import platform
import subprocess
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("conv3x3.c")
COMPILE = ("cc", "-O3", "-march=native", "-shared", "-fPIC", str(SOURCE), "-o")


class Shape(ctypes.Structure):
    """The C code's `Shape`: sizes of a batch (images, inputs or outputs, height, width)."""

    _fields_ = [(name, ctypes.c_int) for name in ("images", "height", "width", "inputs", "outputs")]


def _processor() -> str:
    """What -march=native looks at, so that machines that share a home folder do not share a library."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def library_path() -> Path:
    """Where the compiled library lies: one name for each source, way to compile and kind of processor."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    facts = (*COMPILE, platform.machine(), _processor())
    digest = hashlib.sha256(SOURCE.read_bytes() + "\n".join(facts).encode()).hexdigest()
    return caches / "scalefree" / f"conv3x3-{digest[:16]}.so"


def _compile(path: Path) -> None:
    """Processes that do this at once each rename a whole file into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder, path.name)
        subprocess.run([*COMPILE, str(made)], check=True, capture_output=True, timeout=120)
        made.replace(path)


def _load(path: Path) -> ctypes.CDLL:
    with contextlib.suppress(OSError):  # not there yet, or not whole
        return ctypes.CDLL(str(path))
    _compile(path)
    return ctypes.CDLL(str(path))


@functools.cache
def library() -> ctypes.CDLL | None:
    """The C functions; None where there is no C compiler or no cache to write to: torch's convolutions do then."""
    try:
        functions = _load(library_path())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:  # RuntimeError: nobody's home
        log.info("small convolutions are torch's own, conv3x3.c could not be compiled: %s", error)
        return None
    pointer = ctypes.c_void_p
    functions.conv3x3_scratch.argtypes = [pointer]
    functions.conv3x3_scratch.restype = ctypes.c_size_t
    functions.conv3x3_forward.argtypes = [pointer, pointer, pointer, pointer, ctypes.c_int, pointer, pointer]
    functions.conv3x3_forward.restype = None
    functions.conv3x3_backward.argtypes = [pointer] * 9
    functions.conv3x3_backward.restype = None
    return functions
