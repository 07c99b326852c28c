"""The CIFAR ResNet: its table, its logits compared with NumPy, its initialisations."""

import inspect
import math
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.reference import option_a, randomize_batch_norms, resnet_logits, weights_of
from scalefree.models import ResNet, resnet
from scalefree.models.resnet import BasicBlock, FixupBlock


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=seeded(seed))


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def counted(depth: int, width: int, num_classes: int, in_channels: int) -> tuple[int, int]:
    """Parameters without BatchNorm, and those of BatchNorm, in closed form.

    A stage's first convolution has half as many inputs as its other 2n - 1, except in stage 1, where all are equal; a
    BatchNorm with two parameters per channel follows every convolution.
    """
    n, w2 = (depth - 2) // 6, 9 * width * width
    convolutions = 9 * in_channels * width + w2 * (2 * n + 4 * (2 * n - 0.5) + 16 * (2 * n - 0.5))
    norms = 2 * width * (1 + 2 * n * (1 + 2 + 4))
    return int(convolutions) + (4 * width + 1) * num_classes, norms


# He et al. (2016), table 6, give 0.27M, 0.66M, 0.85M and 1.7M for depths 20, 44, 56 and 110 with BN.
TABLE = [
    (20, 269_722, 268_346),
    (44, 658_586, 655_418),
    (56, 853_018, 848_954),
    (110, 1_727_962, 1_719_866),
    (218, 3_477_850, 3_461_690),
]


@pytest.mark.parametrize(("depth", "with_bn", "without_bn"), TABLE)
def test_the_documented_table_of_layers_and_parameters_is_right(depth: int, with_bn: int, without_bn: int) -> None:
    plain, norms = counted(depth, width=16, num_classes=10, in_channels=3)
    assert (plain + norms, plain) == (with_bn, without_bn)
    assert parameters(resnet(depth, 10, generator=seeded())) == with_bn
    model = resnet(depth, 10, batch_norm=False, generator=seeded())
    assert parameters(model) == without_bn
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == depth - 1
    row = [str(depth), str(depth - 1), f"{with_bn:,}", f"{without_bn:,}"]
    documentation = inspect.getdoc(sys.modules[ResNet.__module__]) or ""
    assert row in [line.split() for line in documentation.splitlines()]


@pytest.mark.parametrize(("width", "num_classes", "in_channels"), [(8, 10, 1), (5, 100, 3), (1, 1, 4)])
def test_parameters_are_counted_at_other_sizes(width: int, num_classes: int, in_channels: int) -> None:
    plain, norms = counted(14, width, num_classes, in_channels)
    assert parameters(resnet(14, num_classes, True, width, in_channels=in_channels)) == plain + norms
    assert parameters(resnet(14, num_classes, False, width, in_channels=in_channels)) == plain


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("size", "width"), [((8, 8), 4), ((9, 13), 3), ((32, 32), 2)])
def test_logits_equal_the_numpy_reference(batch_norm: bool, size: tuple[int, int], width: int) -> None:
    model = resnet(14, 7, batch_norm, width, in_channels=2, generator=seeded()).double().eval()
    randomize_batch_norms(model, seeded(2))
    x = images(2, 2, *size).double()
    expected = resnet_logits(x.numpy(), weights_of(model), n=2)
    with torch.no_grad():
        np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-10)
        channels_last = model.to(memory_format=torch.channels_last)
        logits = channels_last(x.contiguous(memory_format=torch.channels_last))
        np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize(("width", "size"), [(16, (8, 8)), (5, (9, 11))])
def test_the_shortcut_subsamples_and_pads(width: int, size: tuple[int, int]) -> None:
    model = resnet(8, 10, False, width)
    x = images(2, width, *size)
    for stage, channels, stride in ((model.stage1, width, 1), (model.stage2, 2 * width, 2)):
        expected = option_a(x.double().numpy(), channels, stride)
        block = stage[0]
        assert isinstance(block, BasicBlock)
        np.testing.assert_array_equal(block.shortcut(x).numpy(), expected)


