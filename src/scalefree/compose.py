"""From Hydra's configuration tree under `configs/` to typed run configurations."""

import dataclasses
import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from scalefree.config import ConfigError, DenseNetConfig, ResNetConfig, RunConfig, validate, with_values
from scalefree.datasets import DATASETS
from scalefree.optimizers import OPTIMIZERS
from scalefree.terminal import shown


def _config_dir() -> Path:
    """`configs/` at the top of a checkout, or the package's own copy if it was installed without a checkout."""
    beside = Path(__file__).resolve().parent / "configs"
    return beside if beside.is_dir() else Path(__file__).resolve().parents[2] / "configs"


CONFIG_DIR = _config_dir()
# Keys that choose a file of a config group; all others set a value.
GROUPS = ("dataset", "model", "optimizer", "schedule", "tracking")


def tables() -> dict[str, dict[str, dict[str, Any]]]:
    """The groups that a table holds in place of files, so that a new row needs no file."""
    return {
        "optimizer": {key: {"name": key} for key in OPTIMIZERS},
        "dataset": {
            key: {"name": key, "crop_padding": row.crop_padding, "horizontal_flip": row.horizontal_flip}
            for key, row in DATASETS.items()
        },
    }


def files_of(folder: str) -> list[Path]:
    """The files in a folder of configs/, sorted, except hidden ones, which editors leave there."""
    return sorted(path for path in (CONFIG_DIR / folder).glob("*.yaml") if not path.name.startswith("."))


def options_of(group: str) -> list[str]:
    """What there is to choose in a group, sorted."""
    return sorted(tables().get(group) or (path.stem for path in files_of(group)))


def choices(*groups: str) -> str:
    """One line per config group with its choices, for `--help`; by default all groups of a run."""
    return "\n".join(f"{group}: {', '.join(options_of(group))}" for group in groups or GROUPS)


def register_schemas() -> None:
    """Register the dataclasses with Hydra, so that it refuses unknown keys and wrong types."""
    OmegaConf.register_new_resolver("choices", choices, replace=True)
    store = ConfigStore.instance()
    # The model's type is left open: the chosen group file makes it ResNetConfig or DenseNetConfig.
    schema = OmegaConf.structured(RunConfig(model=MISSING))
    OmegaConf.set_struct(schema.optimizer.arguments, False)  # any argument that the optimizer takes
    store.store(name="run_schema", node=schema)
    store.store(group="model", name="resnet_schema", node=ResNetConfig)
    store.store(group="model", name="densenet_schema", node=DenseNetConfig)
    for group, table in tables().items():
        for key, node in table.items():
            store.store(group=group, name=key, node=node)


def one_line(error: Exception) -> str:
    """The error's message on one line, without the technical details that Hydra and OmegaConf append."""
    noise = ("full_key:", "object_type=", "reference_type=", "To append", "Config search path", "provider=", "See http")
    lines = [line.strip() for line in str(error).splitlines()]
    useful = [line for line in lines if line and not line.startswith(noise) and not line.endswith("_schema")]
    cause = error.__cause__
    if cause is not None and isinstance(cause, OmegaConfBaseException):
        useful.append(str(cause).splitlines()[0])
    return shown(" ".join(dict.fromkeys(useful))) or type(error).__name__


def parse_override(text: str) -> Override:
    """Parse an override as Hydra does.

    Raises:
        ConfigError: an override that cannot be parsed, or a config group given anything but one name, for which Hydra's
            own message is no help, or it merges several files.
    """
    if re.search(r"\d{300}", text):
        raise ConfigError(f"{text} has a number with too many digits; give a smaller one")
    try:
        override = OverridesParser.create().parse_override(text)
    except Exception as error:
        raise ConfigError(f"{text} is not key=value as Hydra reads it: {one_line(error)}") from None
    group = override.key_or_group
    if not (override.is_delete() or override.is_sweep_override()) and (group in GROUPS or "/" in group):
        value = override.value()
        if not isinstance(value, str | dict) or value == "":
            known = ", ".join(options_of(group))
            raise ConfigError(f"{text} is not a valid choice; {group} takes one name{known and f' of {known}'}")
    return override


def _unknown_keys(composed: Mapping[Any, Any], known: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Dotted keys that `+key=value` added to the composed configuration but that no run has."""
    unknown = []
    for key, value in composed.items():
        if key not in known:
            unknown.append(f"{prefix}{key}")
        elif isinstance(value, Mapping) and isinstance(known[key], Mapping):
            unknown += _unknown_keys(value, known[key], f"{prefix}{key}.")
    return unknown


def _typed(composed: DictConfig) -> RunConfig:
    try:
        config = OmegaConf.to_object(composed)
    except (OmegaConfBaseException, OverflowError, RecursionError) as error:
        raise ConfigError(one_line(error)) from None
    if not isinstance(config, RunConfig):
        raise ConfigError("this is not the configuration of a run; begin its defaults list with `- config`")
    values: Any = OmegaConf.to_container(composed)
    if unknown := _unknown_keys(values, dataclasses.asdict(config)):
        raise ConfigError(f"{unknown[0]} is not a key of a run; `python scripts/train.py --cfg job` shows all keys")
    return config


def to_run_config(composed: DictConfig) -> RunConfig:
    """Convert a composed configuration to a typed, validated one.

    Raises:
        ConfigError: naming the key that is wrong.
    """
    config = _typed(composed)
    validate(config)
    return config


def _is_text(path: Path) -> bool:
    try:
        path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True


def compose_tree(name: str, overrides: Sequence[str], *, hydra: bool = False) -> DictConfig:
    """Compose a root configuration (`config`, `experiments`) with overrides; `hydra` includes Hydra's own section.

    Raises:
        ConfigError: an override with an unknown key or choice.
    """
    register_schemas()
    GlobalHydra.instance().clear()
    try:
        for override in overrides:
            parse_override(override)
        with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
            return compose(name, overrides=list(overrides), return_hydra_config=hydra)
    except ConfigError:
        raise
    except UnicodeDecodeError as error:  # which names no file
        unreadable = [str(path) for path in sorted(CONFIG_DIR.rglob("*.yaml")) if not _is_text(path)]
        raise ConfigError(f"{', '.join(unreadable) or 'a configuration file'} is not UTF-8 text: {error}") from None
    except Exception as error:  # besides its own kinds, Hydra raises ValueError, KeyError, OverflowError ...
        raise ConfigError(one_line(error)) from error


@functools.cache
def base_config(choices: tuple[str, ...]) -> RunConfig:
    """The configuration that group choices alone give; not validated, since dataset=image_folder gets its root
    later.
    """
    return _typed(compose_tree("config", choices))


def run_config(values: Mapping[str, Any]) -> RunConfig:
    """A run's configuration from a flat mapping such as {"model": "resnet", "optimizer.lr": 1e-3}.

    Composing is slow but there are few combinations of group choices, so each is composed only once.

    Raises:
        ConfigError: an unknown key or choice, a wrong type or an impossible value.
    """
    choices = tuple(f"{key}={value}" for key, value in values.items() if key in GROUPS)
    config = with_values(base_config(choices), {key: value for key, value in values.items() if key not in GROUPS})
    validate(config)
    return config
