"""What all figures share: the style sheet, the look of each method, and the page with title and caption."""

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib import style as matplotlib_style
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from scalefree import optimizers
from scalefree.optimizers import Dash, ordered

STYLE_SHEET = Path(__file__).with_name("scalefree.mplstyle")

# The text width of a one-column paper in inches, so that the style sheet's font sizes are the printed ones.
WIDTH = 6.5
CAPTION_SIZE = 7
_CAPTION_LINE = 0.125
# Slightly less than the page, as a margin for hinting.
_CAPTION_WIDTH = 0.97 * WIDTH
_MARGIN = 0.06
TITLE_SIZE = 10
_TITLE_LINE, _NEXT_TITLE_LINE, _LEGEND_LINE = 0.28, 0.17, 0.19

# Characters instead of formulas save a font in every file and a second typesetting engine.
ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
LAMBDA = "\N{GREEK SMALL LETTER LAMDA}"
ETA = "\N{GREEK SMALL LETTER ETA}"
MINUS = "\N{MINUS SIGN}"
LOG2 = "log\N{SUBSCRIPT TWO}"
DECAY_LABEL = f"weight decay {LAMBDA}"
STEP_SIZE_LABEL = f"step size {ALPHA}"

NEUTRAL, LIGHT = "#555555", "#dcdcdc"

_L2 = "Adam-\N{SCRIPT SMALL L}\N{SUBSCRIPT TWO}"


@dataclass(frozen=True)
class Look:
    """How a method is drawn and labelled."""

    label: str
    color: str
    marker: str
    dash: Dash


# For what does not belong to a single method.
BLACK = Look("", "black", "D", (0, ()))


def look(method: str) -> Look:
    """A method's look, from the table of optimizers."""
    of = optimizers.look(method)
    return Look(typeset(of.label), of.color, of.marker, of.dash)


def typeset(text: str) -> str:
    """The text with Adam-l2 as figures write it."""
    return text.replace("Adam-l2", _L2)


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Use Matplotlib's defaults with this style on top, whatever the user's own settings."""
    with matplotlib_style.context(["default", STYLE_SHEET]):
        yield


def method_entries(methods: Iterable[str], linestyle: bool = False) -> list[Line2D]:
    """A legend entry per method, with its marker or its line style."""
    looks = [look(method) for method in ordered(methods)]
    return [
        Line2D(
            [],
            [],
            color=of.color,
            label=of.label,
            **({"linestyle": of.dash} if linestyle else {"marker": of.marker, "linestyle": "none"}),
        )
        for of in looks
    ]


@functools.cache
def _inches(word: str, size: float) -> float:
    """The width of a word and a space in the figures' font, at a size in points."""
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(size, 72)
    # 16.16 fixed point, without resolution-dependent hinting.
    return sum(font.load_char(ord(letter)).linearHoriAdvance for letter in f"{word} ") / 65536 / 72


def wrapped(text: str, inches: float, size: float = CAPTION_SIZE) -> list[str]:
    """A text split into lines of at most `inches`; a longer word gets its own line."""
    lines: list[list[str]] = [[]]
    room = inches
    for word in text.split(" "):
        width = _inches(word, size)
        if lines[-1] and width > room:
            lines.append([])
            room = inches
        lines[-1].append(word)
        room -= width
    return [" ".join(line) for line in lines]


def new_figure(
    height: float, title: str, caption: str, entries: Sequence[Artist] = (), legend_columns: int = 6
) -> Figure:
    """A page of the common width: wrapped title, legend, `height` inches for panels, and the wrapped caption below.

    Panels are laid out by Matplotlib's constrained layout in the remaining space; `entries` are labelled artists for
    the legend.
    """
    lines = wrapped(typeset(caption), _CAPTION_WIDTH)
    titles = wrapped(typeset(title), _CAPTION_WIDTH, TITLE_SIZE)
    below = len(lines) * _CAPTION_LINE + 2 * _MARGIN
    headed = _TITLE_LINE + (len(titles) - 1) * _NEXT_TITLE_LINE
    above = headed + _LEGEND_LINE * -(-len(entries) // legend_columns)
    total = below + height + above
    engine = ConstrainedLayoutEngine(rect=(0, below / total, 1, height / total), w_pad=0.04, h_pad=0.04)
    figure = Figure(figsize=(WIDTH, total), layout=engine)
    figure.text(0.5, 1 - _MARGIN / total, "\n".join(titles), fontsize=TITLE_SIZE, ha="center", va="top")
    if entries:
        legend = figure.legend(
            handles=list(entries),
            loc="upper center",
            bbox_to_anchor=(0.5, 1 - headed / total),
            borderaxespad=0,
            ncols=min(legend_columns, len(entries)),
        )
        legend.set_in_layout(False)
    written = figure.text(0.01, _MARGIN / total, "\n".join(lines), fontsize=CAPTION_SIZE, color=NEUTRAL, va="bottom")
    written.set_linespacing(1.15)
    return figure
