"""Parts of a store selected by configuration: `where=[optimizer.name=adamw, model.depth=[20,56]]`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scalefree.compose import GROUPS, parse_override
from scalefree.config import ConfigError, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.experiments.results import Result
from scalefree.experiments.survey import OPTIMIZER, short, written
from scalefree.records import scientific_config

_MISSING = object()


@dataclass(frozen=True)
class Where:
    """Conditions that select runs: for each key, the values that it may have.

    Attributes:
        text: the conditions as written, for titles.
    """

    text: str
    conditions: Mapping[str, tuple[Any, ...]]

    def of(self, results: Sequence[Result]) -> list[Result]:
        """The results that meet the conditions.

        Raises:
            ConfigError: there are none; the message names the condition that no run meets and the existing values.
        """
        left = list(results)
        fulfilled: list[str] = []
        for key, values in self.conditions.items():
            condition = f"{key}={' or '.join(map(_shown, values))}"
            found = [result for result in left if any(_same(_value(result.config, key), value) for value in values)]
            if not found:
                there = sorted(
                    {_shown(_value(result.config, key)) for result in left}, key=lambda text: (len(text), text)
                )
                said = f"; choose from {', '.join(there[:20])}" if there else ""
                among = f" with {' and '.join(fulfilled)}" if fulfilled else ""
                raise ConfigError(f"where={self.text}: no run{among} has {condition}{said}")
            fulfilled.append(condition)
            left = found
        return left


def _value(config: RunConfig, key: str) -> Any:
    return _at(scientific_config(config), key)


def _same(found: Any, wanted: Any) -> bool:
    """Equality by which 1 equals 1.0, but neither equals true."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "none of that model's"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _split(text: str) -> Iterator[str]:
    """Split at commas that are outside brackets and quotes."""
    depth, quote, piece = 0, "", ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        depth += (character in "[{(") - (character in "]})") if not quote else 0
        if character == "," and not depth and not quote:
            yield piece
            piece = ""
        else:
            piece += character
    yield piece


def read_where(text: str) -> Where:
    """Parse conditions `[key=value, key=[value, value]]`, with or without the outer brackets; none select every run.

    Raises:
        ConfigError: the text cannot be read as conditions, or a key is unknown.
    """
    inside = text.strip()
    if inside.startswith("[") != inside.endswith("]") and "=[" not in inside:
        raise ConfigError(f"where={text} has an unmatched bracket; write where=[model.depth=56, seed=0]")
    if inside.startswith("["):
        inside = inside[1:-1]
    conditions: dict[str, tuple[Any, ...]] = {}
    for piece in filter(None, map(str.strip, _split(inside))):
        key, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not value:
            raise ConfigError(f"where={text}: {piece} is not a condition; write key=value, such as model.depth=56")
        # As in train.py, optimizer=adamw chooses by name.
        key = f"{key}.name" if key in GROUPS else key
        known = [scientific_config(RunConfig(model=model)) for model in (ResNetConfig(), DenseNetConfig())]
        if not any(_has(values, key) for values in known):
            raise ConfigError(
                f"where={text}: {key} cannot be used here; `python scripts/train.py --cfg job` shows the keys"
            )
        if key in conditions:
            raise ConfigError(f"where={text}: {key} is given twice; write {key}=[ONE,OTHER] to allow either")
        override = parse_override(f"{key}={value}")
        if override.is_sweep_override():
            raise ConfigError(f"where={text}: write {key}=[ONE,OTHER] to allow several values")
        read = override.value()
        either = isinstance(read, list) and not any(isinstance(_at(values, key), list) for values in known)
        conditions[key] = tuple(map(_plain, read)) if either and isinstance(read, list) else (_plain(read),)
    return Where(text.strip() if inside.strip() else "every run", conditions)


def _plain(value: Any) -> Any:
    """A parsed value without the quotes that Hydra keeps with it."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return getattr(value, "text", value)


def _at(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part, _MISSING) if isinstance(values, dict) else _MISSING
    return values


def _has(values: Any, key: str) -> bool:
    found = _at(values, key)
    return found is not _MISSING and (not isinstance(found, dict) or key.endswith("arguments"))


def labels(parts: Sequence[Where]) -> list[str]:
    """What tells parts apart, for tables and figures: `depth 56, optimizer AdamW or Adam-l2`.

    As they were written where this does not tell them apart.
    """
    said = []
    for part in parts:
        own = {key: of for key, of in part.conditions.items() if not all(of == p.conditions.get(key) for p in parts)}
        words = [
            f"{short(key.removesuffix('.name'))} {' or '.join(_named(key, value) for value in values)}"
            for key, values in own.items()
        ]
        said.append(", ".join(words) or "every run")
    return said if len(set(said)) == len(parts) else [part.text for part in parts]


def _named(key: str, value: Any) -> str:
    return written(OPTIMIZER if key == f"{OPTIMIZER}.name" else key, value)


def stem(parts: Sequence[Where]) -> str:
    """The name of the folder of the parts' figures: `optimizer.name=adamw_model.depth=56`."""
    return "_vs_".join(re.sub(r"[\s,]+", "_", part.text.strip("[]")) for part in parts)
