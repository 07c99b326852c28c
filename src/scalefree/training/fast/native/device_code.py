"""CUDA source on a device: compiled by NVRTC and launched by the driver, both of which torch has already loaded.

torch's own way of doing this needs the headers of a CUDA toolkit, which a machine that only runs torch lacks.
"""

import ctypes
import functools
import hashlib
import logging
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from scalefree.paths import user_cache
from scalefree.training.fast.native.compiled import Unsound, keep, kept, others_can_write

log = logging.getLogger(__name__)

# CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, and the limit without it.
MAX_SHARED, UNASKED = 8, 48 << 10


class Launch(Protocol):
    """Starts kernels of one compiled source."""

    def __call__(self, name: str, grid: int, block: int, shared: int, *arguments: Tensor | int) -> None:
        """Start `grid` thread blocks of `block` threads with `shared` bytes; tensors are passed by address."""
        ...


class DeviceError(Exception):
    """An error of NVRTC or the driver, in their words."""


def warn_unusable(source: Path, error: DeviceError, instead: str) -> None:
    """Log in one line that the kernels of a source cannot be used, why, and what takes their place."""
    reason = " ".join(str(error).split())[:500]
    log.warning("using %s, because %s cannot be used: %s", instead, source.name, reason)


@functools.cache
def _nvrtc() -> ctypes.CDLL:
    major = (torch.version.cuda or "0").partition(".")[0]
    names = [f"libnvrtc.so.{major}", "libnvrtc.so"]
    folders = {Path(sysconfig.get_path("purelib")), Path(torch.__file__).parents[1]}
    for folder in folders:
        names += map(str, sorted(folder.glob(f"nvidia/*/lib/libnvrtc.so.{major}*")))
        names += map(str, sorted(folder.glob("torch/lib/libnvrtc*.so*")))
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise DeviceError("NVRTC is not installed")


def compiled_source(source: str, architecture: str) -> bytes:
    """Machine code for an architecture such as `sm_90`. Needs no device.

    Raises:
        DeviceError: NVRTC is missing, or the source is wrong; the message contains the log.
    """
    nvrtc = _nvrtc()
    program = ctypes.c_void_p()
    if nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None):
        raise DeviceError("NVRTC could not create a program")
    try:
        words = [f"--gpu-architecture={architecture}".encode(), b"--std=c++17"]
        failed = nvrtc.nvrtcCompileProgram(program, len(words), (ctypes.c_char_p * len(words))(*words))
        what = "ProgramLog" if failed else "CUBIN"
        size = ctypes.c_size_t()
        if getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)):
            raise DeviceError(f"NVRTC gives no {what}")
        content = ctypes.create_string_buffer(size.value)
        if getattr(nvrtc, f"nvrtcGet{what}")(program, content):
            raise DeviceError(f"NVRTC gives no {what}")
        if failed:
            raise DeviceError(f"NVRTC: {content.value.decode(errors='replace').strip()}")
        return content.raw
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _cached(source: str, architecture: str) -> bytes:
    """`compiled_source` with a cache in the user's folder, under the rules of compiled.py."""
    folder = user_cache()
    if folder is None or not folder.is_dir() or others_can_write(folder.stat()):
        return compiled_source(source, architecture)
    facts = f"{source}\n{architecture}\n{torch.version.cuda}"
    path = folder / f"kernels-{hashlib.sha256(facts.encode()).hexdigest()[:16]}.cubin"
    try:
        return kept(path)
    except (Unsound, OSError):
        content = compiled_source(source, architecture)
        keep(path, content)
        return content


class DeviceCode:
    """The kernels of a source, loaded into a device's context: a `Launch` on torch's current stream.

    Args:
        shared: the most bytes of shared memory that each kernel will be launched with.

    Raises:
        DeviceError: it cannot be compiled or loaded, or a kernel needs more shared memory than the device has.
    """

    def __init__(self, source: str, shared: Mapping[str, int], device: torch.device) -> None:
        try:
            self.driver = ctypes.CDLL("libcuda.so.1")
        except OSError as error:
            raise DeviceError(str(error)) from None
        self.device = device
        major, minor = torch.cuda.get_device_capability(device)
        code = _cached(source, f"sm_{major}{minor}")
        with torch.cuda.device(device):
            torch.zeros(1, device=device)  # creates torch's context
            self.context = ctypes.c_void_p()
            self._check(self.driver.cuCtxGetCurrent(ctypes.byref(self.context)))
            self.code = code
            self.module = ctypes.c_void_p()
            self._check(self.driver.cuModuleLoadData(ctypes.byref(self.module), code))
            self.functions = {name: self._function(name, most) for name, most in shared.items()}

    def _function(self, name: str, shared: int) -> ctypes.c_void_p:
        function = ctypes.c_void_p()
        self._check(self.driver.cuModuleGetFunction(ctypes.byref(function), self.module, name.encode()))
        if shared > UNASKED:
            self._check(self.driver.cuFuncSetAttribute(function, MAX_SHARED, shared))
        return function

    def _check(self, result: int) -> None:
        if result:
            words = ctypes.c_char_p()
            self.driver.cuGetErrorString(result, ctypes.byref(words))
            raise DeviceError(f"CUDA: {(words.value or b'unknown error').decode()} ({result})")

    def __call__(self, name: str, grid: int, block: int, shared: int, *arguments: Tensor | int) -> None:
        """See `Launch`.

        Raises:
            DeviceError: the driver refused.
        """
        held = _as_c(arguments)
        addresses = (ctypes.c_void_p * len(held))(*(ctypes.addressof(one) for one in held))
        current = ctypes.c_void_p()
        self._check(self.driver.cuCtxGetCurrent(ctypes.byref(current)))
        if not current.value:  # an autograd thread that has not used the device yet
            self._check(self.driver.cuCtxSetCurrent(self.context))
        stream = ctypes.c_void_p(torch.cuda.current_stream(self.device).cuda_stream)
        sizes = (grid, 1, 1, block, 1, 1, shared)
        self._check(
            self.driver.cuLaunchKernel(
                self.functions[name], *(ctypes.c_uint(size) for size in sizes), stream, addresses, None
            )
        )


def _as_c(arguments: Iterable[Tensor | int]) -> list[ctypes.c_void_p | ctypes.c_int]:
    return [ctypes.c_int(a) if isinstance(a, int) else ctypes.c_void_p(a.data_ptr()) for a in arguments]
