"""The dashboards, one per question: which runs, how they are grouped, what is plotted, what to look for.

Runs are chosen by their configuration, so runs trained by hand are included. The seeds of a cell are shown as one line
or bar: their mean with a standard deviation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import wandb_workspaces.reports.v2.interface as wr

from scalefree.dashboards.panels import (
    ALPHA,
    DEPTH,
    IMAGES,
    LAMBDA,
    OPTIMIZER,
    against,
    bars,
    curves,
    quantiles,
)

ERROR = "share in [0, 1]"
NATS = "nats"
LOSS_MULTIPLIER, BATCH_NORM = "training.loss_multiplier", "model.batch_norm"


@dataclass(frozen=True)
class Section:
    """Panels under a title, the first of which is a text that says what to look for."""

    title: str
    text: str
    panels: Sequence[wr.PanelTypes]


@dataclass(frozen=True)
class Dashboard:
    """One saved workspace.

    Attributes:
        key: its permanent name, from which its address is derived.
        runs: configuration key -> the values of the runs that are shown.
        grouped: configuration keys that group the cells in the table of runs.
    """

    key: str
    title: str
    sections: Sequence[Section]
    runs: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    grouped: Sequence[str] = ()


def _final_errors(title: str, text: str, *more: wr.PanelTypes) -> Section:
    return Section(
        title,
        text,
        [bars("test error", "final_test_error", ERROR), bars("training error", "final_train_error", ERROR), *more],
    )


def _errors_over_grid(text: str) -> Section:
    return Section(
        "Final error against lambda and alpha",
        text,
        [
            against("test error against lambda, coloured by alpha", LAMBDA, "final_test_error", ALPHA),
            against("test error against alpha, coloured by lambda", ALPHA, "final_test_error", LAMBDA),
            against("training loss against lambda, coloured by alpha", LAMBDA, "final_train_loss", ALPHA),
        ],
    )


def _learning_curves(text: str) -> Section:
    return Section(
        "Learning curves",
        text,
        [
            curves("test error", ["test_error"], ERROR),
            curves("training loss", ["train_loss"], NATS, log_y=True),
            curves("mean loss of the epoch's batches", ["batch_loss"], NATS, x=IMAGES, log_y=True),
        ],
    )


def _update_scales(text: str) -> Section:
    return Section(
        "Update scales, gradients, parameters",
        text,
        [
            quantiles("update_scale"),
            curves("spread of the update scales: q75 - q25", ["update_scale/network/iqr"], "powers of two"),
            curves(
                "coordinates that hardly move: |update| / alpha of at most 1e-8",
                ["update_scale/network/share_underflow"],
                ERROR,
            ),
            quantiles("gradient"),
            quantiles("parameter"),
        ],
    )


def _comparison() -> Section:
    return Section(
        "Compare runs",
        "How the chosen runs differ, which keys correlate with the final error, and how fast they were. Importance is "
        "a correlation over the runs that happen to be here: it can mislead if the grid is incomplete.",
        [
            wr.ParameterImportancePlot(with_respect_to="final_test_error"),
            wr.RunComparer(diff_only=True),
            curves("throughput", ["images_per_second"], "images/s"),
        ],
    )


WITHOUT_BN = {BATCH_NORM: [False]}
USUAL_LOSS = {LOSS_MULTIPLIER: [1]}
TWO = {OPTIMIZER: ["adaml2", "adamw"]}
CORNERS = {OPTIMIZER: ["adamw", "adam_metric_prox", "adam_scaled_l2", "adaml2"]}

DASHBOARDS = (
    Dashboard(
        "with_bn",
        "scalefree 1: with BatchNorm",
        [
            _errors_over_grid(
                "The paper finds the two on par here, both best at lambda = 0, where they are the same algorithm. Look "
                "for the lowest points: are they at the left end, and equally low for both optimizers?"
            ),
            _learning_curves(
                "The curves of the two optimizers' best cells should lie within the spread of their seeds."
            ),
            _update_scales("With BatchNorm both optimizers' update scales should look alike."),
            _comparison(),
        ],
        runs={BATCH_NORM: [True], **TWO, **USUAL_LOSS},
    ),
    Dashboard(
        "without_bn",
        "scalefree 2: without BatchNorm",
        [
            _errors_over_grid(
                "The paper's main claim: without BatchNorm AdamW's best cell is lower than Adam-l2's. Compare the "
                "lowest point of each optimizer, not their means: a bad lambda is bad for both."
            ),
            _learning_curves(
                "One line per cell. Hide the cells that you do not want to compare: a bad lambda is bad for both."
            ),
            _update_scales(
                "AdamW's update scales should gather near 2^-3; Adam-l2's should spread over many powers of two, "
                "because lambda x enters its moments."
            ),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **TWO, **USUAL_LOSS},
    ),
    Dashboard(
        "depth",
        "scalefree 3: depth",
        [
            _final_errors(
                "Final error by optimizer and depth",
                "The gap between Adam-l2 and AdamW should grow with depth. Compare the best lambda and alpha of each "
                "optimizer at each depth, not their means.",
                bars("lowest test error in any epoch", "lowest_test_error", ERROR),
            ),
            _learning_curves("One line per cell, whose name gives its optimizer and depth."),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **TWO, **USUAL_LOSS},
        grouped=[OPTIMIZER, DEPTH],
    ),
    Dashboard(
        "update_scales",
        "scalefree 4: update scales",
        [
            Section(
                "Quantiles against epochs, by optimizer and depth",
                "The paper's histograms as quantiles, because the app draws histograms only of single runs. Look at "
                "the distance between the 5 % and the 95 % line, and at whether it grows with depth: it should for "
                "Adam-l2 but not for AdamW.",
                [
                    quantiles("update_scale"),
                    curves("spread: q75 - q25", ["update_scale/network/iqr"], "powers of two"),
                    curves("spread: standard deviation", ["update_scale/network/std"], "powers of two"),
                    curves("at most 1e-8", ["update_scale/network/share_underflow"], ERROR),
                ],
            ),
            Section(
                "First and last layers",
                "Without BatchNorm the ends of a deep network see gradients of very different sizes. A scale-free rule "
                "should not care.",
                [quantiles(quantity, group) for quantity in ("update_scale", "gradient") for group in ("stem", "head")],
            ),
            Section(
                "Gradients and parameters",
                "The optimizer's input, and what it did to the weights.",
                [
                    quantiles("gradient"),
                    curves("gradients at most 1e-8", ["gradient/network/share_underflow"], ERROR),
                    quantiles("parameter"),
                ],
            ),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **TWO, **USUAL_LOSS},
        grouped=[OPTIMIZER, DEPTH],
    ),
    Dashboard(
        "prox_equivalence",
        "scalefree 5: Adam-l2, AdamW, AdamProx",
        [
            _learning_curves(
                "AdamW equals AdamProx to first order, so their lines should coincide; Adam-l2's should differ."
            ),
            _errors_over_grid("The same for the whole grid: AdamW's and AdamProx's points should pair up."),
            _update_scales("Neither AdamW's nor AdamProx's update scales contain the decay; Adam-l2's do."),
            _comparison(),
        ],
        runs={**WITHOUT_BN, OPTIMIZER: ["adaml2", "adamw", "adamprox"], **USUAL_LOSS},
    ),
    Dashboard(
        "loss_scale",
        "scalefree 6: loss multiplied",
        [
            _final_errors(
                "Final error by optimizer and loss multiplier",
                "Multiplying the loss should change nothing for AdamW, up to eps; for Adam-l2 it weakens the decay.",
            ),
            _learning_curves("The training loss contains the multiplier; the error does not."),
            _update_scales("Gradients move up by log2 of the multiplier; AdamW's update scales should not."),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **TWO},
        grouped=[OPTIMIZER, LOSS_MULTIPLIER],
    ),
    Dashboard(
        "corners",
        "scalefree 7: scale-free or decoupled",
        [
            _final_errors(
                "Final error of the four corners",
                "AdamW is scale-free and keeps its decay out of the moments. The metric prox only does the latter, "
                "scaled Adam-l2 is only scale-free, and Adam-l2 is neither. If scale-freeness is what helps, the best "
                "cells of AdamW and scaled Adam-l2 are the lower two; if decoupling is, those of AdamW and the metric "
                "prox.",
            ),
            _errors_over_grid("Each optimizer has its own best lambda: compare the lowest points."),
            _learning_curves("Do the two that end worse start worse, or do they stop improving early?"),
            _update_scales(
                "The two scale-free ones should gather near one power of two; the others should spread out."
            ),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **CORNERS, **USUAL_LOSS},
        grouped=[DEPTH, OPTIMIZER],
    ),
    Dashboard(
        "effective_decay",
        "scalefree 8: effective decay and drown-out",
        [
            Section(
                "Drown-out: where the decay is larger than the gradient",
                "The share of coordinates where lambda |x| is above sqrt(u_hat), where u is the second moment of the "
                "loss gradient. There Adam-l2 is sign descent on the penalty and no longer sees the loss.",
                [
                    curves("whole network", ["effective_decay/network/drown_out_share"], ERROR),
                    *(
                        curves(group, [f"effective_decay/{group}/drown_out_share"], ERROR)
                        for group in ("stem", "stage1", "stage2", "stage3", "head")
                    ),
                    bars("last measured", "effective_decay/network/drown_out_share", ERROR),
                ],
            ),
            Section(
                "Effective decay of each coordinate",
                "A coordinate's own decay over lambda eta: 1 for AdamW whatever the gradients, alpha / D for Adam-l2, "
                "which covers many powers of two. Runs without decay have none.",
                [
                    quantiles("effective_decay"),
                    curves("spread: q75 - q25", ["effective_decay/network/iqr"], "powers of two"),
                    *(quantiles("effective_decay", group) for group in ("stem", "head")),
                ],
            ),
            _learning_curves("Do runs with a lot of drown-out stop learning?"),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **CORNERS, **USUAL_LOSS},
        grouped=[DEPTH, OPTIMIZER],
    ),
    Dashboard(
        "cifar16",
        "scalefree 9: CIFAR-10 at 16x16",
        [
            Section(
                "Final error",
                "All of CIFAR-10, averaged to 16x16, with ResNets of width 8 (`profile=cifar16`). Does the gap between "
                "Adam-l2's and AdamW's best cells grow with depth, as the paper finds at 32x32?",
                [
                    bars("test error", "final_test_error", ERROR),
                    bars("validation error, by which the cells are chosen", "final_validation_error", ERROR),
                    bars("training error", "final_train_error", ERROR),
                ],
            ),
            _errors_over_grid("Is each optimizer's lowest point inside the grid?"),
            _learning_curves("Evaluated only every seventh epoch."),
            _update_scales("As in dashboard 4, on natural images."),
            _comparison(),
        ],
        runs={"dataset.name": ["cifar10"], "dataset.resolution": [16]},
        grouped=[BATCH_NORM, DEPTH, OPTIMIZER],
    ),
    Dashboard(
        "optimizers",
        "scalefree 10: every optimizer",
        [
            _final_errors(
                "Final error by optimizer",
                "Whatever was trained without BatchNorm, your own optimizers included. Compare the best cells of each.",
            ),
            _errors_over_grid("Is each optimizer's lowest point inside its grid?"),
            _learning_curves("A line per cell: its name says optimizer and depth."),
            _update_scales("Of another package's optimizers it is the change of the parameters that is measured."),
            _comparison(),
        ],
        runs={**WITHOUT_BN, **USUAL_LOSS},
        grouped=[DEPTH, OPTIMIZER],
    ),
)
