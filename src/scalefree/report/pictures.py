"""The figures as they are embedded in the page: drawn anew, in memory, from the records."""

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scalefree.figures import Evidence, pages, styled
from scalefree.report.markup import Html, element, join


@dataclass(frozen=True)
class Picture:
    """One figure.

    Attributes:
        stem: its file's name without ending, where it is drawn to a file.
        title, caption: the words that stand above and below it, on one line each.
        png: the bytes of that file.
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
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    title, *below = (" ".join(text.get_text().split()) for text in figure.texts)
    return Picture(stem, title, " ".join(below), file.getvalue())


def draw_pictures(evidence: Evidence) -> list[Picture]:
    """The figures of an experiment, none where no run has a record."""
    if not evidence.any_records:
        return []
    with styled():
        return [_picture(stem, figure) for stem, figure in pages(evidence.experiment.name, evidence).items()]


def figures_section(drawn: Iterable[tuple[Evidence, Sequence[Picture]]]) -> Html:
    """Every experiment's figures with their captions, and a sentence where there is nothing to draw yet."""
    parts: list[Html] = []
    for evidence, pictures in drawn:
        name = evidence.experiment.name
        parts.append(element("h3", evidence.title, id=f"figure-{name}"))
        if not pictures:
            cells = len(evidence.results)
            parts.append(element("p", f"No records yet of the {cells} runs of {name}.", class_="note"))
        parts += map(_figure, pictures)
    return join(parts) if parts else element("p", "The profile has no figures.")


def _figure(picture: Picture) -> Html:
    width, height = picture.size
    source = f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"
    image = element("img", src=source, alt=f"{picture.title} ({picture.stem})", width=width, height=height)
    return element(
        "figure",
        element("div", image, class_="scroll paper", tabindex=0, role="region", aria_label=picture.stem),
        element("figcaption", element("strong", f"{picture.stem}. "), picture.caption),
    )
