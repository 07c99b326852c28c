"""What all figures share: the style sheet, an optimizer's colour, marker and name, and the page with its caption."""

import contextlib
import textwrap
from collections.abc import Iterator
from pathlib import Path

from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure

STYLE_SHEET = Path(__file__).with_name("scalefree.mplstyle")

# Inches: the text width of a one-column paper, so that the font sizes of the sheet are the printed ones.
WIDTH = 6.5
CAPTION_SIZE = 7
_CAPTION_CHARACTERS = 122
_CAPTION_LINE = 0.125
_CAPTION_MARGIN = 0.06

# Okabe and Ito's palette, distinguishable with every common colour blindness; a marker and a dash beside it.
COLORS = {"adaml2": "#D55E00", "adamw": "#0072B2", "adamprox": "#009E73", "adam_metric_prox": "#CC79A7"}
MARKERS = {"adaml2": "s", "adamw": "o", "adamprox": "^", "adam_metric_prox": "D"}
DASHES = {"adaml2": (0, (5, 1.2)), "adamw": "-", "adamprox": (0, (1.2, 1.2)), "adam_metric_prox": (0, (4, 1, 1, 1))}
NAMES = {
    "adaml2": r"Adam-$\ell_2$",
    "adamw": "AdamW",
    "adamprox": "AdamProx",
    "adam_metric_prox": "Adam, metric prox",
}
NEUTRAL = "#555555"

# The order in which optimizers stand side by side, whatever the order in which a grid lists them.
ORDER = tuple(NAMES)


def ordered(optimizers: tuple[str, ...]) -> list[str]:
    """Optimizers in the one order of all figures."""
    return sorted(optimizers, key=ORDER.index)


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults with this style on top, whatever the user's own settings are."""
    with matplotlib_style.context(["default", STYLE_SHEET]):
        yield


def new_figure(height: float, title: str, caption: str) -> Figure:
    """An empty page of the common width: `title` above, `height` inches for panels, the wrapped `caption` below.

    Panels are laid out by Matplotlib's constrained layout in the space between.
    """
    lines = textwrap.wrap(caption, _CAPTION_CHARACTERS)
    below = len(lines) * _CAPTION_LINE + 2 * _CAPTION_MARGIN
    total = height + below
    figure = Figure(figsize=(WIDTH, total), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, below / total, 1, 1 - below / total), w_pad=0.04, h_pad=0.05)
    figure.suptitle(title)
    figure.text(
        0.01,
        _CAPTION_MARGIN / total,
        "\n".join(lines),
        fontsize=CAPTION_SIZE,
        color=NEUTRAL,
        va="bottom",
        linespacing=1.15,
    )
    return figure
