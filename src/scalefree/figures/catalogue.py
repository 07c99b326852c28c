"""Every figure by name, and their drawing to files: a pure function of the records that the store holds."""

import importlib
import itertools
import logging
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from scalefree.config import ConfigError
from scalefree.experiments import experiment_names, load_experiment
from scalefree.figures import (
    depth,
    epsilon,
    initialization,
    loss_scale,
    metric_prox,
    prox_equivalence,
    seeds,
    with_bn,
    without_bn,
)
from scalefree.figures.evidence import Evidence, gather
from scalefree.figures.pages import Pages
from scalefree.figures.style import NEUTRAL, new_figure, styled
from scalefree.files import atomic_write
from scalefree.records import Record, Store

if TYPE_CHECKING:
    from scalefree.theory.atlas import Row

# It tells every table of every font that it embeds to whoever listens at INFO, as the command line does.
logging.getLogger("fontTools").setLevel(logging.WARNING)

# A figure has the name of the experiment that it draws.
FIGURES: dict[str, Callable[[Evidence], Pages]] = {
    "without_bn": without_bn.draw,
    "with_bn": with_bn.draw,
    "depth": depth.draw,
    "prox_equivalence": prox_equivalence.draw,
    "loss_scale": loss_scale.draw,
    "metric_prox": metric_prox.draw,
    "epsilon": epsilon.draw,
    "initialization": initialization.draw,
    "seeds": seeds.draw,
}


def _computed(name: str) -> Callable[[], Figure]:
    """The `draw` of a module that is imported when it is called: theory needs torch, records do without."""

    def draw() -> Figure:
        figure: Figure = importlib.import_module(f"scalefree.figures.{name}").draw()
        return figure

    return draw


# Figures that are computed and need no record: the same under every profile.
THEORY = {name: _computed(name) for name in ("quadratics", "prox_expansion", "scale_free")}

# No dates and no versions: the same records give the same bytes.
_PNG_METADATA = {"Software": None}
_PDF_METADATA = {"Creator": None, "Producer": None, "CreationDate": None}


def _nothing_yet(evidence: Evidence) -> Figure:
    """A page that says why it is empty."""
    runs = len({result.cell.identity for result in evidence.results})
    reason = f"no records yet of its {runs} runs" if runs else f"profile {evidence.profile} leaves it out"
    caption = f"make reproduce-figures PROFILE={evidence.profile} trains what is missing." if runs else ""
    figure = new_figure(1.2, evidence.title, caption)
    figure.text(0.5, 0.5, f"{evidence.experiment.name}: {reason}", ha="center", va="center", color=NEUTRAL)
    return figure


def pages(name: str, evidence: Evidence) -> Pages:
    """The figures of a name, by file name without ending; one that says so where no run has a record."""
    return FIGURES[name](evidence) if evidence.any_records else {name: _nothing_yet(evidence)}


def _write(figure: Figure, directory: Path, stem: str) -> list[Path]:
    """Each backend prints directly: `savefig` would draw every page twice to find its layout."""
    paths = [directory / f"{stem}.png", directory / f"{stem}.pdf"]
    with atomic_write(paths[0]) as file:
        FigureCanvasAgg(figure).print_png(file, metadata=_PNG_METADATA)  # type: ignore[no-untyped-call]
    # Drawing has laid out the page; the second file takes the same layout.
    figure.set_layout_engine("none")
    with atomic_write(paths[1]) as file:
        FigureCanvasPdf(figure).print_pdf(file, metadata=_PDF_METADATA)  # type: ignore[no-untyped-call]
    return paths


def draw_pages(evidence: Evidence, directory: Path) -> list[Path]:
    """Draw an experiment's figure to PNG and PDF files; the same records give the same bytes."""
    with styled():
        drawn = pages(evidence.experiment.name, evidence)
        return [path for stem, figure in drawn.items() for path in _write(figure, directory, stem)]


def draw_theory(directory: Path) -> list[Path]:
    """Compute and draw the figures that need no record to `directory`; some ten seconds."""
    with styled():
        return [path for stem, figure in THEORY.items() for path in _write(figure(), directory, stem)]


def draw_atlas(rows: Sequence["Row"], directory: Path) -> list[Path]:
    """Draw the atlas of optimizers to `directory`, beside the theory's figures."""
    with styled():
        return _write(importlib.import_module("scalefree.figures.atlas").draw(rows), directory, "atlas")


def check_figure(name: str) -> None:
    """Refuse a name that no figure has.

    Raises:
        ConfigError: naming those that there are.
    """
    if name not in FIGURES:
        raise ConfigError(f"figure={name} is unknown; choose one of {', '.join(FIGURES)}")


def draw(
    name: str,
    profile: str,
    store: Store,
    out_dir: Path | None = None,
    records: Mapping[str, Record] | None = None,
) -> list[Path]:
    """Draw one figure to `out_dir` (RESULTS/figures/<profile> if None); returns the paths written.

    `records` by identity saves reading the store again.

    Raises:
        ConfigError: no figure, experiment or profile of that name.
    """
    check_figure(name)
    evidence = gather(load_experiment(name, profile), profile, store, store.records() if records is None else records)
    return draw_pages(evidence, out_dir or store.root / "figures" / profile)


def draw_all(profile: str, store: Store, out_dir: Path | None = None, jobs: int | None = None) -> list[Path]:
    """Draw every figure whose experiment has cells under the profile, on `jobs` processes (all cores if None)."""
    records = store.records()
    directory = out_dir or store.root / "figures" / profile
    known = [load_experiment(name, profile) for name in FIGURES if name in experiment_names()]
    evidence = [gather(experiment, profile, store, records) for experiment in known if experiment.cells]
    jobs = min(jobs or os.cpu_count() or 1, len(evidence))
    if jobs <= 1:
        return [path for one in evidence for path in draw_pages(one, directory)]
    # Spawned, not forked: the caller may hold threads.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        return [path for paths in pool.map(draw_pages, evidence, itertools.repeat(directory)) for path in paths]
