"""Figures of the experiments: pure functions from the records in a store to pages, drawn the same every time."""

from scalefree.figures.catalogue import (
    FIGURES,
    THEORY,
    check_figure,
    draw,
    draw_all,
    draw_atlas,
    draw_pages,
    draw_theory,
    pages,
)
from scalefree.figures.evidence import Evidence, gather
from scalefree.figures.style import styled

__all__ = [
    "FIGURES",
    "THEORY",
    "Evidence",
    "check_figure",
    "draw",
    "draw_all",
    "draw_atlas",
    "draw_pages",
    "draw_theory",
    "gather",
    "pages",
    "styled",
]
