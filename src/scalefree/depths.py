"""The depths and sizes that the CIFAR architectures allow; does not import torch, so that checking is fast."""


def _nearest(depth: int, per_n: int, offset: int) -> str:
    n = max(1, (depth - offset) // per_n)
    lower, upper = per_n * n + offset, per_n * (n + 1) + offset
    return f"{lower}, {upper}" if depth > lower else f"{lower}"


def check_resnet_depth(depth: int) -> int:
    """The n in depth 6n + 2: the number of two-convolution residual blocks in each of the three stages.

    Raises:
        ValueError: another depth, naming the nearest possible ones.
    """
    n, remainder = divmod(depth - 2, 6)
    if remainder or n < 1:
        raise ValueError(f"depth={depth} is not a CIFAR ResNet depth; use 6n+2, nearest: {_nearest(depth, 6, 2)}")
    return n


def check_densenet_depth(depth: int) -> int:
    """The n in depth 6n + 4: the number of two-convolution bottleneck layers in each of the three dense blocks.

    Raises:
        ValueError: another depth, naming the nearest possible ones.
    """
    n, remainder = divmod(depth - 4, 6)
    if remainder or n < 1:
        raise ValueError(f"depth={depth} is not a DenseNet-BC depth; use 6n+4, nearest: {_nearest(depth, 6, 4)}")
    return n


def check_sizes(**sizes: int) -> None:
    """Refuse a width or a count below 1, naming it.

    Raises:
        ValueError: the first such size.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size} must be at least 1")
