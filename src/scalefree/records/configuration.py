"""From a record's plain values to the typed configuration, which determines the only name the record may have."""

from collections.abc import Iterator, Mapping
from typing import Any

from scalefree.config import OPEN, ConfigError, DenseNetConfig, ResNetConfig, RunConfig, validate, with_values
from scalefree.records.identity import identity_of_values, run_identity
from scalefree.records.printable import printable, quoted

MODELS: dict[str, type[ResNetConfig | DenseNetConfig]] = {"resnet": ResNetConfig, "densenet": DenseNetConfig}
# A record does not say where its images were, but an image folder's configuration must.
UNKNOWN_ROOT = "unknown"


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" not in OPEN:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_of_values(values: Mapping[str, Any]) -> RunConfig:
    """The configuration with these values as its scientific part, all checked; machine keys are unknown.

    Raises:
        ConfigError: an unknown or missing key, a wrong type, or an impossible value.
    """
    model = values.get("model")
    name = model.get("name") if isinstance(model, Mapping) else None
    if not isinstance(name, str) or name not in MODELS:
        raise ConfigError(f"its model is {quoted(name)}; this version knows {' and '.join(MODELS)}")
    try:
        config = with_values(RunConfig(model=MODELS[name]()), dict(_leaves(values)))
        config.dataset.root = UNKNOWN_ROOT
        validate(config)
    except (ValueError, OverflowError) as error:
        raise ConfigError(printable(str(error))) from None
    # Equal only if every key is in its place, none is missing and none is a machine key.
    try:
        identity = identity_of_values(dict(values))
    except (AttributeError, KeyError, TypeError):
        identity = None
    if identity != run_identity(config):
        raise ConfigError("its configuration is not as this version writes it: a key is missing or superfluous")
    return config
