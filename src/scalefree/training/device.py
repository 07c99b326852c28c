"""Which device computes, and in which precision."""

import contextlib
import platform
from pathlib import Path
from typing import Any

import torch

from scalefree.config import ConfigError


def choose_device(device: str, precision: str = "fp32") -> torch.device:
    """The device that a run asks for; `auto` is CUDA where there is one.

    Raises:
        ConfigError: `cuda` without a CUDA device; tf32 without one, as the record would claim what was not computed.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda, but torch sees no CUDA device; use device=auto or device=cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "tf32" and device != "cuda":
        raise ConfigError("precision=tf32 exists on CUDA devices only; use precision=fp32 here")
    return torch.device(device)


def set_precision(precision: str) -> None:
    """fp32 means IEEE float32 everywhere, tf32 lets convolutions use it (torch's own default), bf16 is autocast.

    On CUDA cuDNN's kernels are those that give the same bits every time, chosen without timing them. What a process
    has before this is torch's default: tf32 convolutions, and kernels that add in any order.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context of a forward pass: bfloat16 convolutions and products for bf16, nothing otherwise."""
    if precision == "bf16":
        # A forward pass casts each weight once, so there is nothing to keep; and kept casts do not go with capture.
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that a clock read next tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def driver() -> str | None:
    """The version of NVIDIA's driver, None where the system does not tell."""
    with contextlib.suppress(OSError, IndexError):
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    return None


def describe(device: torch.device) -> dict[str, Any]:
    """The device as the record names it."""
    if device.type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return {"device": f"cpu: {_processor()}", "threads": torch.get_num_threads()}
