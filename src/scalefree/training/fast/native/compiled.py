"""conv3x3.c as a library, compiled for this machine's processor and kept in the user's cache.

The cached library is executed, so it is used only if nobody else could have written it and its content matches the
digest stored next to it. And any compiled library must compute a small product as torch does before a network relies on
it.
"""

import ctypes
import functools
import hashlib
import logging
import os
import platform
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input, conv2d_weight

from scalefree.files import atomic_write
from scalefree.paths import user_cache

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("conv3x3.c")
COMPILE = ("cc", "-O3", "-march=native", "-shared", "-fPIC", str(SOURCE), "-o")


class Unsound(Exception):
    """A library must not be used, or not even loaded; the message says why."""


class Shape(ctypes.Structure):
    """The C code's `Shape`: sizes of a batch (images, inputs or outputs, height, width)."""

    _fields_ = [(name, ctypes.c_int) for name in ("images", "height", "width", "inputs", "outputs")]


def _processor() -> str:
    """What -march=native depends on, so that different machines with a shared home folder do not share a library."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def others_can_write(status: os.stat_result) -> bool:
    """Whether another user could have written the file, or the content of the folder, with this status."""
    return status.st_uid not in (0, os.geteuid()) or bool(status.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def library_path() -> Path | None:
    """The path of the cached library, which depends on the source, the compiler command and the kind of processor.

    None if there is no cache that only this user can write.
    """
    folder = user_cache()
    if folder is None or not folder.is_dir():
        return None
    if others_can_write(folder.stat()):
        log.warning(
            "other users can write %s, so conv3x3.c is compiled for this process only; chmod go-w the folder",
            folder,
        )
        return None
    # Earlier versions kept libraries without a digest; those are ignored.
    facts = ("with its digest", *COMPILE, platform.machine(), _processor())
    digest = hashlib.sha256(SOURCE.read_bytes() + "\n".join(facts).encode()).hexdigest()
    return folder / f"conv3x3-{digest[:16]}.so"


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _own_file(path: Path) -> bytes:
    # Do not follow links or wait for pipes.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise Unsound("is not a file")
        if others_can_write(status):
            raise Unsound("could have been written by another user")
        return file.read()


def kept(path: Path) -> bytes:
    """Machine code from the cache.

    Raises:
        FileNotFoundError: it is not cached.
        Unsound, OSError: it must not be executed.
    """
    content = _own_file(path)
    try:
        told = _own_file(_digest_path(path)).split()
    except FileNotFoundError:
        raise Unsound("has no digest next to it") from None
    if told[:1] != [hashlib.sha256(content).hexdigest().encode()]:
        raise Unsound("does not match its digest")
    return content


def keep(path: Path, content: bytes) -> None:
    """Write to the cache. Concurrent processes each rename complete files into place, the library last."""
    digest = f"{hashlib.sha256(content).hexdigest()}  {path.name}\n".encode()
    try:
        for place, data in ((_digest_path(path), digest), (path, content)):
            with atomic_write(place, mode=0o600) as file:
                file.write(data)
    except OSError as error:
        log.info("%s could not be cached: %s", path.name, error)


def _compile() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "conv3x3.so")
        subprocess.run([*COMPILE, str(made)], check=True, capture_output=True, timeout=120)
        return made.read_bytes()


def _open(content: bytes) -> ctypes.CDLL:
    """Load the code from a place that only this process can write, so that it stays as it was checked."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("conv3x3")  # stays open, because the loader distinguishes libraries by path
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        return ctypes.CDLL(f"/proc/self/fd/{descriptor}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "conv3x3.so")
        path.write_bytes(content)
        return ctypes.CDLL(str(path))


def _counting(*shape: int) -> Tensor:
    """Integers from -5 to 5 in channels_last, whose products can be summed exactly in any order."""
    size = torch.Size(shape)
    values = torch.arange(size.numel(), device="cpu") * 7 % 11 - 5
    return values.reshape(size).to(torch.float32).contiguous(memory_format=torch.channels_last)


def _check_sums(functions: ctypes.CDLL) -> None:
    """Check both directions of [relu](conv(x, weight) + residual) on more images than the C code takes at a time.

    Raises:
        Unsound: a result differs from torch's.
    """
    images, height, width = 14, 5, 4
    for inputs, outputs in ((8, 16), (16, 8)):
        x, weight = _counting(images, inputs, height, width), _counting(outputs, inputs, 3, 3)
        residual, dy = _counting(images, outputs, height, width), _counting(images, outputs, height, width)
        y, dx, dweight, dresidual = map(torch.empty_like, (dy, x, weight, dy))
        shape = Shape(images, height, width, inputs, outputs)
        scratch = torch.empty(functions.conv3x3_scratch(ctypes.addressof(shape)), device="cpu", dtype=torch.float32)
        tensors = (x, weight, residual, y, dy, dx, dweight, dresidual, scratch)
        at = [tensor.data_ptr() for tensor in tensors]
        functions.conv3x3_forward(ctypes.addressof(shape), *at[:3], True, at[3], at[8])
        functions.conv3x3_backward(ctypes.addressof(shape), at[0], at[1], *at[3:])
        with torch.no_grad():
            found_y = F.relu(F.conv2d(x.double(), weight.double(), padding=1) + residual)
            gradient = dy.double() * (found_y > 0)
            expected = (
                found_y,
                conv2d_input(x.shape, weight.double(), gradient, padding=1),  # type: ignore[no-untyped-call]
                conv2d_weight(x.double(), weight.shape, gradient, padding=1),  # type: ignore[no-untyped-call]
                gradient,
            )
        if not all(map(torch.equal, (y.double(), dx.double(), dweight.double(), dresidual.double()), expected)):
            raise Unsound("does not compute what torch does")


def _checked(content: bytes) -> ctypes.CDLL:
    """Load the library, declare its functions and try them.

    Raises:
        Unsound, OSError: it cannot be loaded, lacks a function, or computes something else.
    """
    functions = _open(content)
    pointer = ctypes.c_void_p
    try:
        functions.conv3x3_scratch.argtypes = [pointer]
        functions.conv3x3_scratch.restype = ctypes.c_size_t
        functions.conv3x3_forward.argtypes = [pointer, pointer, pointer, pointer, ctypes.c_int, pointer, pointer]
        functions.conv3x3_forward.restype = None
        functions.conv3x3_backward.argtypes = [pointer] * 9
        functions.conv3x3_backward.restype = None
    except AttributeError:
        raise Unsound("lacks a function of conv3x3.c") from None
    _check_sums(functions)
    return functions


@functools.cache
def library() -> ctypes.CDLL | None:
    """The C functions; None without a C compiler, in which case torch's convolutions are used.

    A cached library that fails its checks is compiled again, with a line in the log.
    """
    path = library_path()
    if path is not None:
        try:
            return _checked(kept(path))
        except FileNotFoundError:
            pass
        except (Unsound, OSError) as error:
            log.warning("%s %s; conv3x3.c is compiled again", path, error)
    try:
        content = _compile()
        functions = _checked(content)
    except (Unsound, OSError, subprocess.SubprocessError) as error:
        log.info("using torch's small convolutions, because conv3x3.c could not be compiled: %s", error)
        return None
    if path is not None:
        keep(path, content)
    return functions
