"""Which run is this: a hash of the scientific part of its configuration, and a readable slug."""

import hashlib
import json
from typing import Any

from scalefree.config import MACHINE_KEYS, DenseNetConfig, ResNetConfig, RunConfig, to_dict

# Raise it when the meaning of a configuration changes, so that old records are never taken for new ones.
IDENTITY_FORMAT = 1


def scientific_config(config: RunConfig) -> dict[str, Any]:
    """The configuration without the machine keys, as plain JSON values."""
    values = to_dict(config)
    for key in MACHINE_KEYS:
        *parents, leaf = key.split(".")
        node = values
        for parent in parents:
            node = node[parent]
        del node[leaf]
    return values


def identity_of_values(values: dict[str, Any]) -> str:
    """The identity of a scientific configuration that is already plain values (one read from a record)."""
    canonical = json.dumps([IDENTITY_FORMAT, values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def run_identity(config: RunConfig) -> str:
    """Twelve hexadecimal digits that depend on every scientific key and on no machine key.

    Floats enter by their shortest round-trip form, and the typed configuration makes 0 and 0.0 one value.
    An image folder's content is part of it through `dataset.fingerprint`, which must be filled in by then.
    """
    return identity_of_values(scientific_config(config))


def _number(value: float) -> str:
    """1e-3 rather than 0.001: step sizes and decays as the paper writes them."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.10e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def model_label(config: RunConfig) -> str:
    """`resnet56-nobn`, `densenet100-bn`, `resnet20w8-nobn-fixup`: architecture in one word."""
    model = config.model
    label = f"{model.name}{model.depth}"
    if isinstance(model, ResNetConfig) and model.width != 16:
        label += f"w{model.width}"
    if isinstance(model, DenseNetConfig) and model.growth_rate != 12:
        label += f"k{model.growth_rate}"
    label += "-bn" if model.batch_norm else "-nobn"
    if isinstance(model, ResNetConfig) and model.initialization != "kaiming":
        label += f"-{model.initialization}"
    return label


def run_label(config: RunConfig) -> str:
    """The readable part of a run's name; what differs from the usual protocol is added at the end."""
    parts = [
        config.dataset.name,
        model_label(config),
        config.optimizer.name,
        f"lr{_number(config.optimizer.lr)}",
        f"wd{_number(config.optimizer.weight_decay)}",
        f"seed{config.seed}",
    ]
    if config.schedule.name != "constant":
        parts.append(config.schedule.name)
    if config.training.loss_multiplier != 1:
        parts.append(f"loss{config.training.loss_multiplier:g}")
    if config.optimizer.eps != 1e-8:
        parts.append(f"eps{_number(config.optimizer.eps)}")
    if config.precision != "fp32":
        parts.append(config.precision)
    return "-".join(parts)


def run_name(config: RunConfig) -> str:
    """`<readable slug>-<hash>`: the name of the run's directory in the store and of its wandb run."""
    return f"{run_label(config)}-{run_identity(config)}"
