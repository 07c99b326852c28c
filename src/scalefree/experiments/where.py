"""Parts of a store by what their runs' configurations say: `where=[optimizer.name=adamw, model.depth=[20,56]]`."""

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
    """Which runs are meant: by key the values, of which a run has one.

    Attributes:
        text: as it was written, for titles.
    """

    text: str
    conditions: Mapping[str, tuple[Any, ...]]

    def of(self, results: Sequence[Result]) -> list[Result]:
        """The results that it means.

        Raises:
            ConfigError: there are none; naming the condition that none fulfils and what there is.
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
                said = f"; there {'is' if len(there) == 1 else 'are'} {', '.join(there[:20])}" if there else ""
                among = f" with {' and '.join(fulfilled)}" if fulfilled else ""
                raise ConfigError(f"where={self.text}: no run{among} has {condition}{said}")
            fulfilled.append(condition)
            left = found
        return left


def _value(config: RunConfig, key: str) -> Any:
    return _at(scientific_config(config), key)


def _same(found: Any, wanted: Any) -> bool:
    """Equal, 1 and 1.0 too, but neither is true."""
    return found == wanted and isinstance(found, bool) == isinstance(wanted, bool)


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "none of that model's"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _split(text: str) -> Iterator[str]:
    """What commas separate that are in no brackets and no quotes."""
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
    """The conditions of `[key=value, key=[value, value]]`, with or without the brackets; none mean every run.

    Raises:
        ConfigError: not conditions, or an unknown key.
    """
    inside = text.strip()
    if inside.startswith("[") != inside.endswith("]") and "=[" not in inside:
        raise ConfigError(f"where={text} has a bracket too many or too few; write where=[model.depth=56, seed=0]")
    if inside.startswith("["):
        inside = inside[1:-1]
    conditions: dict[str, tuple[Any, ...]] = {}
    for piece in filter(None, map(str.strip, _split(inside))):
        key, equals, value = (part.strip() for part in piece.partition("="))
        if not equals or not value:
            raise ConfigError(f"where={text}: {piece} is not a condition; write key=value, as model.depth=56")
        # As for train.py: optimizer=adamw chooses by name.
        key = f"{key}.name" if key in GROUPS else key
        known = [scientific_config(RunConfig(model=model)) for model in (ResNetConfig(), DenseNetConfig())]
        if not any(_has(values, key) for values in known):
            raise ConfigError(
                f"where={text}: {key} is not a key by which runs differ; `python scripts/train.py --cfg job` shows them"
            )
        if key in conditions:
            raise ConfigError(f"where={text}: {key} is there twice; write {key}=[ONE,OTHER] for either")
        override = parse_override(f"{key}={value}")
        if override.is_sweep_override():
            raise ConfigError(f"where={text}: write {key}=[ONE,OTHER] for either of several values")
        read = override.value()
        either = isinstance(read, list) and not any(isinstance(_at(values, key), list) for values in known)
        conditions[key] = tuple(map(_plain, read)) if either and isinstance(read, list) else (_plain(read),)
    return Where(text.strip() if inside.strip() else "every run", conditions)


def _plain(value: Any) -> Any:
    """Hydra keeps quotes with what they enclose."""
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
    """A name for the folder of their figures: `optimizer.name=adamw_model.depth=56`."""
    return "_vs_".join(re.sub(r"[\s,]+", "_", part.text.strip("[]")) for part in parts)
