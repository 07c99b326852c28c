"""Build HTML from elements: every string is text and is escaped, unless it is already markup."""

import html
from collections.abc import Iterable, Sequence

# Elements without content or end tag.
_VOID = frozenset({"img", "input"})


class Html(str):
    """Markup that is put on the page unchanged."""

    __slots__ = ()


def _escaped(text: str) -> str:
    """Text escaped for the page; characters of names that are not UTF-8 become escape sequences."""
    return html.escape(text).encode(errors="backslashreplace").decode()


def join(parts: Iterable[str]) -> Html:
    """Concatenate the parts, each either `Html` or text to be escaped."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts))


def element(tag: str, *children: str, **attributes: str | int | float | bool | None) -> Html:
    """`<tag attributes>children</tag>`.

    Args:
        attributes: `class_` becomes `class` and `data_value` becomes `data-value`. None and False leave the attribute
            out, True gives it no value.
    """
    written = []
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if value is True:
            written.append(f" {name}")
        elif value is not None and value is not False:
            written.append(f' {name}="{_escaped(str(value))}"')
    start = f"<{tag}{''.join(written)}>"
    return Html(start) if tag in _VOID else Html(f"{start}{join(children)}</{tag}>")


def row(*cells: str, head: bool = False, **attributes: str | int | None) -> Html:
    """A table row; cells that are not yet `<td>` or `<th>` are wrapped in one."""
    made = []
    for cell in cells:
        is_cell = isinstance(cell, Html) and cell.startswith(("<td", "<th"))
        made.append(cell if is_cell else element("th", cell, scope="col") if head else element("td", cell))
    return element("tr", *made, **attributes)


def table(label: str, heads: Sequence[str], rows: Iterable[Html], **attributes: str | int | None) -> Html:
    """A table in its own container that scrolls, also by keyboard; `label` is its name for screen readers."""
    content = element("table", element("thead", row(*heads, head=True)), element("tbody", *rows), **attributes)
    return element("div", content, class_="scroll", tabindex=0, role="region", aria_label=label)


def number_cell(text: str, value: float | None) -> Html:
    """A right-aligned cell that is sorted by `value`; None comes after every number."""
    return element("td", text, class_="number", data_value="" if value is None else repr(value))
