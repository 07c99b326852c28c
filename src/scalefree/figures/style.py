"""What all figures share: the style sheet, characters and labels, and the page with its caption."""

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

STYLE_SHEET = Path(__file__).with_name("scalefree.mplstyle")

# Inches: the text width of a one-column paper, so that the font sizes of the sheet are the printed ones.
WIDTH = 6.5
CAPTION_SIZE = 7
_CAPTION_CHARACTERS = 128
_CAPTION_LINE = 0.125
_MARGIN = 0.06
TITLE_SIZE = 10
_TITLE_LINE, _LEGEND_LINE = 0.28, 0.19
# Inches of a character in a legend, and of its line and the space around it.
_LEGEND_CHARACTER, _LEGEND_ENTRY = 0.05, 0.46

# Characters rather than formulas: one font less in every file, and no second typesetter.
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
LAMBDA = "\N{GREEK SMALL LETTER LAMDA}"
EPSILON = "\N{GREEK SMALL LETTER EPSILON}"
MINUS = "\N{MINUS SIGN}"
DECAY_LABEL = f"weight decay {LAMBDA}"
STEP_SIZE_LABEL = f"step size {ALPHA}"

NEUTRAL = "#555555"


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults with this style on top, whatever the user's own settings are."""
    with matplotlib_style.context(["default", STYLE_SHEET]):
        yield


def new_figure(
    height: float, title: str, caption: str, entries: Sequence[Artist] = (), legend_columns: int = 6
) -> Figure:
    """A page of the common width: title, legend, `height` inches for panels, and the wrapped caption at the bottom.

    Panels are laid out by Matplotlib's constrained layout in the space that the rest leaves; `entries` are labelled
    artists for the legend, which has fewer columns than `legend_columns` where labels are long.
    """
    columns = _fitting([str(entry.get_label()) for entry in entries], legend_columns)
    lines = textwrap.wrap(caption, _CAPTION_CHARACTERS, break_long_words=False, break_on_hyphens=False)
    below = len(lines) * _CAPTION_LINE + 2 * _MARGIN
    above = _TITLE_LINE + _LEGEND_LINE * -(-len(entries) // columns)
    total = below + height + above
    engine = ConstrainedLayoutEngine(rect=(0, below / total, 1, height / total), w_pad=0.04, h_pad=0.04)
    figure = Figure(figsize=(WIDTH, total), layout=engine)
    figure.text(0.5, 1 - _MARGIN / total, title, fontsize=TITLE_SIZE, ha="center", va="top")
    if entries:
        legend = figure.legend(
            handles=list(entries),
            loc="upper center",
            bbox_to_anchor=(0.5, 1 - _TITLE_LINE / total),
            borderaxespad=0,
            ncols=columns,
        )
        legend.set_in_layout(False)
    written = figure.text(0.01, _MARGIN / total, "\n".join(lines), fontsize=CAPTION_SIZE, color=NEUTRAL, va="bottom")
    written.set_linespacing(1.15)
    return figure


def _fitting(labels: Sequence[str], most: int) -> int:
    """The largest number of a legend's columns, up to `most`, with which it is no wider than the page; at least 1."""
    for columns in range(min(most, len(labels)), 1, -1):
        widest = [max(map(len, column)) for column in np.array_split(labels, columns)]  # as Matplotlib fills them
        if columns * _LEGEND_ENTRY + _LEGEND_CHARACTER * sum(widest) <= WIDTH:
            return columns
    return 1


def nothing_yet(axes: Axes) -> None:
    """Say in an empty panel why it is empty."""
    axes.text(0.5, 0.5, "no complete cells yet", transform=axes.transAxes, ha="center", va="center", color=NEUTRAL)
