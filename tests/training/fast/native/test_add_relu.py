"""add_relu.cu without a GPU: the same source, run by emulation.h, gives the bits of torch's operations."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scalefree.models import resnet
from scalefree.models.densenet import densenet_bc
from scalefree.training.fast.native import add_relu
from scalefree.training.fast.native.add_relu import SOURCE, Sums, use_fused_sums
from training.fast.native.emulated import Emulated, needs_gpp

Make = Callable[..., Emulated]
SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, -1e-45)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def make(source: str = SOURCE.read_text(), shared: object = None, order: int = 0) -> Emulated:
        return Emulated(tmp_path_factory.mktemp("kernels"), source, order)

    return make


def drawn(*shape: int, seed: int) -> Tensor:
    """Random numbers, including all pairs of special ones."""
    found = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    special = (
        torch.tensor(SPECIAL).repeat(len(SPECIAL))
        if seed % 2
        else torch.tensor(SPECIAL).repeat_interleave(len(SPECIAL))
    )
    fits = min(len(special), found.numel())
    found.view(-1)[:fits] = special[:fits]
    return found


def same(found: Tensor, expected: Tensor) -> bool:
    """Equality with NaN in the same places. A zero's sign may differ, as it does between torch's devices."""
    return torch.equal(found.isnan(), expected.isnan()) and torch.equal(found.nan_to_num(7), expected.nan_to_num(7))


@needs_gpp
@pytest.mark.parametrize("size", [1, 3, 4, 49, 1023, 1024, 4 * 256 + 1, 3000])
def test_the_kernels_give_torchs_bits(size: int, emulated: Make) -> None:
    sums = Sums(emulated())
    y, x, dx = (drawn(size, seed=seed) for seed in (1, 2, 3))
    assert same(sums.add_relu(y.clone(), x), F.relu(y + x))
    output = F.relu(drawn(size, seed=2))
    assert same(sums.add_mask(dx.clone(), x, output), torch.ops.aten.threshold_backward(dx + x, output, 0))


@needs_gpp
@pytest.mark.parametrize(
    ("right", "wrong"), [("a.x += b.x", "a.x += b.y"), ("c.w <= 0", "c.w < 0"), ("sum <= 0 ? 0 : sum", "sum")]
)
def test_a_wrong_kernel_is_found(right: str, wrong: str, emulated: Make) -> None:
    source = SOURCE.read_text()
    assert right in source
    sums = Sums(emulated(source.replace(right, wrong)))
    y, x, dx = (drawn(101, seed=seed) for seed in (1, 2, 3))
    y[-1], x[-1] = -2, 1  # where a thread has fewer than four elements
    output = F.relu(x)
    masked = same(sums.add_mask(dx.clone(), x, output), torch.ops.aten.threshold_backward(dx + x, output, 0))
    assert not (masked and same(sums.add_relu(y.clone(), x), F.relu(y + x)))


def test_tensors_of_different_layouts_are_left_to_torch() -> None:
    def launch(*arguments: object) -> None:
        raise AssertionError("must not be used")

    sums = Sums(launch)
    y, x, dx = (torch.randn(2, 4, 3, 3) for _ in range(3))
    inside_out = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(sums.add_relu(y.clone(), inside_out), F.relu(y + x))
    expected = torch.where(y > 0, dx + x, 0)
    assert torch.equal(sums.add_mask(dx.clone(), inside_out, y), expected)
    assert torch.equal(sums.add_mask(dx.clone(), x, y.contiguous(memory_format=torch.channels_last)), expected)


@needs_gpp
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize(("depth", "initialization"), [(14, "kaiming"), (20, "zero_last")])
def test_a_network_with_fused_sums_gives_the_same_bits(
    depth: int, initialization: str, memory_format: torch.memory_format, emulated: Make
) -> None:
    plain = resnet(depth, 10, False, 8, initialization=initialization).to(memory_format=memory_format)
    fused = copy.deepcopy(plain)
    assert use_fused_sums(fused, emulated)
    images = torch.randn(3, 3, 8, 8).contiguous(memory_format=memory_format)
    labels = torch.arange(3)
    for model in (plain, fused):
        F.cross_entropy(model(images), labels).backward()
    expected = {name: p.grad for name, p in plain.named_parameters()}
    for name, p in fused.named_parameters():
        wanted = expected[name]
        assert p.grad is not None and wanted is not None and torch.equal(p.grad, wanted), name
    with torch.no_grad():
        assert torch.equal(fused(images), plain(images))


@needs_gpp
def test_other_precisions_and_infinite_activations_match_torch(emulated: Make) -> None:
    """Double precision is left to torch; infinite sums stay infinite."""
    plain = resnet(14, 10, False, 8)
    with torch.no_grad():
        for p in plain.parameters():
            p.mul_(1e9)
    fused = copy.deepcopy(plain)
    assert use_fused_sums(fused, emulated)
    images = torch.randn(2, 3, 8, 8)
    assert not plain(images).isfinite().all()
    assert same(fused(images), plain(images))
    exact = fused.double()(images.double())
    assert torch.equal(exact, plain.double()(images.double()))


def test_only_some_networks_use_fused_sums() -> None:
    def launcher(source: str, shared: dict[str, int]) -> add_relu.Launch:
        return lambda *arguments: None

    assert use_fused_sums(resnet(14, 10, False, 16), launcher)
    assert not use_fused_sums(resnet(8, 10, False, 16), launcher), "no stage has a second block"
    assert not use_fused_sums(resnet(14, 10, True, 16), launcher)
    assert not use_fused_sums(resnet(14, 10, False, 16, initialization="fixup"), launcher)
    assert not use_fused_sums(densenet_bc(10, 4, 10), launcher)


@needs_gpp
def test_the_input_of_a_row_need_not_come_from_a_relu(emulated: Make) -> None:
    """Its gradient is not masked; in a network it would be no difference."""
    weights = [(torch.randn(8, 8, 3, 3) / 9).requires_grad_() for _ in range(4)]
    found, expected = (torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    add_relu._Row.apply(Sums(emulated()), True, found.requires_grad_(), *weights).sum().backward()
    x = expected.requires_grad_()
    for a, b in zip(weights[::2], weights[1::2], strict=True):
        x = F.relu(F.conv2d(F.relu(F.conv2d(x, a, padding=1)), b, padding=1) + x)
    x.sum().backward()
    assert found.grad is not None and expected.grad is not None
    assert (expected < 0).any() and torch.equal(found.grad, expected.grad)


def test_without_a_device_torch_is_used_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def refused(source: str, shared: dict[str, int]) -> add_relu.Launch:
        raise add_relu.DeviceError("no such\ndevice")

    model = resnet(14, 10, False, 8)
    assert not use_fused_sums(model, refused)
    assert not any("forward" in vars(module) for module in model.modules())
    (said,) = caplog.records
    assert "add_relu.cu cannot be used: no such device" in said.message
