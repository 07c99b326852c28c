"""The errors of a setting as panels: a heatmap an optimizer, or lines where there is a single step size."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from scalefree.experiments import Setting
from scalefree.figures.heatmap import ErrorGrid, draw_heatmap, error_grid
from scalefree.optimizers import look

HEATMAP_NOTE = (
    "Cells: mean over seeds; black frame: lowest of a complete cell; white dot: lowest validation error, where there "
    "is a validation split; hatched: a seed diverged; crossed: not trained; *: seeds missing"
)
LINES_NOTE = (
    "Errors: mean and range over seeds; ring: lowest mean of a complete cell; hollow: seeds missing; "
    "cross at the top: a seed diverged; tick at the bottom: not trained"
)


def has_one_lr(settings: Sequence[Setting]) -> bool:
    """Whether no setting varies the step size, so that a heatmap would have a single row."""
    return all(len({point.lr for point in setting.points}) == 1 for setting in settings)


def error_grids(setting: Setting, optimizers: Sequence[str]) -> dict[str, ErrorGrid]:
    """A grid an optimizer, all on the same axes."""
    points = [point for optimizer in optimizers for point in setting.of(optimizer)]
    lrs, decays = {point.lr for point in points}, {point.weight_decay for point in points}
    return {optimizer: error_grid(setting.of(optimizer), lrs, decays) for optimizer in optimizers}


def best_cells(setting: Setting, optimizer: str) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """(lr, weight_decay) of lowest test and of lowest validation error."""
    best, validated = setting.best(optimizer), setting.best(optimizer, "validation")
    return (
        None if best is None else (best.lr, best.weight_decay),
        None if validated is None else (validated.lr, validated.weight_decay),
    )


def draw_error_heatmaps(
    panels: Sequence[Axes], setting: Setting, grids: dict[str, ErrorGrid], norm: LogNorm, labels: bool = True
) -> None:
    """One panel an optimizer, with its best cells marked and its name and lowest error above."""
    for axes, (optimizer, grid) in zip(panels, grids.items(), strict=True):
        best, validated = best_cells(setting, optimizer)
        draw_heatmap(axes, grid, norm, best, validated, labels)
        axes.set_title(look(optimizer).label)
