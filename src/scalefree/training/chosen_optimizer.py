"""The configured optimizer, one of our rules or any torch optimizer, and the checks of it before any work."""

import functools
from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import Optimizer

from scalefree.config import ConfigError, OptimizerConfig
from scalefree.optim import RULES
from scalefree.optim.adam_family import AdamFamily
from scalefree.optimizers import OPTIMIZERS
from scalefree.training import any_torch
from scalefree.training.layers import layer_factors

Build = Callable[[OptimizerConfig, list[nn.Parameter]], Optimizer]


def _build_rule(rule: type[AdamFamily], chosen: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    """Build one of our rules; layers with their own lambda get their own parameter group."""
    decays = layer_factors(chosen.decay_unbalance, len(parameters), "decays")
    groups = [{"params": [p], "weight_decay": chosen.weight_decay * c} for p, c in zip(parameters, decays, strict=True)]
    options = {"granularity": chosen.granularity} if "granularity" in OPTIMIZERS[chosen.name].options else {}
    return rule(
        groups if chosen.decay_unbalance else parameters,
        lr=chosen.lr,
        betas=(chosen.betas[0], chosen.betas[1]),
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        **options,
    )


def is_elementwise(chosen: OptimizerConfig) -> bool:
    """Whether it computes the same on one vector of all parameters as layer by layer; unknown for torch's."""
    return chosen.name in RULES and RULES[chosen.name].elementwise


def builders() -> dict[str, Build]:
    """The functions that build the optimizers, by the key of their row."""
    return {**{key: functools.partial(_build_rule, rule) for key, rule in RULES.items()}, "torch": any_torch.build}


def check_table() -> None:
    """Refuse a rule without a row in the table, and a row without a rule.

    Raises:
        ConfigError: naming it.
    """
    built = builders()
    for key in built.keys() - OPTIMIZERS.keys():
        raise ConfigError(f"the rule {key} in scalefree.optim.RULES has no row in scalefree/optimizers.py; add one")
    for key in OPTIMIZERS.keys() - built.keys():
        raise ConfigError(
            f"optimizer={key} has a row in scalefree/optimizers.py but no class in scalefree.optim.RULES; add "
            "one, or remove the row"
        )


def check_optimizers(optimizers: Iterable[OptimizerConfig]) -> None:
    """Refuse optimizers that cannot train.

    Raises:
        ConfigError: naming each, on one line.
    """
    check_table()
    wrong: dict[str, None] = {}
    for chosen in {repr(chosen): chosen for chosen in optimizers if chosen.target is not None}.values():
        try:
            any_torch.try_out(chosen)
        except ConfigError as error:
            wrong[str(error)] = None
    if wrong:
        raise ConfigError("; ".join(wrong))


def build_optimizer(chosen: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    """The configured optimizer over parameters."""
    return builders()[chosen.name](chosen, parameters)
