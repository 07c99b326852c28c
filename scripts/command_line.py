"""`key=value` arguments for the scripts that need no Hydra tree, in Hydra's manner."""

from collections.abc import Mapping, Sequence

from scalefree.paths import written_path

PATHS = ("results_dir", "dataset_root")


def parse(arguments: Sequence[str], /, **defaults: str) -> dict[str, str]:
    """The defaults with the arguments' values; in paths `~` is the home. A path may be empty where its default is.

    Raises:
        ValueError: an argument that is not `key=value`, a key without a default, or what cannot be a path.
    """
    values = dict(defaults)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in defaults:
            known = ", ".join(f"{name}={default}" for name, default in defaults.items())
            raise ValueError(f"unknown argument {argument!r}; known with their defaults: {known}")
        is_path = key in PATHS and value != defaults[key]
        values[key] = written_path(key, value) if is_path else value
    return values


def whole_number(values: Mapping[str, str], key: str) -> int:
    """The value of a key that counts something.

    Raises:
        ValueError: no whole number of at least 1.
    """
    if not (values[key].isdecimal() and int(values[key]) >= 1):
        raise ValueError(f"{key}={values[key]} is impossible; it must be a whole number of at least 1")
    return int(values[key])
