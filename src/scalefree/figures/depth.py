"""Accuracy and error of each optimizer's best cell against depth, without and with BatchNorm."""

import math

from matplotlib.figure import Figure

from scalefree.figures.best_panel import NOTE, draw_best, factor_axis, legend_entries
from scalefree.figures.caption import caption
from scalefree.figures.evidence import Evidence
from scalefree.figures.factor import Factor
from scalefree.figures.names import MODELS, chance_error, dataset_name
from scalefree.figures.pages import Pages
from scalefree.figures.style import new_figure
from scalefree.optimizers import ordered

DEPTH = Factor(
    label="depth (log scale)",
    section="model",
    field="depth",
    places=lambda depths: {depth: math.log2(depth) for depth in sorted(set(depths))},
    tick=str,
)


def draw_depth(evidence: Evidence) -> Figure:
    """A column for each kind of model; accuracy on a linear axis above, error on a logarithmic one below."""
    settings = evidence.settings
    columns = sorted(DEPTH.groups(settings), key=lambda group: group[0][1].config.model.batch_norm)
    optimizers = ordered(o for setting in settings for o in setting.optimizers)
    text = caption(evidence.profile, settings, [NOTE])
    entries = legend_entries(settings, optimizers, chance=True)
    figure = new_figure(4.3, evidence.title, text, entries)
    rows = figure.subplots(2, len(columns), squeeze=False, sharey="row", height_ratios=[1.2, 1])
    for index, group in enumerate(columns):
        config = group[0][1].config
        chance = chance_error(config.dataset)
        draw_best(rows[0, index], group, optimizers, "accuracy", chance)
        draw_best(rows[1, index], group, optimizers, "error", chance)
        for axes in rows[:, index]:
            factor_axis(axes, [place for place, _ in group], DEPTH.ticks(group), DEPTH.label)
            if index:
                axes.set_ylabel("")
        rows[0, index].set_xlabel("")
        norm = "with BN" if config.model.batch_norm else "without BN"
        rows[0, index].set_title(f"{MODELS[config.model.name]} {norm}, {dataset_name(config.dataset)}")
    return figure


def draw(evidence: Evidence) -> Pages:
    """One page."""
    return {evidence.experiment.name: draw_depth(evidence)}
