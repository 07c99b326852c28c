"""residual.cu without a GPU: the same source, run by emulation.h, compared with autograd in float64."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scalefree.models import resnet
from scalefree.training.fast.flat import FlatParameters
from scalefree.training.fast.native import residual
from scalefree.training.fast.native.residual import Sizes, Stage, stages_of, use_residual_kernels
from training.fast.native.emulated import Emulated, needs_gpp

# The thread with the lowest number first, the one with the highest first, and a random order.
ORDERS = (0, 1, 7)


@pytest.fixture
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Emulated]:
    def make(sizes: Sizes, device: object = None, order: int = 0, change: tuple[str, str] | None = None) -> Emulated:
        source = sizes.source()
        if change is not None:
            assert change[0] in source
            source = source.replace(*change)
        return Emulated(tmp_path_factory.mktemp("kernels"), source, order)

    return make


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def defined(image: Tensor, weights: list[Tensor], sizes: Sizes) -> Tensor:
    """What a stage computes, written with torch's operations."""
    x = F.relu(F.conv2d(image, weights[0], stride=sizes.stride, padding=1))
    rest = weights[1:]
    if sizes.stride == 2:
        before = (sizes.channels - sizes.inputs) // 2
        shortcut = F.pad(image[:, :, ::2, ::2], (0, 0, 0, 0, before, sizes.channels - sizes.inputs - before))
        x, rest = F.relu(F.conv2d(x, rest[0], padding=1) + shortcut), rest[1:]
    for a, b in zip(rest[::2], rest[1::2], strict=True):
        x = F.relu(F.conv2d(F.relu(F.conv2d(x, a, padding=1)), b, padding=1) + x)
    return x


def weights_of(sizes: Sizes, layers: int) -> tuple[Tensor, list[Tensor]]:
    """A vector and its parts: the weights of the first convolution and of the row."""
    c, inputs = sizes.channels, sizes.inputs
    shapes = [(c, inputs, 3, 3), *[(c, c, 3, 3)] * layers]
    parts = [drawn(*shape, seed=number) * (shape[1] * 9) ** -0.5 for number, shape in enumerate(shapes)]
    vector = torch.cat([part.flatten() for part in parts])
    split = torch.split(vector, [part.numel() for part in parts])
    return vector, [part.view(shape) for part, shape in zip(split, shapes, strict=True)]


def check(stage: Stage, batch: int, dead: bool = False) -> None:
    """Compares both directions of a stage with autograd in float64."""
    sizes = stage.sizes
    image = drawn(batch, sizes.inputs, sizes.height * sizes.stride, sizes.width * sizes.stride, seed=50)
    _, weights = weights_of(sizes, stage.layers)
    if dead:
        weights[0][1] = -weights[0][1].abs()
        image = image.abs()
        weights[1][:, 2] = 0
    exact = [w.double().requires_grad_() for w in weights]
    exact_image = image.double().requires_grad_()
    expected = defined(exact_image, exact, sizes)
    dy = drawn(*expected.shape, seed=51)
    # The kernels' gradient is that of the sums whose ReLU is the input; a stem's images are not such a ReLU.
    expected.backward(dy.double())
    h, made = stage.forward(image, weights[0], weights[1], True)
    (only,) = stage.forward(image, weights[0], weights[1], False)[1]
    assert torch.equal(only, made[-1])
    torch.testing.assert_close(made[-1].double(), expected.detach(), rtol=1e-5, atol=1e-5)
    gradient = torch.full((stage.first + stage.row,), torch.nan)
    dx = stage.backward(image, weights[0], weights[1], h, made, dy, gradient)
    for part, w in zip(torch.split(gradient, [w.numel() for w in weights]), exact, strict=True):
        assert w.grad is not None
        torch.testing.assert_close(
            part.view(w.shape).double(), w.grad, rtol=1e-4, atol=3e-6 * float(w.grad.abs().max())
        )
        assert torch.equal(part.view(w.shape) == 0, w.grad == 0), "the same gradients are exactly zero"
    if sizes.stride == 2:
        assert dx is not None and exact_image.grad is not None
        torch.testing.assert_close(
            dx.double(), exact_image.grad, rtol=1e-4, atol=3e-6 * float(exact_image.grad.abs().max())
        )
    else:
        assert dx is None


@needs_gpp
@pytest.mark.parametrize(
    ("sizes", "layers", "batch"),
    [
        (Sizes(8, 16, 16, 3, 1), 4, 2),
        (Sizes(16, 8, 8, 8, 2), 3, 3),
        (Sizes(32, 4, 4, 16, 2), 3, 5),
        (Sizes(8, 8, 8, 1, 1), 2, 6),
        (Sizes(16, 4, 4, 8, 2), 1, 11),
        (Sizes(32, 2, 2, 16, 2), 3, 9),
        (Sizes(64, 2, 2, 32, 2), 1, 3),
        (Sizes(8, 32, 32, 3, 1), 2, 1),
    ],
    ids=str,
)
def test_a_stage_matches_its_definition_in_any_order_of_threads(
    sizes: Sizes, layers: int, batch: int, emulated: Callable[..., Emulated]
) -> None:
    assert sizes.fits()
    kernels = emulated(sizes)
    for kernels.order in ORDERS if sizes.channels < 64 else ORDERS[1:2]:
        check(Stage(sizes, layers, kernels), batch)


