"""The double of CUDA finds faults: forbidden work planted in a captured step is refused as by CUDA, or reported."""

import subprocess
from pathlib import Path

import pytest

from training.fast.cuda_double.conftest import Ask
from training.fast.cuda_double.process import command

NOT_PERMITTED = "operation not permitted when stream is capturing"


@pytest.mark.parametrize(
    ("planted", "refused"),
    [
        ("reads", f"wait for a stream: {NOT_PERMITTED}"),
        ("decides", f"wait for a stream: {NOT_PERMITTED}"),
        ("chooses", f"wait for a stream: {NOT_PERMITTED}"),
        ("waits for the device", f"wait for the device: {NOT_PERMITTED}"),
        ("allocates", f"allocate: {NOT_PERMITTED}"),
    ],
)
def test_waits_and_allocations_are_refused(planted: str, refused: str, ask: Ask) -> None:
    found = ask("captured_steps", {}, planted)
    assert "CUDA error" in found["error"]
    assert refused in found["refused"][0]


@pytest.mark.parametrize("planted", ["copies back", "copies in"])
def test_copies_between_host_and_device_are_refused(planted: str, ask: Ask) -> None:
    """By torch itself, which asks CUDA whether it is capturing."""
    found = ask("captured_steps", {}, planted)
    assert "Cannot copy between CPU and CUDA tensors during CUDA graph capture" in found["error"]


@pytest.mark.parametrize(
    ("planted", "kind", "told"),
    [
        ("works beside", "beside", "beside the capture: "),
        ("uses the legacy stream", "beside", "beside the capture: "),
        ("copies pinned memory", "host_copies", "captured copy pinned host to device, 4 bytes"),
    ],
)
def test_forbidden_work_that_cuda_allows_is_reported(planted: str, kind: str, told: str, ask: Ask) -> None:
    captures = ask("captured_steps", {}, planted)["captures"]
    assert len(captures) == 2 and all(capture[kind][0].startswith(told) for capture in captures)


def test_an_additional_operation_is_an_additional_kernel(ask: Ask) -> None:
    """In the capture and in every replay."""
    expected, found = (ask("captured_steps", {}, planted) for planted in ("nothing", "adds"))
    for before, after in zip(expected["captures"], found["captures"], strict=True):
        assert sum(after["kernels"].values()) == sum(before["kernels"].values()) + 1
    assert sum(found["replays"]["replays"]) == sum(expected["replays"]["replays"]) + found["steps"]


CAPTURE = """
import ctypes
cuda, stream, other, graph, memory, event = ctypes.CDLL(None), *(ctypes.c_void_p() for _ in range(5))
cuda.cudaMalloc(ctypes.byref(memory), ctypes.c_size_t(64))
cuda.cudaStreamCreateWithFlags(ctypes.byref(stream), {flags})
cuda.cudaStreamCreateWithFlags(ctypes.byref(other), 1)
cuda.cudaEventCreate(ctypes.byref(event))
cuda.cudaEventRecord(event, other)
cuda.cudaStreamBeginCapture(stream, 0)
print({call}, cuda.cudaStreamEndCapture(stream, ctypes.byref(graph)))
"""
MEMSET, WAIT, FREE = (
    "cuda.cudaMemsetAsync(memory, 0, ctypes.c_size_t(64), None)",
    "cuda.cudaStreamWaitEvent(stream, event, 0)",
    "cuda.cudaFree(memory)",
)


@pytest.mark.parametrize(
    ("flags", "call", "errors"),
    [
        (0, MEMSET, "906 901"),  # cudaErrorStreamCaptureImplicit, and ...Invalidated
        (1, MEMSET, "0 0"),  # a non-blocking stream, like torch's
        (1, WAIT, "905 901"),  # ...Isolation
        (1, FREE, "900 901"),  # ...Unsupported
    ],
)
def test_other_violations_of_a_capture_give_cudas_errors(
    flags: int, call: str, errors: str, double: Path, tmp_path: Path
) -> None:
    """Violations that torch itself does not commit."""
    code = CAPTURE.format(flags=flags, call=call)
    done = subprocess.run(**command(double, tmp_path, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == errors


def test_a_function_that_the_double_lacks_ends_the_process_and_is_named(double: Path, tmp_path: Path) -> None:
    code = "import torch; torch.nn.GRU(2, 2).cuda()(torch.zeros(1, 1, 2).cuda())"
    done = subprocess.run(**command(double, tmp_path, "-c", code), capture_output=True, text=True)
    assert done.returncode < 0 and "the double of CUDA has no cudnn" in done.stderr
