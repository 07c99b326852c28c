"""How a claim's text names cells and settings."""

from scalefree.config import RunConfig
from scalefree.experiments import Point
from scalefree.records import model_label


def number(value: float) -> str:
    """5e-4 rather than 0.0005, as the paper writes step sizes, decays and eps."""
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    return "0" if value == 0 else f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def cell_label(point: Point) -> str:
    """`(2e-3, 1e-4)`: step size and decay."""
    return f"({number(point.lr)}, {number(point.weight_decay)})"


def setting_label(config: RunConfig) -> str:
    """`resnet110-nobn, loss x10`: the model's part of the records' names, and whatever is unusual."""
    parts = [model_label(config)]
    if config.schedule.name != "constant":
        parts.append(config.schedule.name)
    if config.training.loss_multiplier != 1:
        parts.append(f"loss x{config.training.loss_multiplier:g}")
    if config.optimizer.eps != 1e-8:
        parts.append(f"eps {number(config.optimizer.eps)}")
    return ", ".join(parts)
