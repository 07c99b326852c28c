"""The device that computes, and its precision."""

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
        raise ConfigError(
            "device=cuda, but torch sees no CUDA device; check the driver with nvidia-smi, or use device=auto or "
            "device=cpu"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if precision == "tf32" and device != "cuda":
        raise ConfigError("precision=tf32 exists only on CUDA devices; use precision=fp32")
    return torch.device(device)


def set_precision(precision: str) -> None:
    """Set the process's precision: fp32 is IEEE float32 everywhere, tf32 applies to convolutions, bf16 is autocast.

    On CUDA, only cuDNN kernels that give the same bits every time are used, chosen without timing. torch's own default
    is tf32 convolutions and kernels that add in any order.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """The context of a forward pass: bfloat16 convolutions and products for bf16, nothing otherwise."""
    if precision == "bf16":
        # A forward pass casts each weight only once, so a cache would not help, and it does not work with capture.
        return torch.autocast(device.type, dtype=torch.bfloat16, cache_enabled=False)
    return contextlib.nullcontext()


def synchronize(device: torch.device) -> None:
    """Wait for the device, so that a clock read afterwards is correct."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def driver() -> str | None:
    """The version of NVIDIA's driver, or None if unknown."""
    with contextlib.suppress(OSError, IndexError):
        return Path("/proc/driver/nvidia/version").read_text().splitlines()[0]
    return None


def describe(device: torch.device) -> dict[str, Any]:
    """The description of the device for the record."""
    if device.type == "cuda":
        return {
            "device": torch.cuda.get_device_name(device),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
        }
    return {"device": f"cpu: {_processor()}", "threads": torch.get_num_threads()}
