"""Compiles the double of CUDA for the installed torch."""

import re
import shutil
import subprocess
from pathlib import Path

import torch

HERE = Path(__file__).parent
# Functions of NVIDIA's libraries that work without a device; all others are the double's.
REAL = {
    "cublasLtGetVersion",
    "cudnnGetCudartVersion",
    "cudnnGetErrorString",
    "cudnnGetLastErrorString",
    "cudnnGetProperty",
    "cudnnGetVersion",
}
OF_CUDA = re.compile(r"(?:__)?(?:cuda|cublas|cudnn|cu(?!File))[A-Z]\w*")


class Unavailable(Exception):
    """The double cannot be built here; the message says why."""


def _imported_by_torch() -> set[str]:
    """The CUDA functions that torch's libraries import."""
    libraries = Path(torch.__file__).parent / "lib"
    names = (f"lib{name}.so" for name in ("c10_cuda", "torch_cuda", "torch_python", "caffe2_nvrtc"))
    words = ["nm", "--dynamic", "--undefined-only", *(str(libraries / name) for name in names)]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    asked = {line.split()[-1].partition("@")[0] for line in listed.splitlines() if line.startswith(" ")}
    return {name for name in asked if OF_CUDA.fullmatch(name)}


def _traps(names: set[str]) -> str:
    """C source of functions that end the process and print which one was called."""
    calls = "".join(f'int {name}(void) {{ trap("{name}"); }}\n' for name in sorted(names))
    return f"""#include <stdio.h>
#include <stdlib.h>
__attribute__((noreturn)) static void trap(const char* name) {{
    fprintf(stderr, "the double of CUDA has no %s\\n", name);
    abort();
}}
{calls}"""


def compiled(folder: Path) -> Path:
    """Builds the double as a library in `folder`.

    Raises:
        Unavailable: no compiler, or a torch without CUDA 13 and its headers.
    """
    if not (torch.version.cuda or "").startswith("13."):
        raise Unavailable(f"the double is for builds of torch with CUDA 13, and this one has {torch.version.cuda}")
    missing = [program for program in ("cc", "nm") if shutil.which(program) is None]
    if missing:
        raise Unavailable(f"no {missing[0]}")
    packages = Path(torch.__file__).parents[1] / "nvidia"
    include = [next(packages.glob(f"*/include/{name}"), None) for name in ("cuda_runtime_api.h", "cudnn_graph.h")]
    if None in include:
        raise Unavailable(f"no headers of CUDA and cuDNN in {packages}")
    words = ["cc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-pthread"]
    words += [f"-I{HERE}", *(f"-isystem{header.parent}" for header in include if header)]
    objects = []
    for source in sorted(HERE.glob("*.c")):
        objects.append(folder / f"{source.stem}.o")
        subprocess.run([*words, "-c", str(source), "-o", str(objects[-1])], check=True)
    defined = subprocess.run(
        ["nm", "--defined-only", *map(str, objects)], check=True, capture_output=True, text=True
    ).stdout
    traps = folder / "traps.c"
    traps.write_text(_traps(_imported_by_torch() - REAL - set(defined.split())))
    library = folder / "libcuda.so.1"  # the driver's name, by which torch and device_code.py look for it
    linked = ["-shared", f"-Wl,-soname,{library.name}", str(traps), *map(str, objects), "-o", str(library)]
    subprocess.run([*words, *linked], check=True)
    return library
