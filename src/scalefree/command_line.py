"""Command-line arguments in Hydra's style for the scripts that do not use Hydra, and one-line refusals."""

import os
import sys
from collections.abc import Mapping, Sequence

from scalefree.paths import written_path
from scalefree.terminal import shown

PATHS = ("results_dir", "dataset_root", "data", "out", "back", "results", "to", "page")
# The largest value of a count, such as runs at a time.
MOST = 10_000


def refused(error: Exception | str) -> int:
    """Print in one line what is wrong with the request; returns the exit code of every such refusal."""
    print(f"error: {shown(error)}", file=sys.stderr)
    return 2


def given() -> list[str]:
    """This process's arguments.

    Raises:
        ValueError: an argument that is not UTF-8 and not a path; records and pages could not contain it.
    """
    for argument in sys.argv[1:]:
        key, equals, _ = argument.partition("=")
        if not equals or key.lstrip("+") in (*PATHS, "dataset.root"):
            continue
        try:
            os.fsencode(argument).decode()
        except UnicodeDecodeError:
            raise ValueError(f"the argument {argument} is not UTF-8 text; choose another name") from None
    return sys.argv[1:]


def parse(arguments: Sequence[str], /, **defaults: str) -> dict[str, str]:
    """The defaults, overridden by the arguments; `~` in paths is expanded. Only keys with an empty default may be
    empty.

    Raises:
        ValueError: an argument that is not `key=value`, an unknown or repeated key, an empty value, an impossible path,
            or a results_dir that cannot be a folder.
    """
    values: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in defaults:
            known = ", ".join(f"{name}={default}" for name, default in defaults.items())
            raise ValueError(f"unknown argument {argument!r}; the arguments with their defaults: {known}")
        if key in values:
            raise ValueError(f"{key}= is given twice, as {values[key]} and as {value}; give it once")
        if defaults[key] and not value.strip():
            raise ValueError(f"{key}= is empty; give a value, or omit it to use {key}={defaults[key]}")
        values[key] = written_path(key, value) if key in PATHS and value != defaults[key] else value
    options = {**defaults, **values}
    if "results_dir" in options:
        from scalefree.records import check_results_dir  # imports NumPy, which a bare machine may lack

        check_results_dir(options["results_dir"])
    return options


def names(values: Mapping[str, str], key: str) -> list[str]:
    """The comma-separated names in a key's value.

    Raises:
        ValueError: a name is empty or given twice.
    """
    found = values[key].split(",")
    for name in found:
        if not name.strip():
            raise ValueError(f"{key}={values[key]} has an empty name; separate names by single commas")
        if found.count(name) > 1:
            raise ValueError(f"{key}={values[key]} names {name} twice; name it once")
    return found


def choice(values: Mapping[str, str], key: str, *allowed: str) -> str:
    """The value of a key that allows only certain values.

    Raises:
        ValueError: any other value.
    """
    if values[key] not in allowed:
        raise ValueError(f"{key}={values[key]} is impossible; choose one of {', '.join(allowed)}")
    return values[key]


def whole_number(values: Mapping[str, str], key: str) -> int:
    """The value of a key that is a count.

    Raises:
        ValueError: not a whole number from 1 to `MOST`.
    """
    value = values[key]
    if not (value.isascii() and value.isdecimal() and len(value) <= len(str(MOST)) and 1 <= int(value) <= MOST):
        raise ValueError(f"{key}={value} is impossible; it must be a whole number from 1 to {MOST}")
    return int(value)
