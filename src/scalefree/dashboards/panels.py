"""The panels that make up the dashboards; their axes are labelled with the metrics' units."""

from collections.abc import Sequence

import wandb_workspaces.reports.v2.interface as wr

from scalefree.tracking.metrics import AXES, QUANTITY_NAMES

EPOCHS, IMAGES = (axis.name for axis in AXES)
OPTIMIZER, DEPTH = "optimizer.name", "model.depth"
# The configuration key that the seeds of one cell share; its value is readable.
CELL = "cell_name"
ALPHA, LAMBDA = "optimizer.lr", "optimizer.weight_decay"


def curves(title: str, metrics: Sequence[str], unit: str, x: str = EPOCHS, log_y: bool = False) -> wr.LinePlot:
    """Metrics against epochs (or images seen): one line per cell, the mean over its seeds with a standard deviation."""
    return wr.LinePlot(
        title=title,
        x=x,
        y=list(metrics),
        title_x="images seen" if x == IMAGES else "epoch",
        title_y=unit,
        log_y=log_y or None,
        max_runs_to_show=100,
        groupby=wr.Config(CELL),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )


def quantiles(quantity: str, group: str = "network") -> wr.LinePlot:
    """The 5, 50 and 95 % quantiles of a quantity against epochs, by cell."""
    metrics = [f"{quantity}/{group}/{quantile}" for quantile in ("q05", "q50", "q95")]
    where = "whole network" if group == "network" else group
    return curves(f"{QUANTITY_NAMES[quantity]}: 5, 50, 95 %, {where}", metrics, "powers of two")


def against(title: str, key: str, metric: str, color: str, log_x: bool = True) -> wr.ScatterPlot:
    """Every run's final metric against a key of its configuration, coloured by another key."""
    return wr.ScatterPlot(
        title=title, x=wr.Config(key), y=wr.SummaryMetric(metric), z=wr.Config(color), log_x=log_x or None
    )


def bars(title: str, metric: str, unit: str) -> wr.BarPlot:
    """A final metric: one bar per cell, the mean over its seeds with a standard deviation."""
    return wr.BarPlot(
        title=title,
        metrics=[metric],
        title_x=unit,
        max_bars_to_show=100,
        groupby=wr.Config(CELL),
        groupby_aggfunc="mean",
        groupby_rangefunc="stddev",
    )


def text(markdown: str) -> wr.MarkdownPanel:
    """A panel of Markdown text."""
    return wr.MarkdownPanel(markdown=markdown)
