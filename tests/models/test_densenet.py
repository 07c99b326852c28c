"""DenseNet-BC: its table, its logits compared with NumPy, its initialisation."""

import inspect
import math
import sys

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from models.reference import densenet_logits, randomize_batch_norms, weights_of
from scalefree.models import DenseNet, densenet_bc


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def counted(depth: int, k: int, num_classes: int, in_channels: int) -> tuple[int, int]:
    """Parameters without BatchNorm, and those of BatchNorm, layer by layer."""
    plain, norms, channels = 9 * in_channels * 2 * k, 0, 2 * k
    for block in range(3):
        for _ in range((depth - 4) // 6):
            plain += channels * 4 * k + 9 * 4 * k * k
            norms += 2 * channels + 2 * 4 * k
            channels += k
        norms += 2 * channels  # the transition's, or the head's
        if block < 2:
            plain += channels * (channels // 2)
            channels //= 2
    return plain + (channels + 1) * num_classes, norms


# Huang et al. (2017), table 2, give 0.8M for depth 100, k = 12.
TABLE = [(40, 10, 176_122, 171_034), (100, 10, 769_162, 745_174), (100, 100, 800_032, 776_044)]


@pytest.mark.parametrize(("depth", "num_classes", "with_bn", "without_bn"), TABLE)
def test_the_documented_table_of_layers_and_parameters_is_right(
    depth: int, num_classes: int, with_bn: int, without_bn: int
) -> None:
    plain, norms = counted(depth, 12, num_classes, 3)
    assert (plain + norms, plain) == (with_bn, without_bn)
    assert parameters(densenet_bc(depth, 12, num_classes)) == with_bn
    model = densenet_bc(depth, 12, num_classes, batch_norm=False)
    assert parameters(model) == without_bn
    assert sum(isinstance(module, nn.Conv2d) for module in model.modules()) == depth - 1
    row = [str(depth), str(depth - 1), str(num_classes), f"{with_bn:,}", f"{without_bn:,}"]
    documentation = inspect.getdoc(sys.modules[DenseNet.__module__]) or ""
    assert row in [line.split() for line in documentation.splitlines()]


@pytest.mark.parametrize(("k", "num_classes", "in_channels"), [(5, 10, 1), (1, 1, 2)])
def test_parameters_are_counted_at_other_sizes(k: int, num_classes: int, in_channels: int) -> None:
    plain, norms = counted(16, k, num_classes, in_channels)
    assert parameters(densenet_bc(16, k, num_classes, True, in_channels=in_channels)) == plain + norms
    assert parameters(densenet_bc(16, k, num_classes, False, in_channels=in_channels)) == plain


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("size", [(8, 8), (9, 13), (32, 32)])
def test_logits_equal_the_numpy_reference(batch_norm: bool, size: tuple[int, int]) -> None:
    model = densenet_bc(16, 3, 7, batch_norm, in_channels=2, generator=seeded()).double().eval()
    randomize_batch_norms(model, seeded(2))
    x = torch.randn(2, 2, *size, generator=seeded(1)).double()
    expected = densenet_logits(x.numpy(), weights_of(model), n=2)
    with torch.no_grad():
        np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-10)
        model = model.to(memory_format=torch.channels_last)
        logits = model(x.contiguous(memory_format=torch.channels_last))
        np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-10)


def test_without_bn_is_the_same_network_with_every_bn_deleted() -> None:
    with_bn = densenet_bc(22, 4, 10, generator=seeded())
    without = densenet_bc(22, 4, 10, False, generator=seeded())
    norms = {name for name, module in with_bn.named_modules() if isinstance(module, nn.BatchNorm2d)}
    assert len(norms) == 2 * 3 * 3 + 2 + 1
    kept = {name: p for name, p in with_bn.named_parameters() if name.rpartition(".")[0] not in norms}
    assert kept.keys() == dict(without.named_parameters()).keys() == without.state_dict().keys()
    for name, p in without.named_parameters():
        assert torch.equal(p, kept[name]), name


def test_weights_depend_only_on_the_generator() -> None:
    before = torch.get_rng_state()
    first, again, other = (densenet_bc(10, 2, 10, generator=seeded(s)).state_dict() for s in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before), "the global stream has moved"
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
    assert not torch.equal(first["conv.weight"], other["conv.weight"])


def test_the_linear_layer_is_uniform_within_one_over_the_root_of_its_inputs() -> None:
    """torch's default, which the authors' code keeps, for both weight and bias."""
    linear = densenet_bc(16, 24, 1000, generator=seeded()).linear
    bound = 1 / math.sqrt(linear.in_features)
    for parameter in (linear.weight, linear.bias):
        values = parameter.detach().double().flatten().numpy()
        assert stats.kstest(values, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-3
        assert abs(values).max() <= bound


def test_initial_convolutions_have_kaiming_fan_out_variance() -> None:
    model = densenet_bc(16, 24, 100, generator=seeded())
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            weight = module.weight.detach().double()
            fan = weight.shape[0] * weight.shape[2] * weight.shape[3]  # k k out
        else:
            continue
        assert abs(weight.mean()) < 5 * math.sqrt(2 / fan / weight.numel()), name
        assert abs(weight.var() * fan / 2 - 1) < 5 * math.sqrt(2 / weight.numel()), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 101}, "nearest: 100, 106"),
        ({"growth_rate": 0}, "^growth_rate=0 must"),
        ({"num_classes": 0}, "^num_classes=0 must"),
        ({"in_channels": 0}, "^in_channels=0 must"),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        densenet_bc(**{"depth": 10, **arguments})  # type: ignore[arg-type]
