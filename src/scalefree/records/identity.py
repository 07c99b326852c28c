"""The identity of a run: a hash of the scientific part of its configuration, and a readable slug."""

import copy
import dataclasses
import hashlib
import json
import re
from typing import Any

from scalefree.config import MACHINE_KEYS, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.datasets import DATASETS

# Increase an architecture's format when the meaning of its configurations changes, so that old records are never taken
# for new ones; the default is 1. DenseNet's linear layer was Kaiming-normal in format 1.
IDENTITY_FORMATS = {"densenet": 2}

# Characters of an optimizer's own arguments in a run's name.
MOST_OF_ARGUMENTS = 64

# Keys that were added later, with the values that correspond to their absence: with these values they are not hashed,
# so that older records keep their identities. The first value is filled in when such a record is read.
ADDED: dict[str, tuple[Any, ...]] = {
    "replica": (0,),
    "dataset.resolution": (None, 32),
    "optimizer.granularity": ("coordinate",),
    "optimizer.decay_unbalance": (0.0,),
    "training.gradient_unbalance": (0.0,),
    "optimizer.target": (None,),
    "optimizer.arguments": ({},),
    "optimizer.decay": ("own",),
}


def _parent(values: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    """The innermost mapping of a dotted key, and the key's last part."""
    *parents, leaf = key.split(".")
    for parent in parents:
        values = values[parent]
    return values, leaf


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    """Copy nested mappings but not their leaves, ten times as fast as deepcopy."""
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in values.items()}


