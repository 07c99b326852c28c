"""Impossible depths and sizes are refused by name, without torch."""

import subprocess
import sys

import pytest

from scalefree.depths import check_densenet_depth, check_resnet_depth, check_sizes


@pytest.mark.parametrize(("depth", "n"), [(8, 1), (20, 3), (44, 7), (56, 9), (110, 18), (218, 36)])
def test_valid_resnet_depths_give_n(depth: int, n: int) -> None:
    assert check_resnet_depth(depth) == n


@pytest.mark.parametrize(("depth", "n"), [(10, 1), (22, 3), (40, 6), (100, 16)])
def test_valid_densenet_depths_give_n(depth: int, n: int) -> None:
    assert check_densenet_depth(depth) == n


@pytest.mark.parametrize(
    ("depth", "nearest"),
    [(21, "20, 26"), (25, "20, 26"), (9, "8, 14"), (109, "104, 110"), (7, "8"), (2, "8"), (0, "8"), (-4, "8")],
)
def test_other_resnet_depths_name_the_nearest(depth: int, nearest: str) -> None:
    with pytest.raises(ValueError) as error:
        check_resnet_depth(depth)
    assert str(error.value) == (f"depth={depth} is not a CIFAR ResNet depth; use 6n+2, nearest: {nearest}")


@pytest.mark.parametrize(("depth", "nearest"), [(101, "100, 106"), (99, "94, 100"), (4, "10"), (9, "10")])
def test_other_densenet_depths_name_the_nearest(depth: int, nearest: str) -> None:
    with pytest.raises(ValueError) as error:
        check_densenet_depth(depth)
    assert str(error.value) == (f"depth={depth} is not a DenseNet-BC depth; use 6n+4, nearest: {nearest}")


def test_a_size_below_one_is_named() -> None:
    check_sizes(width=1, num_classes=10)
    with pytest.raises(ValueError, match=r"^num_classes=0 must be at least 1$"):
        check_sizes(width=1, num_classes=0)


def test_checking_a_depth_does_not_import_torch() -> None:
    code = "import sys, scalefree.depths; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
