"""How many images per second the memory allows, whatever the code: bytes that must move, and the bandwidth measured.

Activations cross memory once for each convolution that consumes them: read x and write y forwards; read dy and x,
write dx backwards (no dx for the first layer). A residual sum reads its shortcut once each way, BatchNorm reads its
output once more each way for its sums, and Adam moves 28 bytes per parameter and step. All else is assumed to be fused.

On a CPU the core is slower than the memory here: the bound is how fast it multiplies, measured with large matrices.
"""

import time

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from scalefree.models.resnet import BasicBlock

ADAM_BYTES = 28


def bytes_per_image(model: nn.Module, channels: int, side: int, batch_size: int, element_size: int = 2) -> float:
    """Bytes that one image of a training step must move; `element_size` is that of an activation."""
    elements = 0

    def convolution(module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        nonlocal elements
        (x,) = inputs
        first = x.shape[1] == channels and x.shape[-1] == side
        elements += (2 if first else 3) * x.numel() + 2 * y.numel()

    def twice_the_output(module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> None:
        nonlocal elements
        elements += 2 * y.numel()

    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            hooks.append(module.register_forward_hook(convolution))
        elif isinstance(module, BasicBlock | nn.BatchNorm2d):
            hooks.append(module.register_forward_hook(twice_the_output))
    was_training = model.training
    model.eval()
    with torch.no_grad():
        model(torch.zeros(1, channels, side, side, device=next(model.parameters()).device))
    model.train(was_training)
    for hook in hooks:
        hook.remove()
    return elements * element_size + ADAM_BYTES * sum(p.numel() for p in model.parameters()) / batch_size


def copy_bandwidth(device: torch.device, repetitions: int = 7) -> float:
    """Bytes per second of copying a buffer far larger than any cache, reads and writes both counted; the median."""
    size = (2 << 30) if device.type == "cuda" else (256 << 20)
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    rates = []
    for _ in range(repetitions + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        started = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        rates.append(2 * size / (time.perf_counter() - started))
    return sorted(rates[1:])[repetitions // 2]


def operations_per_image(model: nn.Module, channels: int, side: int) -> tuple[int, int]:
    """Floating-point operations of a training step and of an evaluation, per image; a multiply-add counts as two."""
    image = torch.zeros(1, channels, side, side, device=next(model.parameters()).device)
    was_training = model.training
    model.eval()
    with FlopCounterMode(display=False) as training:
        model(image).sum().backward()
    with FlopCounterMode(display=False) as evaluation, torch.no_grad():
        model(image)
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    return training.get_total_flops(), evaluation.get_total_flops()


def multiplication_rate(dtype: torch.dtype = torch.float32, size: int = 1024, repetitions: int = 7) -> float:
    """Floating-point operations per second of one CPU core multiplying large matrices; the best of some."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    left, right = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
    seconds = []
    for _ in range(repetitions):
        started = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - started)
    torch.set_num_threads(threads)
    return 2.0 * size**3 / min(seconds)
