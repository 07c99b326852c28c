"""What a benchmark prints and saves: a page with readable numbers, and the results as JSON."""

import json
from pathlib import Path

from benchmarks.table import file_stem, number, page, table, write

ROWS = [{"stage": "plain", "images/s": 215.37, "n": 3}, {"stage": "fast", "images/s": 1883000.4, "n": 12}]
RESULT = {"device": "NVIDIA H200", "cores": 16, "copy bandwidth, GB/s": 4312.6, "step by step": ROWS, "sweep": []}


def test_numbers_are_rounded_for_reading() -> None:
    found = [number(value) for value in (0.012345, 215.37, 999.6, 1883000.4, 12, "plain", True)]
    assert found == ["0.0123", "215", "1e+03", "1,883,000", "12", "plain", "True"]


def test_a_table_aligns_words_left_and_numbers_right() -> None:
    assert table(ROWS).splitlines() == [
        "| stage | images/s | n |",
        "| --- | ---: | ---: |",
        "| plain | 215 | 3 |",
        "| fast | 1,883,000 | 12 |",
    ]


def test_a_missing_value_leaves_its_cell_empty() -> None:
    assert table([*ROWS, {"stage": "bf16", "n": 3}]).splitlines()[-1] == "| bf16 |  | 3 |"


def test_the_page_lists_facts_and_one_table_per_section() -> None:
    text = page(RESULT)
    assert text.startswith("# Benchmark: NVIDIA H200\n") and "- copy bandwidth, GB/s: 4,313\n" in text
    assert "## step by step\n\n| stage" in text and "## sweep" not in text


def test_json_and_page_are_written_side_by_side_and_replaced(tmp_path: Path) -> None:
    for cores in (16, 32):
        paths = write({**RESULT, "cores": cores}, tmp_path)
        assert [path.name for path in paths] == ["nvidia-h200.json", "nvidia-h200.md"]
        assert json.loads(paths[0].read_text()) == {**RESULT, "cores": cores}
        assert paths[1].read_text() == page({**RESULT, "cores": cores})
    assert len(list((tmp_path / "benchmarks").iterdir())) == 2


def test_the_device_name_becomes_a_file_name() -> None:
    assert file_stem("cpu: AMD EPYC 7R13 (2)") == "cpu-amd-epyc-7r13-2"