@needs_gpp
@pytest.mark.parametrize("sizes", [Sizes(8, 8, 8, 3, 1), Sizes(16, 4, 4, 8, 2)], ids=str)
def test_dead_units_have_exactly_zero_gradients(sizes: Sizes, emulated: Callable[..., Emulated]) -> None:
    check(Stage(sizes, 2 if sizes.stride == 1 else 3, emulated(sizes)), 5, dead=True)


@needs_gpp
@pytest.mark.parametrize("which", range(7))
def test_each_barrier_is_needed(which: int, emulated: Callable[..., Emulated]) -> None:
    """The emulation detects races: without any one of the barriers, some order gives other numbers."""
    sizes, barrier = Sizes(16, 4, 4, 8, 2), "__syncthreads();"
    parts = sizes.source().split(barrier)
    assert len(parts) == 8
    missing = barrier.join(parts[: which + 1]) + barrier.join(parts[which + 1 :])
    kernels = emulated(sizes, change=(sizes.source(), missing))
    with pytest.raises(AssertionError):
        for kernels.order in ORDERS:
            check(Stage(sizes, 3, kernels), 9)


def plain_and_native(
    emulated: Callable[..., Emulated], width: int, depth: int, side: int
) -> tuple[nn.Module, nn.Module, FlatParameters]:
    model = resnet(depth, 10, False, width, generator=torch.Generator().manual_seed(1))
    exact = copy.deepcopy(model).double()
    flat = FlatParameters(model, torch.contiguous_format)
    assert use_residual_kernels(model, side, side, emulated)
    return exact, model, flat


@needs_gpp
def test_a_network_computes_the_same_with_residual_kernels(emulated: Callable[..., Emulated]) -> None:
    """Logits and the optimizer's gradient, for images that the kernels support and for others."""
    exact, model, flat = plain_and_native(emulated, 8, 14, 8)
    labels = torch.tensor([3, 0, 9, 1, 1])
    for side in (8, 12):
        x = drawn(5, 3, side, side, seed=3)
        logits, expected = model(x), exact(x.double())
        torch.testing.assert_close(logits.double(), expected, rtol=1e-4, atol=1e-5)
        with torch.no_grad():
            assert torch.equal(model(x), logits)
        exact.zero_grad()
        F.cross_entropy(logits, labels).backward()
        F.cross_entropy(expected, labels).backward()
        flat.gather_gradient()
        assert flat.vector.grad is not None
        for (name, found), p in zip(flat.by_name(flat.vector.grad).items(), exact.parameters(), strict=True):
            assert p.grad is not None
            largest = float(p.grad.abs().max())
            torch.testing.assert_close(found.double(), p.grad, rtol=1e-3, atol=1e-5 * largest, msg=name)


@pytest.mark.parametrize(
    ("depth", "width", "batch_norm", "initialization", "side", "suits"),
    [
        (56, 8, False, "kaiming", 16, True),
        (20, 8, False, "kaiming", 8, True),
        (20, 16, False, "zero_last", 16, True),
        (8, 8, False, "kaiming", 32, True),
        (20, 8, True, "kaiming", 16, False),
        (20, 8, False, "fixup", 16, False),
        (20, 4, False, "kaiming", 16, False),
        (20, 24, False, "kaiming", 16, False),
        (20, 8, False, "kaiming", 24, False),
        (20, 16, False, "kaiming", 32, False),
    ],
)
def test_only_some_networks_can_use_residual_kernels(
    depth: int, width: int, batch_norm: bool, initialization: str, side: int, suits: bool
) -> None:
    """The stages' layers together are all of the network's convolutions."""
    model = resnet(depth, 10, batch_norm, width, initialization=initialization)
    stages = stages_of(model, side, side)
    assert bool(stages) == suits
    if suits:
        assert sum(1 + layers for _, layers in stages) == depth - 1


def test_weights_must_be_in_one_vector() -> None:
    with pytest.raises(ValueError, match="one vector"):
        use_residual_kernels(resnet(8, 10, False, 8), 8, 8)
    model = resnet(8, 10, False, 8)
    FlatParameters(model, torch.channels_last)
    with pytest.raises(ValueError, match="one vector"):
        use_residual_kernels(model, 8, 8)


def test_without_a_device_torch_is_used_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def refused(sizes: Sizes, device: torch.device) -> residual.Launch:
        raise residual.DeviceError("no such\ndevice")

    model = resnet(8, 10, False, 8)
    FlatParameters(model, torch.contiguous_format)
    assert not use_residual_kernels(model, 8, 8, refused)
    assert "forward" not in vars(model)
    (said,) = caplog.records
    assert "residual.cu cannot be used: no such device" in said.message
