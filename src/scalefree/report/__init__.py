"""One self-contained HTML page made from the store: claims, figures, coverage, provenance and runs."""

from scalefree.report.page import render, write

__all__ = ["render", "write"]
