"""The documented table of metrics matches the code."""

from pathlib import Path

from scalefree.tracking.metrics import METRICS, table
from tracking.logged_names import is_known

PAGE = Path(__file__).parents[2] / "docs/wandb.md"


def test_the_page_contains_the_table_of_the_code() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), "paste scalefree.tracking.metrics.table() into docs/wandb.md"


def test_every_metric_has_a_unit_a_description_and_a_unique_name() -> None:
    assert all(metric.unit and metric.description for metric in METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_metric_names_are_known_for_every_group() -> None:
    assert is_known("update_scale/stage1/q50") and is_known("test_error")
    assert not is_known("update_scale/stage1/q42") and not is_known("test_accuracy")
