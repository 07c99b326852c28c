"""AdamW's advantage over Adam-l2: the difference of their test errors, each at its own best cell, seed by seed.

One seed's two runs share initialisation, batches and augmentation, so their difference is paired. In points: hundredths
of test error. A diverged run counts as an error of 100 points, the worst there is.
"""

from collections.abc import Sequence

from scalefree.claims.across import SeedValues
from scalefree.claims.labels import cell_label, setting_label
from scalefree.claims.settings import initialization
from scalefree.config import RunConfig
from scalefree.experiments import Point, Setting
from scalefree.experiments.results import Criterion
from scalefree.optimizers import look

PAIR = ("adaml2", "adamw")

# An advantage below half a point is not worth the name: two images in 360 of the digits' test set, and a sixth of
# the 3.1 points that the paper shows for ResNet-110.
LEAST_ADVANTAGE = 0.5
# Standard deviation over seeds, in points, that a difference is given at the least. Digits' errors come in steps of
# 0.28 points; that two seeds agree to the last image says little.
LEAST_SPREAD = 0.1
# An error above this, in points, is no trained network; where nothing trains, all optimizers are trivially alike.
TRAINED = 50.0


def is_usual(config: RunConfig) -> bool:
    """The paper's main protocol: nothing but data set, network and BatchNorm sets such settings apart."""
    return (
        initialization(config) == "kaiming"
        and config.schedule.name == "constant"
        and config.training.loss_multiplier == 1
        and config.optimizer.eps == 1e-8
    )


def is_usual_without_bn(config: RunConfig) -> bool:
    """The main protocol on a network without BatchNorm."""
    return is_usual(config) and not config.model.batch_norm


def errors(point: Point) -> SeedValues:
    """Final test errors in points by seed."""
    return {seed: 100 * min(error, 1.0) for seed, error in point.errors("test").items()}


def mean_error(point: Point) -> float:
    """Mean final test error in points over the seeds that exist."""
    values = errors(point)
    return sum(values.values()) / len(values)


def difference(first: Point, second: Point) -> SeedValues:
    """Errors of the first minus errors of the second, by the seeds that both have."""
    minuend, subtrahend = errors(first), errors(second)
    return {seed: minuend[seed] - subtrahend[seed] for seed in sorted(minuend.keys() & subtrahend.keys())}


def best_cells(setting: Setting, optimizers: Sequence[str], criterion: Criterion) -> dict[str, Point]:
    """Each optimizer's best cell.

    Raises:
        LookupError: one has none; a setting that `select` lets through has all.
    """
    best = {}
    for optimizer in optimizers:
        point = setting.best(optimizer, criterion)
        if point is None:
            raise LookupError(f"{setting_label(setting.config)} has no best cell of {optimizer} by {criterion} error")
        best[optimizer] = point
    return best


def advantage(setting: Setting, criterion: Criterion) -> SeedValues:
    """Adam-l2's test error minus AdamW's, in points by seed, at the cells that the criterion chooses."""
    best = best_cells(setting, PAIR, criterion)
    return difference(best["adaml2"], best["adamw"])


def best_note(label: str, points: Sequence[Point]) -> str:
    """`resnet80w8-nobn: Adam-l2 36.1 % at (2e-3, 1e-3), AdamW 11.3 % at (2e-3, 1e-3)`."""
    parts = (f"{look(point.optimizer).text} {mean_error(point):.1f} % at {cell_label(point)}" for point in points)
    return f"{label}: {', '.join(parts)}"


def notes_of_best(settings: Sequence[Setting], optimizers: Sequence[str] = PAIR) -> list[str]:
    """Every setting's best cells with their errors, and once more where held-out validation chooses others."""
    notes = []
    for setting in settings:
        label = setting_label(setting.config)
        best = best_cells(setting, optimizers, "test")
        notes.append(best_note(label, list(best.values())))
        if setting.config.dataset.validation_fraction > 0:
            again = best_cells(setting, optimizers, "validation")
            if again != best:
                notes.append(best_note(f"{label}, chosen by validation", list(again.values())))
    return notes
