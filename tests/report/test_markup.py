"""Text is escaped everywhere, and markup is not."""

from report.reading import cells, read
from scalefree.report.markup import Html, element, join, number_cell, row, table

NASTY = """<script>alert("1 & 'x'")</script>"""


def test_text_and_attributes_are_read_back_unchanged() -> None:
    page = element("p", NASTY, element("b", "a < b"), title=NASTY)
    node = read(page).one("p")
    assert node.text == f"{NASTY}a < b"
    assert node.attributes == {"title": NASTY}
    assert read(join([NASTY, page])).all("script") == []


def test_markup_is_not_escaped_twice() -> None:
    assert join([Html("<i>x</i>"), "<"]) == "<i>x</i>&lt;"
    assert isinstance(join([]), Html)


def test_attributes_are_renamed_or_omitted() -> None:
    made = element("img", class_="a", data_value=0, alt="", hidden=True, id=None, title=False)
    assert made == '<img class="a" data-value="0" alt="" hidden>'


def test_a_table_has_a_named_scrolling_container() -> None:
    made = table(
        "<All>", ["a", "<b>"], [row("1", number_cell("2 %", 0.02), id="first"), row("3", number_cell("", None))]
    )
    container = read(made).children[0]
    assert not isinstance(container, str)
    assert container.attributes == {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "<All>"}
    assert [head.text for head in container.all("th")] == ["a", "<b>"]
    assert cells(container) == [["1", "2 %"], ["3", ""]]
    assert [cell.attributes["data-value"] for cell in container.all("td", class_="number")] == ["0.02", ""]
