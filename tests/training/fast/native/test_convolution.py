"""conv3x3.c, compared with the definition in float64, and in place of torch's convolutions."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from conftest import Make
from models.reference import convolution
from scalefree.models import densenet_bc, resnet
from scalefree.training.fast.native import compiled
from scalefree.training.fast.native import network as native
from scalefree.training.fast.native.blocks import residual_blocks
from scalefree.training.fast.native.convolution import conv3x3
from scalefree.training.fast.native.network import use_native_convolutions
from scalefree.training.task import build_task, load_data

Array = NDArray[np.float64]

pytestmark = pytest.mark.skipif(compiled.library() is None, reason="no C compiler")

# Images, inputs, outputs, height, width: odd sizes, single pixels and rows, and groups that do not divide the images.
SHAPES = [
    (1, 8, 8, 1, 1),
    (5, 8, 8, 8, 8),
    (70, 16, 16, 2, 2),
    (3, 16, 8, 1, 7),
    (7, 8, 16, 5, 3),
    (4, 24, 40, 4, 4),
    (2, 32, 32, 17, 19),
    (300, 32, 64, 1, 1),
]


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(memory_format=torch.channels_last)


def gradients(x: Array, weight: Array, dy: Array) -> tuple[Array, Array]:
    """The gradients of sum(dy * conv(x, weight)) by x and by the weight, from the definition."""
    reversed_ = weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    height, width = x.shape[2:]
    taps = [
        [np.einsum("bchw,bkhw->kc", padded[:, :, i : i + height, j : j + width], dy) for j in range(3)]
        for i in range(3)
    ]
    return convolution(dy, reversed_), np.array(taps).transpose(2, 3, 0, 1)


def assert_close(found: Tensor, expected: Array) -> None:
    np.testing.assert_allclose(found.detach().double().numpy(), expected, rtol=1e-5, atol=3e-6 * np.abs(expected).max())


@pytest.mark.parametrize("with_residual", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_and_gradients_match_the_definition(shape: tuple[int, ...], relu: bool, with_residual: bool) -> None:
    images, inputs, outputs, height, width = shape
    x = drawn(images, inputs, height, width, seed=1).requires_grad_()
    weight = drawn(outputs, inputs, 3, 3, seed=2).requires_grad_()
    residual = drawn(images, outputs, height, width, seed=3).requires_grad_() if with_residual else None
    dy = drawn(images, outputs, height, width, seed=4)

    y = conv3x3(x, weight, residual, relu)
    y.backward(dy)

    exact = [tensor.detach().double().numpy() for tensor in (x, weight, dy)]
    expected = convolution(exact[0], exact[1])
    if residual is not None:
        expected = expected + residual.detach().double().numpy()
    # Rounding decides whether a sum near zero passes the ReLU, so the mask is taken from the result.
    passes = y.detach().double().numpy() > 0 if relu else np.ones_like(expected)
    dx, dweight = gradients(exact[0], exact[1], exact[2] * passes)
    assert_close(y, np.maximum(expected, 0) if relu else expected)
    assert x.grad is not None and weight.grad is not None
    assert_close(x.grad, dx)
    assert_close(weight.grad, dweight)
    if residual is not None:
        assert residual.grad is not None
        assert_close(residual.grad, exact[2] * passes)


@pytest.mark.parametrize("shape", [(3, 8, 8, 4, 4), (9, 16, 16, 2, 2)])
def test_exact_zeros_stay_zero(shape: tuple[int, ...]) -> None:
    """A dead channel gives and gets no gradient, not even a rounding error, which Adam would magnify."""
    images, inputs, outputs, height, width = shape
    x = drawn(images, inputs, height, width, seed=1)
    x[:, 3] = 0
    x[0, :, :, :2] = 0
    x.requires_grad_()
    weight = drawn(outputs, inputs, 3, 3, seed=2).requires_grad_()
    y = conv3x3(x, weight)
    assert not y[0, :, :, 0].any()
    dy = drawn(*y.shape, seed=4)
    dy[:, 5] = 0
    dy[1] = 0
    y.backward(dy)
    assert x.grad is not None and weight.grad is not None
    assert not weight.grad[:, 3].any() and not weight.grad[5].any() and not x.grad[1].any()
    assert weight.grad[4, 2].all() and x.grad[2].all()


def test_nan_and_infinity_propagate() -> None:
    """A divergence must be visible in the loss and in the gradient."""
    x = drawn(2, 8, 4, 4, seed=1)
    x[1, 0, 2, 2] = torch.nan
    x.requires_grad_()
    weight = drawn(8, 8, 3, 3, seed=2).requires_grad_()
    y = conv3x3(x, weight, relu=True)
    assert y[1, :, 2, 2].isnan().all() and y[0].isfinite().all()
    y.sum().backward()
    assert weight.grad is not None and weight.grad.isnan().any()
    large = torch.full((1, 8, 2, 2), 3e38)
    assert conv3x3(large, torch.ones(8, 8, 3, 3)).isinf().all()


def test_images_do_not_affect_each_other() -> None:
    x, weight = drawn(37, 8, 4, 4, seed=1), drawn(8, 8, 3, 3, seed=2)
    together = conv3x3(x, weight)
    for place in (0, 15, 16, 36):
        assert torch.equal(conv3x3(x[place : place + 1], weight)[0], together[place])


def test_other_memory_formats_are_accepted() -> None:
    x, weight = drawn(3, 8, 4, 4, seed=1), drawn(8, 8, 3, 3, seed=2)
    expected = conv3x3(x, weight)
    assert torch.equal(conv3x3(x.contiguous(), weight.contiguous()), expected)
    wide = torch.zeros(3, 16, 4, 4).to(memory_format=torch.channels_last)
    wide[:, ::2] = x
    assert torch.equal(conv3x3(wide[:, ::2], weight), expected)
    x.requires_grad_()
    conv3x3(x, weight).sum().backward()  # the gradient of a sum is an expanded scalar
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_a_second_derivative_is_refused() -> None:
    x, weight = drawn(1, 8, 2, 2, seed=1).requires_grad_(), drawn(8, 8, 3, 3, seed=2).requires_grad_()
    (gradient,) = torch.autograd.grad(conv3x3(x, weight).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": drawn(2, 8, 4, 4, seed=1).double()},
        {"weight": drawn(8, 8, 3, 3, seed=1).bfloat16()},
        {"weight": drawn(8, 16, 3, 3, seed=1)},
        {"weight": drawn(8, 8, 1, 1, seed=1)},
        {"weight": drawn(12, 8, 3, 3, seed=1)},
        {"x": drawn(2, 4, 4, 4, seed=1), "weight": drawn(8, 4, 3, 3, seed=1)},
        {"residual": drawn(2, 8, 4, 5, seed=1)},
    ],
)
def test_tensors_that_c_would_misread_are_refused(wrong: dict[str, Tensor]) -> None:
    right = {"x": drawn(2, 8, 4, 4, seed=1), "weight": drawn(8, 8, 3, 3, seed=2)}
    assert conv3x3(**right, residual=drawn(2, 8, 4, 4, seed=3)).isfinite().all()
    with pytest.raises(ValueError, match=r"float32 on a CPU|of shape"):
        conv3x3(**{**right, **wrong})


def test_a_network_in_float64_uses_torchs_convolutions() -> None:
    model = resnet(8, 10, batch_norm=False, width=8, generator=torch.Generator().manual_seed(0)).double()
    x = drawn(2, 3, 8, 8, seed=1).double()
    expected = model(x)
    assert use_native_convolutions(model) and torch.allclose(model(x), expected)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: resnet(14, 10, batch_norm=False, width=8, generator=torch.Generator().manual_seed(0)),
    "bn": lambda: resnet(14, 10, batch_norm=True, width=8, generator=torch.Generator().manual_seed(0)),
    "fixup": lambda: resnet(
        14, 10, batch_norm=False, width=8, initialization="fixup", generator=torch.Generator().manual_seed(0)
    ),
    "densenet": lambda: densenet_bc(10, 8, 10, batch_norm=False, generator=torch.Generator().manual_seed(0)),
}


@pytest.mark.parametrize(("few", "count"), [(0, 4), (native.FEW, 10)])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_computes_the_same_with_native_convolutions(
    network: str, few: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Including all gradients, with native convolutions for 8 channels only and wherever possible."""
    monkeypatch.setattr(native, "FEW", few)
    if network == "densenet":  # three 3x3 convolutions, of 32 channels
        count = 3 if few else 0
    counted: list[int] = []
    monkeypatch.setattr(native, "conv3x3", lambda *arguments: (counted.append(1), conv3x3(*arguments))[1])
    monkeypatch.setattr(
        native, "residual_blocks", lambda x, weights: (counted.append(len(weights)), residual_blocks(x, weights))[1]
    )
    plain, fast = NETWORKS[network](), NETWORKS[network]()
    if network == "fixup":  # whose last layers are zero at first, so that there are no gradients
        for model in (plain, fast):
            generator = torch.Generator().manual_seed(1)
            for p in model.parameters():
                p.data += 0.1 * torch.randn(p.shape, generator=generator)
    assert use_native_convolutions(fast)
    x = drawn(6, 3, 8, 8, seed=1)
    expected, found = plain(x), fast(x)
    assert sum(counted) == count
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())
    for logits in (expected, found):
        logits.logsumexp(1).sum().backward()
    for (name, p), q in zip(plain.named_parameters(), fast.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None
        assert torch.allclose(q.grad, p.grad, rtol=1e-3, atol=1e-4 * p.grad.abs().max().item()), name


@pytest.mark.parametrize("needs_dx", [False, True])
def test_a_row_of_blocks_equals_the_separate_blocks_bit_for_bit(needs_dx: bool) -> None:
    weights = [0.2 * drawn(16, 16, 3, 3, seed=seed) for seed in range(6)]
    results = []
    for row in (True, False):
        x = drawn(5, 16, 4, 6, seed=10).requires_grad_(needs_dx)
        leaves = [weight.clone().requires_grad_() for weight in weights]
        y = x
        if row:
            y = residual_blocks(x, leaves)
        else:
            for a, b in zip(leaves[::2], leaves[1::2], strict=True):
                y = conv3x3(conv3x3(y, a, relu=True), b, y, relu=True)
        y.backward(drawn(5, 16, 4, 6, seed=11))
        results.append([y, *([x.grad] if needs_dx else []), *(leaf.grad for leaf in leaves)])
    for found, expected in zip(*results, strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("values", "uses"), [({}, True), ({"runner": "plain"}, False), ({"precision": "bf16"}, False)])
def test_only_the_fast_runner_in_fp32_uses_native_convolutions(
    values: dict[str, object], uses: bool, tiny: Make
) -> None:
    config = tiny({"model.width": 8, **values})
    task = build_task(config, load_data(config.dataset), torch.device("cpu"))
    assert any("forward" in vars(module) for module in task.model.modules()) == uses
