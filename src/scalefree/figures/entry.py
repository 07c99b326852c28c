"""What the catalogue knows of a figure."""

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from scalefree.experiments.evidence import Evidence

# Figures by the name of their file, without its ending.
Pages = dict[str, Figure]


@dataclass(frozen=True)
class Entry:
    """A figure.

    Attributes:
        name: of its file, or of the first of them.
        needs: the experiments that it is drawn from; where an experiment chooses cells, `selection` is not named.
        draw: its pages; none while there is nothing to show.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    draw: Callable[[Evidence, "Entry"], Pages]
