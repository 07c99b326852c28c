"""Figures of the experiments: pure functions from a profile's evidence to pages, always drawn the same."""

from scalefree.figures.catalogue import FIGURES, THEORY, check_figure, is_asked, pages
from scalefree.figures.files import draw, draw_all, draw_atlas, draw_survey, draw_theory, png
from scalefree.figures.style import styled

__all__ = [
    "FIGURES",
    "THEORY",
    "check_figure",
    "draw",
    "draw_all",
    "draw_atlas",
    "draw_survey",
    "draw_theory",
    "is_asked",
    "pages",
    "png",
    "styled",
]
