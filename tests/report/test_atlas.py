"""The atlas on the page: sortable rows, and stores without an atlas or with a damaged one."""

from pathlib import Path

from report.reading import read
from scalefree.report.atlas import atlas_section
from scalefree.theory.atlas import FILE, Row, write

ROWS = [
    Row("torch.optim", "A<b>", "1", "", defect=1e-16, steps_identity=3, steps_diagonal_1e4=float("inf"), decay="none"),
    Row("mine", "Broken", "", "", reason="takes no gradients"),
    Row("mine", "Adam", "", "", defect=0.25, defect_decay=float("inf"), decay="coupled", lr_power=0.996),
]


def test_measured_rows_can_be_sorted_by_their_numbers(tmp_path: Path) -> None:
    write(ROWS, tmp_path / FILE)
    section = read(f"<section>{atlas_section(tmp_path)}</section>")
    table = section.one("table", class_="sortable")
    heads = [head.text for head in table.all("th")]
    assert all(head.all("button") and head.one("button").attributes["title"] for head in table.all("th"))
    rows = [row.all("td") for row in table.all("tr") if row.all("td")]
    assert [row[0].text for row in rows] == ["A<b>torch.optim", "Adammine"]
    cells = [dict(zip(heads, row, strict=True)) for row in rows]
    assert [cell["defect"].text for cell in cells] == ["1e-16", "0.25"]
    assert [cell["defect"].attributes["data-value"] for cell in cells] == ["1e-16", "0.25"]
    assert (cells[0]["diagonal 1e4"].text, cells[0]["diagonal 1e4"].attributes["data-value"]) == ("inf", "inf")
    assert (cells[0]["with decay"].text, cells[0]["with decay"].attributes["data-value"]) == ("", "")
    assert cells[1]["lr_t"].text == "1" and "data-value" not in cells[1]["decay"].attributes
    assert "2 optimizers" in section.text


def test_without_an_atlas_the_section_says_how_to_make_it(tmp_path: Path) -> None:
    assert "make atlas" in atlas_section(tmp_path) and "<table" not in atlas_section(tmp_path)


def test_a_damaged_atlas_is_named_and_breaks_nothing_else(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("<b>,c\n")
    section = atlas_section(tmp_path)
    assert f"{tmp_path / FILE}: its first line" in section and "<b>" not in section
    (tmp_path / FILE).write_bytes(b"\xff\xfe")
    assert "cannot be read" in atlas_section(tmp_path)
