"""The paper's own numbers, as far as they are public: ResNet-110 without BatchNorm on CIFAR-10 at epoch 300.

The two best errors are printed on a figure published by the first author; every other error was read off that figure's
colours and is accurate to about 0.01, and all that is known about the darkest cells (None here) is "0.40 or worse". The
histogram shares were read off the heights of bars, also to about 0.01.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes

from scalefree.config import ResNetConfig, RunConfig
from scalefree.datasets import DATASETS
from scalefree.experiments.arms import arm_of
from scalefree.figures.heatmap import ErrorGrid, error_grid
from scalefree.figures.histograms import UNDERFLOW_PLACE
from scalefree.figures.style import NEUTRAL, look

LRS = (5e-5, 1e-4, 5e-4, 1e-3, 5e-3)
WEIGHT_DECAYS = (0.0, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3)
READING_ERROR = 0.01
# What None means below.
AT_LEAST = 0.40


@dataclass(frozen=True)
class Published:
    """One optimizer's published numbers.

    Attributes:
        errors: rows LRS, columns WEIGHT_DECAYS; None for AT_LEAST or worse; +- READING_ERROR except for the best.
        best: (lr, weight_decay, test error), the error printed exactly.
        shares: shares of coordinates by exponent k of |update| / alpha, +- READING_ERROR; only the known bins.
    """

    errors: tuple[tuple[float | None, ...], ...]
    best: tuple[float, float, float]
    shares: dict[int, float]


PUBLISHED = {
    "adaml2": Published(
        errors=(
            (0.34, 0.33, 0.34, 0.33, 0.32, 0.32, 0.33),
            (0.25, 0.24, 0.25, 0.23, 0.16, 0.21, 0.15),
            (0.22, 0.21, 0.20, 0.18, 0.16, 0.15, 0.18),
            (None, 0.23, 0.19, 0.18, 0.1458, 0.18, 0.21),
            (None,) * 7,
        ),
        best=(1e-3, 5e-4, 0.1458),
        # The highest of a nearly flat histogram.
        shares={-7: 0.045},
    ),
    "adamw": Published(
        errors=(
            (0.33, 0.18, 0.19, None, None, None, None),
            (0.25, 0.16, 0.13, 0.18, None, None, None),
            (0.22, 0.16, 0.12, 0.1147, 0.27, None, None),
            (0.33, 0.19, 0.13, 0.13, 0.22, 0.36, None),
            (None, None, None, None, None, 0.30, None),
        ),
        best=(5e-4, 1e-4, 0.1147),
        shares={-5: 0.08, -4: 0.14, -3: 0.18, -2: 0.12},
    ),
}
# The two methods' shares at or below 1e-8; it is not known which is which.
UNDERFLOW_SHARES = (0.34, 0.38)

NOTE = (
    "The paper's numbers (one run per cell): the two ringed errors are printed there, all others were read off its "
    "figures, to within about 1 point of error or .01 of share; >40: 40 % or worse; diamonds: its shares, grey if the "
    "method is not known"
)


def is_published(config: RunConfig) -> bool:
    """Whether the paper's numbers are for this network, data set and loss (whatever the length of training)."""
    model = config.model
    dataset = config.dataset
    row = DATASETS[dataset.name]
    return (
        isinstance(model, ResNetConfig)
        and (model.depth, model.width, model.batch_norm, model.initialization) == (110, 16, False, "kaiming")
        and (dataset.name, dataset.per_class, row.averages(dataset.resolution)) == ("cifar10", None, False)
        and arm_of(config).is_usual
    )


def published_grid(
    optimizer: str, lrs: Iterable[float] = LRS, weight_decays: Iterable[float] = WEIGHT_DECAYS
) -> ErrorGrid:
    """The paper's heatmap for an optimizer, on axes that include at least its own values."""
    published = PUBLISHED[optimizer]
    grid = error_grid((), {*LRS, *lrs}, {*WEIGHT_DECAYS, *weight_decays})
    for lr, row in zip(LRS, published.errors, strict=True):
        for weight_decay, error in zip(WEIGHT_DECAYS, row, strict=True):
            place = grid.place(lr, weight_decay)
            grid.states[place] = "value"
            grid.errors[place] = 100 * (AT_LEAST if error is None else error)
            grid.labels[place] = ">40" if error is None else f"{100 * error:.0f}"
    lr, weight_decay, best = published.best
    grid.labels[grid.place(lr, weight_decay)] = f"{100 * best:.1f}"
    return grid


def mark_published_shares(axes: Axes) -> None:
    """Mark the paper's shares as open diamonds in the middle of their bins, the underflow ones in grey."""
    known = [
        (exponent + 0.5, share, look(of).color) for of, p in PUBLISHED.items() for exponent, share in p.shares.items()
    ]
    for x, share, color in known + [(UNDERFLOW_PLACE, share, NEUTRAL) for share in UNDERFLOW_SHARES]:
        axes.plot(
            x, share, "D", markersize=4, markerfacecolor="white", markeredgecolor=color, zorder=4, gid="published"
        )
