"""An entry of the catalogue of figures."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from scalefree.experiments.evidence import Evidence

# Figures by file name without suffix.
Pages = dict[str, Figure]


@dataclass(frozen=True)
class Entry:
    """A figure.

    Attributes:
        name: the name of its file, or of the first one.
        needs: the experiments it is drawn from; `selection` is left out if it only chooses the cells.
        draw: makes its pages; none while there is nothing to show.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    draw: Callable[[Evidence, "Entry"], Pages]