def test_without_bn_is_the_same_network_with_every_bn_deleted() -> None:
    with_bn, without = resnet(20, 10, generator=seeded()), resnet(20, 10, False, generator=seeded())
    norms = {name for name, module in with_bn.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert len(norms) == 19
    kept = {name: p for name, p in with_bn.named_parameters() if name.rpartition(".")[0] not in norms}
    assert kept.keys() == dict(without.named_parameters()).keys() == without.state_dict().keys()
    for name, p in without.named_parameters():
        assert torch.equal(p, kept[name]), name


def test_weights_depend_only_on_the_generator() -> None:
    before = torch.get_rng_state()
    first, again, other = (resnet(8, 10, generator=seeded(seed)).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before), "the global stream has moved"
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
    assert not torch.equal(first["linear.weight"], other["linear.weight"])
    assert not torch.equal(first["linear.bias"], other["linear.bias"])


def test_without_a_generator_two_networks_differ() -> None:
    assert not torch.equal(resnet(8, 10).conv.weight, resnet(8, 10).conv.weight)


def test_initial_weights_are_kaiming_normal() -> None:
    model = resnet(20, 100, False, generator=seeded())
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.detach().double()
            fan_in = weight[0].numel()
            samples = weight.numel()
            # Five standard errors of a mean and of a variance; a uniform distribution has kurtosis 1.8.
            assert abs(weight.mean()) < 5 * math.sqrt(2 / fan_in / samples), name
            assert abs(weight.var() * fan_in / 2 - 1) < 5 * math.sqrt(2 / samples), name
            if samples > 2000:
                assert 2.6 < float((weight**4).mean() / (weight**2).mean() ** 2) < 3.4, name
    bound = 1 / math.sqrt(64)
    bias = model.linear.bias.detach().abs()
    assert 0.9 * bound < bias.max() <= bound


@pytest.mark.parametrize(
    ("depth", "smallest", "largest"),
    [(20, 3, 60), (44, 1e2, 6e3), (56, 3e3, 3e5), (110, 1e7, 5e9), (218, 1e16, 1e20)],
)
def test_without_bn_the_logits_explode_with_depth(depth: int, smallest: float, largest: float) -> None:
    model = resnet(depth, 10, False, generator=seeded())
    with torch.no_grad():
        deviation = float(model(images(4, 3, 32, 32)).std())
    assert smallest < deviation < largest
    with torch.no_grad():
        assert 0.1 < float(resnet(depth, 10, generator=seeded())(images(4, 3, 32, 32)).std()) < 10


@pytest.mark.parametrize(
    ("batch_norm", "initialization"), [(True, "zero_last"), (False, "zero_last"), (False, "fixup")]
)
def test_every_residual_branch_is_zero_at_initialisation(batch_norm: bool, initialization: str) -> None:
    model = resnet(14, 10, batch_norm, 4, initialization=initialization, generator=seeded())
    x = images(2, 4, 8, 8).relu()
    for stage in (model.stage1, model.stage2, model.stage3):
        for block in stage:
            assert isinstance(block, BasicBlock)
            assert torch.equal(block(x), block.shortcut(x))
            x = block(x)


@pytest.mark.parametrize(("batch_norm", "silent"), [(False, "conv2.weight"), (True, "norm2.weight")])
def test_zero_last_zeroes_only_the_last_layer_of_each_block(batch_norm: bool, silent: str) -> None:
    usual = resnet(14, 10, batch_norm, 4, generator=seeded()).state_dict()
    zeroed = resnet(14, 10, batch_norm, 4, initialization="zero_last", generator=seeded()).state_dict()
    assert usual.keys() == zeroed.keys()
    for name, tensor in zeroed.items():
        if name.endswith(silent):
            assert not tensor.any() and usual[name].any(), name
        else:
            assert torch.equal(tensor, usual[name]), name


@pytest.mark.parametrize(("initialization", "least", "most"), [("fixup", 0.95, 1.0), ("zero_last", 0.3, 0.45)])
def test_how_many_weights_are_trained(initialization: str, least: float, most: float) -> None:
    """Fixup's scalar biases bring the padded channels to life; under zero_last nothing does."""
    model = resnet(14, 10, False, 4, initialization=initialization, generator=seeded())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, labels = images(16, 3, 8, 8), torch.arange(16) % 10
    weights = list(model.parameters())
    trained = [torch.zeros_like(weight, dtype=torch.bool) for weight in weights]
    for _ in range(20):
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        for weight, so_far in zip(weights, trained, strict=True):
            assert weight.grad is not None
            so_far |= weight.grad != 0
        optimizer.step()
    share = sum(int(of.sum()) for of in trained) / sum(of.numel() for of in trained)
    assert least <= share <= most


@pytest.mark.parametrize("batch_norm", [False, True])
def test_under_zero_last_only_the_first_stages_channels_ever_live(batch_norm: bool) -> None:
    """The others are padded with zeros, to which branches of zeros add nothing, and ReLU passes no gradient at 0."""
    model = resnet(14, 10, batch_norm, 4, initialization="zero_last", generator=seeded())
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    x, labels = images(16, 3, 8, 8), torch.arange(16) % 10
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()
    for block in model.stage1:
        assert block.conv2.weight.any()
    out = model.stage3(model.stage2(model.stage1(images(2, 4, 8, 8).relu())))
    padded = out.new_ones(1, 4, 1, 1)
    for stage in (model.stage2, model.stage3):
        padded = stage[0].shortcut(padded)
    live = padded[0, :, 0, 0] > 0
    assert live.sum() == 4 and out[:, live].any() and not out[:, ~live].any()


def test_fixup_initialises_as_in_its_paper() -> None:
    usual = resnet(20, 10, False, generator=seeded()).state_dict()
    model = resnet(20, 10, False, initialization="fixup", generator=seeded())
    fixup = model.state_dict()
    branches = 9
    for name, tensor in usual.items():
        if name.endswith("conv1.weight"):  # rule 2, for branches of m = 2 layers: L^(-1 / (2m - 2))
            torch.testing.assert_close(fixup[name], tensor * branches ** (-1 / 2))
        elif name.startswith("linear") or name.endswith("conv2.weight"):  # rule 1
            assert not fixup[name].any(), name
        else:
            assert torch.equal(fixup[name], tensor), name
    added = fixup.keys() - usual.keys()  # rule 3
    assert all(fixup[name].numel() == 1 for name in added)
    multipliers = {name for name in added if name.endswith("scale")}
    assert len(multipliers) == branches and all(fixup[name] == 1 for name in multipliers)
    biases = added - multipliers
    assert len(biases) == 4 * branches + 2 and not any(fixup[name].any() for name in biases)


def test_a_fixup_block_applies_its_scalars_as_in_the_paper() -> None:
    block = resnet(8, 10, False, 4, initialization="fixup", generator=seeded()).stage1[0]
    assert isinstance(block, FixupBlock)
    scalars = {"bias1a": 0.3, "bias1b": -0.2, "scale": 1.7, "bias2a": 0.1, "bias2b": -0.4}
    with torch.no_grad():
        block.conv2.weight.normal_(generator=seeded(5))
        for name, value in scalars.items():
            getattr(block, name).fill_(value)
        x = images(2, 4, 8, 8)
        inner = (nn.functional.conv2d(x + 0.3, block.conv1.weight, padding=1) - 0.2).relu()
        outer = nn.functional.conv2d(inner + 0.1, block.conv2.weight, padding=1) * 1.7 - 0.4
        torch.testing.assert_close(block(x), (outer + x).relu())


def test_fixup_adds_a_bias_before_the_first_relu_and_before_the_linear_layer() -> None:
    model = resnet(8, 3, False, 4, initialization="fixup", generator=seeded())
    x = images(2, 3, 8, 8)
    with torch.no_grad():
        model.linear.weight.normal_(generator=seeded(5))
        model.stem_bias.fill_(0.5)
        model.head_bias.fill_(-0.3)
        features = (nn.functional.conv2d(x, model.conv.weight, padding=1) + 0.5).relu()
        for channels, stride in ((4, 1), (8, 2), (16, 2)):
            features = torch.from_numpy(option_a(features.double().numpy(), channels, stride)).float()
        expected = (features.mean((2, 3)) - 0.3) @ model.linear.weight.T
        torch.testing.assert_close(model(x), expected)


def test_gradients_reach_every_parameter() -> None:
    model = resnet(14, 10, width=4, generator=seeded())
    model(images(8, 3, 8, 8)).square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 21}, "nearest: 20, 26"),
        ({"num_classes": 0}, "^num_classes=0 must"),
        ({"width": 0}, "^width=0 must"),
        ({"in_channels": -1}, "^in_channels=-1 must"),
        ({"initialization": "zeros"}, "initialization='zeros' is unknown; choose kaiming, zero_last or fixup"),
        ({"initialization": "fixup"}, "batch_norm=False"),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resnet(**{"depth": 8, "num_classes": 10, **arguments})  # type: ignore[arg-type]
