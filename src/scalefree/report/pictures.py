"""The figures embedded in the page, drawn in memory from the records."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from scalefree.experiments.evidence import Evidence
from scalefree.figures import png, styled
from scalefree.figures.entry import Entry
from scalefree.report.markup import Html, element, join

# A compromise between the files' 200, with which a paper's figures would fill 13 MB, and legible small print.
DPI = 160


@dataclass(frozen=True)
class Picture:
    """One figure.

    Attributes:
        stem: the name, without suffix, of the file that `make reproduce-figures` draws.
        title, caption: the text above and below it, on one line each.
    """

    stem: str
    title: str
    caption: str
    png: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the PNG's header."""
        return int.from_bytes(self.png[16:20]), int.from_bytes(self.png[20:24])


def _picture(stem: str, figure: Figure) -> Picture:
    figure.set_dpi(DPI)
    drawn = png(figure)
    title, *below = (" ".join(text.get_text().split()) for text in figure.texts)
    return Picture(stem, title, " ".join(below), drawn)


def draw_theory(figures: Mapping[str, Callable[[], Figure]]) -> list[Picture]:
    """Draw the figures that need no records."""
    with styled():
        return [_picture(stem, figure()) for stem, figure in figures.items()]


def draw_pictures(entry: Entry, evidence: Evidence) -> list[Picture]:
    """Draw the pages of a figure; none if nothing can be shown yet."""
    with styled():
        return [_picture(stem, figure) for stem, figure in entry.draw(evidence, entry).items()]


def _figure(picture: Picture) -> Html:
    width, height = picture.size
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    image = element("img", src=source, alt=f"{picture.title} ({picture.stem})", width=width, height=height)
    return element(
        "figure",
        element("div", image, class_="scroll paper", tabindex=0, role="region", aria_label=picture.stem),
        element("figcaption", element("strong", f"{picture.stem}. "), picture.caption),
    )


def figures_section(theory: Sequence[Picture], drawn: Iterable[tuple[Entry, Sequence[Picture]]]) -> Html:
    """Every figure's pages with captions, a sentence about figures with nothing to show yet, and the theory figures."""
    parts: list[Html] = []
    missing: list[str] = []
    for entry, pictures in drawn:
        if pictures:
            parts.append(element("h3", entry.title, id=f"figure-{entry.name}"))
            parts += map(_figure, pictures)
        else:
            missing.append(entry.name)
    if missing:
        parts.append(element("p", f"Nothing to show yet for {', '.join(missing)}.", class_="note"))
    if theory:
        parts += [element("h3", "Theory: computed, the same for every profile"), *map(_figure, theory)]
    return join(parts)
