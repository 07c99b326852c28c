"""`key=value` arguments for the scripts that need no Hydra tree, in Hydra's manner."""

from collections.abc import Sequence


def parse(arguments: Sequence[str], **defaults: str) -> dict[str, str]:
    """The defaults with the arguments' values.

    Raises:
        ValueError: an argument that is not `key=value`, or a key without a default.
    """
    values = dict(defaults)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in defaults:
            known = ", ".join(f"{name}={default}" for name, default in defaults.items())
            raise ValueError(f"unknown argument {argument!r}; known with their defaults: {known}")
        values[key] = value
    return values
