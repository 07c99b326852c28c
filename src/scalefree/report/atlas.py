"""The atlas of optimizers as a sortable table, from the store's own measurements."""

from pathlib import Path

from scalefree.experiments.names import count
from scalefree.report.markup import Html, element, join, number_cell, row, table
from scalefree.theory import atlas
from scalefree.theory.atlas_page import MEANINGS

# The columns worth comparing; the rest is in the file. Numbers are sorted by size.
_WORDS = ("optimizer", "decay", "if_coupled", "if_decoupled", "if_fixed")
_NUMBERS = (
    "defect", "defect_decay", "defect_eps0", "defect_decay_eps0",
    "steps_identity", "steps_diagonal_1e2", "steps_diagonal_1e4", "steps_rotated_1e2",
    "share", "lr_power", "first_lr_power", "gradient_power", "share_at_rest",
)  # fmt: skip
_SHOWN = [key for key in MEANINGS if key in _WORDS + _NUMBERS]


def _cell(of: atlas.Row, key: str) -> Html:
    if key == "optimizer":
        return element("td", of.optimizer, element("span", of.package, class_="note"))
    value, text = getattr(of, key), atlas.written(key, getattr(of, key))
    return number_cell(text, value if text else None) if key in _NUMBERS else element("td", text)


def atlas_section(results_dir: str | Path) -> Html:
    """The measured rows of RESULTS/atlas.csv, or how to get them; an invalid file is reported."""
    try:
        rows = atlas.read(Path(results_dir).expanduser() / atlas.FILE)
    except FileNotFoundError:
        return element("p", "Not measured in this store; run ", element("code", "make atlas"), ".", class_="note")
    except (OSError, ValueError) as error:
        return element("p", f"The atlas cannot be read: {error}", class_="notice")
    measured = [one for one in rows if not one.reason]
    note = (
        f"{count(len(measured), 'optimizer')}: scale-free defect, steps on quadratics, and what weight decay does, "
        "all measured. Click a heading to sort, hover over it for an explanation; docs/atlas.md has the details."
    )
    heads = [
        element("th", element("button", MEANINGS[key].head, type="button", title=MEANINGS[key].meaning), scope="col")
        for key in _SHOWN
    ]
    body = [row(*(_cell(one, key) for key in _SHOWN)) for one in measured]
    return join([element("p", note, class_="note"), table("Atlas of optimizers", heads, body, class_="sortable")])
