"""Every figure by name, with its title and experiments. A new figure needs a module and a row here."""

import importlib
from collections.abc import Callable

from matplotlib.figure import Figure

from scalefree.config import ConfigError
from scalefree.experiments.evidence import Evidence
from scalefree.figures import corners, depth, effective_decay, heatmaps, probes, selection, update_scales
from scalefree.figures.caption import nothing_chosen
from scalefree.figures.entry import Entry, Pages
from scalefree.figures.style import NEUTRAL, new_figure

FIGURES = {
    entry.name: entry
    for entry in (
        Entry(
            "corners", "Scale-free or decoupled: which of AdamW's two properties matters?", ("corners",), corners.draw
        ),
        Entry("depth", "AdamW's advantage over Adam-l2 by depth", ("corners", "without_bn"), depth.draw),
        Entry("selection", "Selection of step sizes and decays", ("selection",), selection.draw),
        Entry(
            "without_bn", "Test errors without BatchNorm", ("selection", "without_bn", "corners"), heatmaps.draw_without
        ),
        Entry("with_bn", "Test errors with BatchNorm", ("selection", "with_bn"), heatmaps.draw_with),
        Entry("batch_norm", "With BatchNorm, at equal decay", ("with_bn",), probes.draw),
        Entry("update_scales", "Update scales by method and depth", ("corners", "without_bn"), update_scales.draw),
        Entry("effective_decay", "Effective decay", ("corners", "ladder", "prox_equivalence"), effective_decay.draw),
        Entry("ladder", "How fine must scale-freeness be? Scaled Adam-l2", ("ladder",), probes.draw),
        Entry("balance", "AdamW with decays that differ between layers", ("balance",), probes.draw),
        Entry("layer_loss", "Each layer's gradients multiplied by its own constant", ("layer_loss",), probes.draw),
        Entry("loss_scale", "The loss multiplied by 100", ("loss_scale",), probes.draw),
        Entry("epsilon", "Growing eps, which breaks scale-freeness", ("epsilon",), probes.draw),
        Entry("initialization", "Initialisations that do not explode", ("initialization",), probes.draw),
        Entry("no_decay", "What each rule's weight decay is worth", ("no_decay",), probes.draw),
        Entry("prox_equivalence", "AdamProx and AdamW in training", ("prox_equivalence",), probes.draw),
    )
}


def _computed(name: str) -> Callable[[], Figure]:
    """The `draw` of a module that is imported only when called: theory needs torch, records do not."""

    def draw() -> Figure:
        figure: Figure = importlib.import_module(f"scalefree.figures.{name}").draw()
        return figure

    return draw


# Figures that are computed without records and are the same under every profile.
THEORY = {name: _computed(name) for name in ("quadratics", "prox_expansion", "scale_free")}


def check_figure(name: str) -> None:
    """Refuse an unknown figure name.

    Raises:
        ConfigError: naming the known ones.
    """
    if name not in FIGURES:
        raise ConfigError(f"figure={name} is unknown; choose one of {', '.join(FIGURES)}")


def is_asked(entry: Entry, evidence: Evidence) -> bool:
    """Whether the profile trains, or will train, anything that the figure shows."""
    return any(evidence.results.get(name) or evidence.waiting.get(name) for name in entry.needs)


def _why_empty(entry: Entry, evidence: Evidence) -> Figure:
    """A page that says in one line why it is empty."""
    waiting = sum(len(evidence.waiting.get(name, ())) for name in entry.needs)
    wait = "wait until their step sizes and decays have been chosen"
    if not is_asked(entry, evidence):
        reason = f"the profile {evidence.profile} does not include it"
    elif any(result.record is not None for name in entry.needs for result in evidence.results.get(name, ())):
        nothing = f"{waiting:,} of its runs {wait}" if waiting else "the profile has nothing to compare here"
        reason = nothing if evidence.frozen.cells else nothing_chosen(evidence)
    else:
        runs = len({result.cell.identity for name in entry.needs for result in evidence.results.get(name, ())})
        reason = f"no records yet of its {runs:,} runs" if runs else f"its {waiting:,} runs {wait}"
        reason += f"; {waiting:,} more {wait}" if runs and waiting else ""
    missing = any(result.record is None for name in entry.needs for result in evidence.results.get(name, ()))
    waits = any(evidence.waiting.get(name) for name in entry.needs)
    caption = f"make reproduce-figures PROFILE={evidence.profile} trains what is missing." if missing or waits else ""
    figure = new_figure(0.8, entry.title, caption)
    figure.text(0.5, 0.5, f"{entry.name}: {reason[0].lower()}{reason[1:]}", ha="center", va="center", color=NEUTRAL)
    return figure


def pages(name: str, evidence: Evidence) -> Pages:
    """The pages of a figure by file name without suffix; if there is nothing to show, one page that says why."""
    entry = FIGURES[name]
    return entry.draw(evidence, entry) or {name: _why_empty(entry, evidence)}
