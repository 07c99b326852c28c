"""The tests named in docs/reliability.md exist, and every promise has at least one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reliability.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part)
def test_a_named_test_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_test_is_cited_with_its_full_path() -> None:
    assert TEXT.count("::") == len(NAMED) + 1, "and once where the notation is explained"


def test_every_promise_has_tests_and_limits() -> None:
    parts = re.split(r"^(?:\*\*(\d+)\. |## )", TEXT, flags=re.MULTILINE)
    promises = dict(zip(parts[1::2], parts[2::2], strict=True))
    promises.pop(None, None)
    assert list(promises) == [str(number) for number in range(1, 11)]
    for promise in promises.values():
        assert re.search(r"^- `tests/", promise, re.MULTILINE) and "- Limits: " in promise