def _one_zero(value: Any) -> Any:
    """The values with -0.0 replaced by 0.0, the same number but with a different hash."""
    if isinstance(value, dict):
        return {key: _one_zero(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_one_zero(inner) for inner in value]
    return value + 0.0 if isinstance(value, float) else value


def _as_floats(value: Any) -> Any:
    """The values with 5 replaced by 5.0, since no declared type decides between them; no run has integers above
    2^53.
    """
    if isinstance(value, dict):
        return {key: _as_floats(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_floats(inner) for inner in value]
    return float(value) if type(value) is int and abs(value) <= 2**53 else value


def scientific_config(config: RunConfig) -> dict[str, Any]:
    """The configuration without the machine keys, as plain JSON values."""
    values: dict[str, Any] = _one_zero(dataclasses.asdict(config))
    for key in MACHINE_KEYS:
        node, leaf = _parent(values, key)
        del node[leaf]
    return values


def with_added_keys(values: dict[str, Any]) -> dict[str, Any]:
    """A scientific configuration as this version writes it; keys that were added later get their former meaning.

    Raises:
        KeyError, TypeError: not a run's configuration.
    """
    completed = _copied(values)
    for key, before in ADDED.items():
        node, leaf = _parent(completed, key)
        node.setdefault(leaf, copy.deepcopy(before[0]))
    return completed


def identity_of_values(values: dict[str, Any], identity_format: int | None = None) -> str:
    """The identity of a scientific configuration given as plain values, for example read from a record.

    Raises:
        KeyError, TypeError: not a run's configuration.
    """
    hashed = _copied(values)
    for key, before in ADDED.items():
        node, leaf = _parent(hashed, key)
        if leaf in node and node[leaf] in before:
            del node[leaf]
    if "arguments" in hashed["optimizer"]:
        hashed["optimizer"]["arguments"] = _as_floats(hashed["optimizer"]["arguments"])
    if identity_format is None:
        identity_format = IDENTITY_FORMATS.get(values["model"]["name"], 1)
    canonical = json.dumps([identity_format, hashed], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def identities_of_values(values: dict[str, Any]) -> list[str]:
    """The identity of a scientific configuration, followed by those that it had in earlier formats.

    Raises:
        KeyError, TypeError: not a run's configuration.
    """
    newest = IDENTITY_FORMATS.get(values["model"]["name"], 1)
    return [identity_of_values(values, number) for number in range(newest, 0, -1)]


def run_identity(config: RunConfig) -> str:
    """Twelve hexadecimal digits that depend on every scientific key and on no machine key.

    Floats are hashed in their shortest round-trip form, and 0, 0.0 and -0.0 are the same. An image folder's content is
    included through `dataset.fingerprint`, which must have been filled in.
    """
    return identity_of_values(scientific_config(config))


def cell_identity(config: RunConfig) -> str:
    """Twelve hexadecimal digits that depend on every scientific key except the seed, and so are shared by a cell."""
    values = scientific_config(config)
    del values["seed"]
    return identity_of_values(values)


def number(value: float, digits: int = 10) -> str:
    """1e-3 rather than 0.001: step sizes and decays as in the paper, with at most `digits` decimals."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def model_label(config: RunConfig) -> str:
    """`resnet56-nobn`, `densenet100-bn`, `resnet20w8-nobn-fixup`: architecture in one word."""
    model = config.model
    label = f"{model.name}{model.depth}"
    if isinstance(model, ResNetConfig) and model.width != ResNetConfig.width:
        label += f"w{model.width}"
    if isinstance(model, DenseNetConfig) and model.growth_rate != DenseNetConfig.growth_rate:
        label += f"k{model.growth_rate}"
    label += "-bn" if model.batch_norm else "-nobn"
    if isinstance(model, ResNetConfig) and model.initialization != ResNetConfig.initialization:
        label += f"-{model.initialization}"
    return label


def optimizer_label(config: RunConfig) -> str:
    """`adamw`, `adam_scaled_l2_by_layer`, `NAdam`: the rule in one word, without step size and decay."""
    optimizer = config.optimizer
    if optimizer.target is not None:
        return optimizer.target.rpartition(".")[2]
    return optimizer.name + ("" if optimizer.granularity == "coordinate" else f"_by_{optimizer.granularity}")


def _argument(name: str, value: Any) -> str:
    """`momentum_decay4e-3`, `betas0.9_0.99`: an argument as part of a file name."""

    def text(node: Any) -> str:
        if isinstance(node, dict):
            return "_".join(f"{key}{text(inner)}" for key, inner in sorted(node.items()))
        if isinstance(node, list):
            return "_".join(map(text, node))
        if isinstance(node, int | float) and not isinstance(node, bool):
            return f"{node:g}" if 0.01 <= abs(node) < 1e4 else number(node)
        return str(node).lower() if isinstance(node, bool) else str(node)

    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name + text(value))


def _label(config: RunConfig, *seed: str) -> str:
    dataset = config.dataset
    parts = [
        dataset.name + (f"x{dataset.resolution}" if DATASETS[dataset.name].averages(dataset.resolution) else ""),
        model_label(config),
        optimizer_label(config),
        f"lr{number(config.optimizer.lr)}",
        f"wd{number(config.optimizer.weight_decay)}",
        *seed,
    ]
    if config.schedule.name != "constant":
        parts.append(config.schedule.name)
    if config.training.loss_multiplier != 1:
        parts.append(f"loss{config.training.loss_multiplier:g}")
    if config.optimizer.eps != 1e-8:
        parts.append(f"eps{number(config.optimizer.eps)}")
    if config.optimizer.decay_unbalance:
        parts.append(f"unbalanced{config.optimizer.decay_unbalance:g}")
    if config.training.gradient_unbalance:
        parts.append(f"layerloss{config.training.gradient_unbalance:g}")
    if config.precision != "fp32":
        parts.append(config.precision)
    if config.replica:
        parts.append(f"replica{config.replica}")
    if config.optimizer.decay != "own":
        parts.append(f"decay_{config.optimizer.decay}")
    # File names are limited in length; the hash distinguishes the rest.
    arguments = "-".join(_argument(*item) for item in sorted(config.optimizer.arguments.items()))
    if arguments:
        parts.append(arguments[:MOST_OF_ARGUMENTS])
    return "-".join(parts)


def run_label(config: RunConfig) -> str:
    """The readable part of a run's name; deviations from the usual protocol are added at the end."""
    return _label(config, f"seed{config.seed}")


def cell_slug(config: RunConfig) -> str:
    """`<readable slug>-<hash>` of a run's cell: like its name, but without the seed."""
    return f"{_label(config)}-{cell_identity(config)}"


def run_name(config: RunConfig) -> str:
    """`<readable slug>-<hash>`: the name of the run's directory in the store and of its wandb run."""
    return f"{run_label(config)}-{run_identity(config)}"
