"""The columns match the page that describes them, the configuration and the records' schema."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scalefree.config import MACHINE_KEYS, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.export.columns import CONFIG, EPOCHS, RUNS, TABLES, markdown
from scalefree.records.environment import BUILD, PACKAGES
from scalefree.records.schema import CURVES, DOCUMENT

PAGE = Path(__file__).parents[2] / "docs/export.md"
KINDS = {str: "text", int: "integer", float: "number", bool: "boolean"}


def declared(node: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every scientific key with its kind, according to the configuration's declarations."""
    for field in dataclasses.fields(node):
        key = f"{prefix}{field.name}"
        if key in MACHINE_KEYS:
            continue
        value = getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from declared(value, f"{key}.")
            continue
        declared_type: Any = field.type
        if isinstance(declared_type, types.UnionType):
            (declared_type,) = [kind for kind in typing.get_args(declared_type) if kind is not types.NoneType]
        yield key, "text" if typing.get_origin(declared_type) in (list, dict) else KINDS[declared_type]


def test_the_page_lists_the_columns_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in TABLES:
        assert markdown(name) in page, f"paste print(scalefree.export.columns.markdown({name!r})) into docs/export.md"


def test_every_scientific_key_is_a_column_of_its_kind() -> None:
    keys = dict(declared(RunConfig(model=ResNetConfig()))) | dict(declared(RunConfig(model=DenseNetConfig())))
    assert {column.name: column.kind for column in CONFIG} == keys


def test_every_curve_and_final_metric_is_a_column() -> None:
    assert {*CURVES, "drown_out_share"} == {column.name for column in EPOCHS} - {"name", "epoch"}
    names = {column.name for column in RUNS}
    checked = DOCUMENT["final_metrics"].__closure__
    assert checked is not None
    (known,) = [cell.cell_contents for cell in checked if isinstance(cell.cell_contents, dict)]
    assert "final_test_error" in known and known.keys() <= names


def test_everything_that_can_change_a_records_bits_is_a_column() -> None:
    columns = {column.name for column in RUNS}
    packages = {f"packages.{package.replace('-', '_')}" for package in PACKAGES}
    assert {f"environment.{name}" for name in {*BUILD, *packages}} <= columns


@pytest.mark.parametrize("name", TABLES)
def test_column_names_are_unique_valid_in_r_and_described(name: str) -> None:
    names = [column.name for column in TABLES[name]]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*", one) for one in names)
    assert all(column.description for column in TABLES[name])
    assert all(column.unit for column in TABLES[name] if column.kind == "number" and column.name not in UNITLESS)


# Factors, and quantities whose unit depends on the network.
UNITLESS = {"optimizer.lr", "optimizer.weight_decay", "optimizer.eps", "training.loss_multiplier"}
