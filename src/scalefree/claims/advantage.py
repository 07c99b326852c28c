"""AdamW's advantage over Adam-l2: the difference of their test errors, each at its own best cell, seed by seed.

One seed's two runs share initialisation, batches and augmentation, so their difference is paired. In points: hundredths
of test error. A diverged run counts as an error of 100 points, the worst there is.
"""

from collections.abc import Mapping, Sequence

from scalefree.claims.across import SeedValues
from scalefree.config import RunConfig
from scalefree.experiments import Criterion, Point, Setting
from scalefree.records import model_label

PAIR = ("adaml2", "adamw")
NAMES = {"adaml2": "Adam-l2", "adamw": "AdamW", "adamprox": "AdamProx", "adam_metric_prox": "the metric prox"}

# An advantage below half a point is not worth the name: two images in 360 of the digits' test set, and a sixth of
# the 3.1 points that the paper shows for ResNet-110.
LEAST_ADVANTAGE = 0.5
# Standard deviation over seeds, in points, that a difference is given at the least. Digits' errors come in steps of
# 0.28 points; that two seeds agree to the last image says little.
LEAST_SPREAD = 0.1
# An error above this, in points, is no trained network; where nothing trains, all optimizers are trivially alike.
TRAINED = 50.0
USUAL_EPS = 1e-8


def initialization(config: RunConfig) -> str:
    """Of a ResNet; DenseNet has one only."""
    return str(getattr(config.model, "initialization", "kaiming"))


def is_usual(config: RunConfig) -> bool:
    """The paper's main protocol: nothing but data set, network and BatchNorm sets such settings apart."""
    return (
        initialization(config) == "kaiming"
        and config.schedule.name == "constant"
        and config.training.loss_multiplier == 1
        and config.optimizer.eps == USUAL_EPS
    )


def without_bn(config: RunConfig) -> bool:
    """The main protocol on a network without BatchNorm."""
    return is_usual(config) and not config.model.batch_norm


def errors(point: Point) -> SeedValues:
    """Final test errors in points by seed."""
    return {seed: 100 * min(error, 1.0) for seed, error in point.errors("test").items()}


def mean_error(point: Point) -> float:
    """Mean final test error in points over the seeds that exist."""
    values = errors(point)
    return sum(values.values()) / len(values)


def difference(worse: Point, better: Point) -> SeedValues:
    """Errors of the first minus errors of the second, by the seeds that both have."""
    first, second = errors(worse), errors(better)
    return {seed: first[seed] - second[seed] for seed in sorted(first.keys() & second.keys())}


def best_cells(setting: Setting, optimizers: Sequence[str], criterion: Criterion) -> dict[str, Point] | None:
    """Each optimizer's best cell; None where one has none, as without a validation split under that criterion."""
    found = {optimizer: setting.best(optimizer, criterion) for optimizer in optimizers}
    points = {optimizer: point for optimizer, point in found.items() if point is not None}
    return points if len(points) == len(found) else None


def advantage(setting: Setting, criterion: Criterion, other: str = "adaml2", of: str = "adamw") -> SeedValues:
    """By seed, in points; the criterion chooses the cells, and test errors are compared. Empty without best cells."""
    best = best_cells(setting, (other, of), criterion)
    return {} if best is None else difference(best[other], best[of])


def cell_text(point: Point) -> str:
    """`(2e-3, 1e-4)`: step size and decay."""
    return f"({_number(point.lr)}, {_number(point.weight_decay)})"


def _number(value: float) -> str:
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    return "0" if value == 0 else f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def best_note(label: str, best: Mapping[str, Point]) -> str:
    """`resnet80w8-nobn: Adam-l2 36.1 % at (2e-3, 1e-3), AdamW 11.3 % at (2e-3, 1e-3)`."""
    parts = (f"{NAMES[o]} {mean_error(point):.1f} % at {cell_text(point)}" for o, point in best.items())
    return f"{label}: {', '.join(parts)}"


def notes_of_best(
    settings: Sequence[Setting], optimizers: Sequence[str], labels: Sequence[str] | None = None
) -> list[str]:
    """Every setting's best cells and errors by both criteria, the second where it chooses other cells."""
    notes = []
    for index, setting in enumerate(settings):
        label = model_label(setting.config) if labels is None else labels[index]
        chosen = [best_cells(setting, optimizers, criterion) for criterion in ("test", "validation")]
        by_test, by_validation = chosen
        if by_test is not None:
            notes.append(best_note(label, by_test))
        if by_validation is not None and by_test is not None and by_validation != by_test:
            notes.append(best_note(f"{label}, chosen by validation", by_validation))
    return notes


def notes_of_lacking(settings: Sequence[Setting], optimizers: Sequence[str]) -> list[str]:
    """Which networks are not judged, as their grids have holes."""
    notes = []
    for setting in settings:
        points = [point for optimizer in optimizers for point in setting.of(optimizer)]
        present = sum(point.status in ("completed", "diverged") for point in points)
        notes.append(f"{model_label(setting.config)} is not judged: {present} of {len(points)} cells are complete")
    return notes
