"""Write figures to files: a pure function of the store's records that gives the same bytes every time."""

import importlib
import logging
import multiprocessing
import os
import struct
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from scalefree.experiments.evidence import Evidence
from scalefree.experiments.survey_table import table
from scalefree.figures.catalogue import FIGURES, THEORY, check_figure, is_asked, pages
from scalefree.figures.style import styled
from scalefree.files import atomic_write

if TYPE_CHECKING:
    from scalefree.experiments.survey import Survey
    from scalefree.theory.atlas import Row

# It logs every table of every font that it embeds at INFO, which the command line would show.
logging.getLogger("fontTools").setLevel(logging.WARNING)

# No dates and no versions: the same records give the same bytes.
_PDF_METADATA = {"Creator": None, "Producer": None, "CreationDate": None}


def png(figure: Figure) -> bytes:
    """The figure as a PNG of its own resolution.

    It is a quarter smaller than Matplotlib's: without an opacity for each pixel, and with rows stored as they are,
    which suits drawings better than the filters that Matplotlib and Pillow apply.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    height, width, _ = pixels.shape
    # Each row begins with the number of its filter, 0 for none.
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (1, 0)))
    per_metre = round(figure.dpi / 0.0254)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),  # 8 bits of red, green and blue
        b"pHYs": struct.pack(">IIB", per_metre, per_metre, 1),
        b"IDAT": zlib.compress(rows.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def _write(figure: Figure, directory: Path, stem: str) -> list[Path]:
    """Write PNG and PDF with each backend directly: `savefig` would draw every page twice to find its layout."""
    paths = [directory / f"{stem}.png", directory / f"{stem}.pdf"]
    with atomic_write(paths[0]) as file:
        file.write(png(figure))
    # The page has been laid out; the second file uses the same layout.
    figure.set_layout_engine("none")
    with atomic_write(paths[1]) as file:
        FigureCanvasPdf(figure).print_pdf(file, metadata=_PDF_METADATA)  # type: ignore[no-untyped-call]
    return paths


def _directory(evidence: Evidence, out_dir: Path | None) -> Path:
    return out_dir or evidence.store.root / "figures" / evidence.profile


def draw(name: str, evidence: Evidence, out_dir: Path | None = None) -> list[Path]:
    """Draw one figure as PNG and PDF to `out_dir` (RESULTS/figures/<profile> if None); returns the paths written.

    Raises:
        ConfigError: there is no figure of that name.
    """
    check_figure(name)
    with styled():
        drawn = pages(name, evidence)
        return [path for stem, page in drawn.items() for path in _write(page, _directory(evidence, out_dir), stem)]


def draw_theory(directory: Path) -> list[Path]:
    """Compute the figures that need no records and draw them to `directory`; takes about ten seconds."""
    with styled():
        return [path for stem, figure in THEORY.items() for path in _write(figure(), directory, stem)]


def draw_atlas(rows: Sequence["Row"], directory: Path) -> list[Path]:
    """Draw the atlas of optimizers to `directory`, next to the theory figures."""
    with styled():
        return _write(importlib.import_module("scalefree.figures.atlas").draw(rows), directory, "atlas")


def draw_survey(survey: "Survey", title: str, directory: Path) -> list[Path]:
    """Draw the results of a survey to `directory` and write their full table there; returns the paths written."""
    with styled():
        drawn = importlib.import_module("scalefree.figures.survey").pages(survey, title)
        paths = [path for stem, page in drawn.items() for path in _write(page, directory, stem)]
    with atomic_write(directory / "table.txt") as file:
        file.write(table(survey).encode())
    return [*paths, directory / "table.txt"]


def draw_all(evidence: Evidence, out_dir: Path | None = None, jobs: int | None = None) -> list[Path]:
    """Draw every figure that the profile includes, with `jobs` processes (one per core if None)."""
    names = [name for name, entry in FIGURES.items() if is_asked(entry, evidence)]
    one = partial(draw, evidence=evidence, out_dir=out_dir)
    jobs = min(jobs or os.cpu_count() or 1, len(names))
    if jobs <= 1:
        return [path for name in names for path in one(name)]
    # Spawned, not forked: the caller may hold threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        return [path for paths in pool.map(one, names) for path in paths]
