"""The bytes that must move, checked against a hand count."""

import pytest
import torch

from benchmarks.roofline import (
    ADAM_BYTES,
    bytes_per_image,
    copy_bandwidth,
    multiplication_rate,
    operations_per_image,
)
from scalefree.models import resnet


def by_hand(n: int, batch_norm: bool, batch_size: int, element_size: int) -> float:
    """ResNet 6n + 2 of width 16 on 32x32: stages of 16,384, 8,192 and 4,096 activations per layer."""
    image, first, second, third = 3 * 32 * 32, 16 * 32 * 32, 32 * 16 * 16, 64 * 8 * 8
    stem = 2 * image + 2 * first
    same = sum(5 * size for size in (first, second, third)) * (2 * n - 1) + 5 * first
    narrowing = 3 * first + 2 * second + 3 * second + 2 * third
    shortcuts = 2 * n * (first + second + third)
    norms = 2 * (first + 2 * n * (first + second + third)) if batch_norm else 0
    parameters = sum(p.numel() for p in resnet(6 * n + 2, 10, batch_norm).parameters())
    elements = stem + same + narrowing + shortcuts + norms
    return elements * element_size + ADAM_BYTES * parameters / batch_size


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("n", "element_size"), [(1, 2), (3, 4)])
def test_a_resnets_bytes_per_image_match_a_hand_count(n: int, element_size: int, batch_norm: bool) -> None:
    model = resnet(6 * n + 2, 10, batch_norm)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert bytes_per_image(model, 3, 32, 128, element_size) == by_hand(n, batch_norm, 128, element_size)
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("n", [1, 3])
def test_a_resnets_operations_per_image_match_a_hand_count(n: int) -> None:
    """All convolutions but the stem need gradients of both input and weights; so does the linear layer."""
    model = resnet(6 * n + 2, 10, False)
    stem = 2 * 9 * 3 * 16 * 32 * 32
    stage = 2 * 9 * 16 * 16 * 32 * 32  # all stages cost the same; a convolution that narrows costs half
    blocks = 3 * 2 * n * stage - 2 * stage // 2
    linear = 2 * 64 * 10
    training, evaluation = operations_per_image(model, 3, 32)
    assert evaluation == stem + blocks + linear
    assert training == 2 * stem + 3 * (blocks + linear)
    assert model.training and all(p.grad is None for p in model.parameters())


def test_measuring_the_multiplication_rate_keeps_the_thread_count() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert multiplication_rate(size=64, repetitions=2) > 0
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_copy_bandwidth_is_positive() -> None:
    assert copy_bandwidth(torch.device("cpu"), repetitions=1) > 0
