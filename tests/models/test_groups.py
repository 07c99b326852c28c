"""Layer groups: every parameter is in exactly one, named after the part of the network."""

import pytest
from torch import nn

from scalefree.models import densenet_bc, layer_groups, resnet

RESNET = ["stem", "stage1", "stage2", "stage3", "head"]
DENSENET = ["stem", "block1", "transition1", "block2", "transition2", "block3", "head"]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (resnet(8, 10, False, 2), RESNET),
        (resnet(8, 10, True, 2), [*RESNET, "batch_norm"]),
        (resnet(8, 10, False, 2, initialization="fixup"), RESNET),
        (densenet_bc(10, 2, 10, False), DENSENET),
        (densenet_bc(10, 2, 10, True), [*DENSENET, "batch_norm"]),
    ],
    ids=["resnet", "resnet with BN", "fixup", "densenet", "densenet with BN"],
)
def test_groups_partition_the_parameters(model: nn.Module, expected: list[str]) -> None:
    groups = layer_groups(model)
    assert set(groups) == set(expected)
    grouped = [name for names in groups.values() for name in names]
    assert sorted(grouped) == sorted(name for name, _ in model.named_parameters())


def test_groups_have_these_members() -> None:
    groups = layer_groups(resnet(8, 10, True, 2))
    assert groups["stem"] == ["conv.weight"]
    assert groups["head"] == ["linear.weight", "linear.bias"]
    assert groups["stage2"] == ["stage2.0.conv1.weight", "stage2.0.conv2.weight"]
    assert len(groups["batch_norm"]) == 2 * 7
    fixup = layer_groups(resnet(8, 10, False, 2, initialization="fixup"))
    assert set(fixup["stem"]) == {"conv.weight", "stem_bias"}
    assert set(fixup["head"]) == {"linear.weight", "linear.bias", "head_bias"}
