"""Assigns parameters to parts of a network, for histograms by layer group."""

from torch import nn


def layer_groups(model: nn.Module) -> dict[str, list[str]]:
    """Parameter names by group, in the order of the network; every parameter is in exactly one group.

    Groups are the network's own top-level parts (`stage1` .., `block1`, `transition1` ..), `stem`, `head`, and
    `batch_norm` for the weights and biases of all BatchNorms, whose scales are not comparable.
    """
    batch_norms = {name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    groups: dict[str, list[str]] = {}
    for name, _ in model.named_parameters():
        top = name.split(".")[0]
        if name.rpartition(".")[0] in batch_norms:
            group = "batch_norm"
        elif top in ("linear", "head_bias"):
            group = "head"
        elif top in ("conv", "stem_bias"):
            group = "stem"
        else:
            group = top
        groups.setdefault(group, []).append(name)
    return groups
