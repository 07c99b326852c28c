"""Runs CUDA source without a GPU, thread by thread, with emulation.h."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from torch import Tensor

EMULATION = Path(__file__).with_name("emulation.h")
needs_gpp = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


def _is_without_gaps(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or tensor.is_contiguous(memory_format=torch.channels_last)


class Emulated:
    """The kernels of a source, with each launch run on the CPU in a given order of threads."""

    def __init__(self, folder: Path, source: str, order: int) -> None:
        self.order = order
        text, made = folder / "kernels.cpp", folder / "kernels.so"
        text.write_text(f'#include "{EMULATION}"\n{source}')
        words = ["-std=c++20", "-O1", "-w", "-shared", "-fPIC", str(text), "-o", str(made)]
        subprocess.run(["g++", *words], check=True, timeout=120)
        self.library = ctypes.CDLL(str(made))

    def __call__(self, name: str, grid: int, block: int, shared: int, *arguments: Tensor | int) -> None:
        for tensor in arguments:
            assert isinstance(tensor, int) or _is_without_gaps(tensor)
        given = [a if isinstance(a, int) else a.data_ptr() for a in arguments]
        values = (ctypes.c_ssize_t * 10)(*given)
        kernel = ctypes.cast(getattr(self.library, name), ctypes.c_void_p)
        assert self.library.emulate(kernel, grid, block, shared, self.order, values) == 0
