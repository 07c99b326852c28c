"""From a run's configuration back to the overrides that one would type for it."""

import re
from typing import Any

from scalefree.compose import GROUPS, base_config
from scalefree.config import RunConfig
from scalefree.records import scientific_config


def overrides_of(config: RunConfig) -> dict[str, str]:
    """The overrides that compose a run, without machine keys, by key: groups first, then deviations from them.

    Raises:
        ConfigError: the configuration names an unknown group choice.
    """
    chosen = {group: getattr(config, group).name for group in GROUPS if group != "tracking"}
    base = scientific_config(base_config(tuple(f"{group}={name}" for group, name in chosen.items())))
    found = {group: f"{group}={name}" for group, name in chosen.items()}
    for key, value in scientific_config(config).items():
        for inner, of in value.items() if isinstance(value, dict) else [("", value)]:
            if of != (base[key][inner] if inner else base[key]):
                name = f"{key}.{inner}" if inner else key
                found[name] = f"{name}={_in_hydras_grammar(of)}"
    return found


def _in_hydras_grammar(value: Any) -> str:
    """A plain value in Hydra's override syntax; strings are quoted, so that none is mistaken for anything else."""
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_in_hydras_grammar(of)}' for key, of in value.items())}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_in_hydras_grammar, value))}]"
    if isinstance(value, str):
        escaped = re.sub(r"(\\*)'", r"\1\1\'", value)
        return f"'{escaped}'"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
