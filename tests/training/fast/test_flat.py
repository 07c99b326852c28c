"""All parameters in one vector: views that training and loading update, and a gradient gathered from the layers."""

import pytest
import torch
from torch import Tensor, nn

from scalefree.training.fast.flat import FlatParameters


def small_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2, 3))


def in_order(parameter: Tensor) -> list[float]:
    """A parameter's values in the vector's order: channels innermost."""
    return (
        parameter.detach().movedim(1, -1).flatten().tolist() if parameter.dim() == 4 else parameter.flatten().tolist()
    )


def test_parameters_are_views_of_the_vector() -> None:
    model = small_network()
    before = [p.detach().clone() for p in model.parameters()]
    flat = FlatParameters(model)
    assert flat.vector.tolist() == [value for p in before for value in in_order(p)] and len(flat.vector) == 38 + 9
    assert all(torch.equal(p, value) for p, value in zip(model.parameters(), before, strict=True))
    with torch.no_grad():
        flat.vector.add_(1)
    assert all(torch.equal(p, value + 1) for p, value in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_the_gradient_is_gathered_from_the_layers(memory_format: torch.memory_format) -> None:
    model = small_network()
    flat = FlatParameters(model)
    assert flat.vector.grad is not None
    place = flat.vector.grad.data_ptr()
    for _ in range(2):  # the second gradient replaces the first in place
        inputs = torch.randn(4, 2, 3, 3).contiguous(memory_format=memory_format)
        model(inputs).square().sum().backward()
        expected = [value for p in model.parameters() if p.grad is not None for value in in_order(p.grad)]
        flat.gather_gradient()
        assert flat.vector.grad.tolist() == expected and len(expected) == len(flat.vector)
        assert all(p.grad is None for p in model.parameters())
    assert flat.vector.grad.data_ptr() == place


def test_a_vector_is_split_by_name_like_the_parameters() -> None:
    model = small_network()
    flat = FlatParameters(model)
    by_name = flat.by_name(torch.arange(47.0))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert {name: tuple(part.shape) for name, part in by_name.items()} == shapes
    assert by_name["2.weight"].reshape(-1).tolist() == list(range(38, 44))
    assert by_name["0.weight"][0, :, 0, 0].tolist() == [0, 1] and by_name["0.weight"][0, 0, 0].tolist() == [0, 2, 4]


def test_loading_weights_fills_the_vector() -> None:
    model = small_network()
    flat = FlatParameters(model)
    other = small_network()
    model.load_state_dict(other.state_dict())
    assert flat.vector.tolist() == [value for p in other.parameters() for value in in_order(p)]
