"""The table of optimizers: each one's name, its look in figures, and what it is without decay.

Configurations, grids, figures, claims and reports read it. What the optimizers compute is in `optim/`, whose `RULES`
has a class for every row except `torch`. A new optimizer needs a rule, a class and a row.
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Dash = tuple[float, tuple[float, ...]]

# The algorithm that several optimizers share at lambda = 0, and the optimizer that trains those shared runs.
ADAM = "Adam"
TRAINS_ADAM = "adamw"

# What update scales measure; each record says which.
BY_DIRECTION = "the rule's own direction times eta"
BY_CHANGE = "the change of the parameters over alpha, decay included"

# For optimizers that are not ours: clearly different from the palette's colours.
GREYS = ("#555555", "#8c8c8c", "#262626")
MARKERS = ("v", "X", "<", "*", ">", "p", "d", "h")
DASHES: tuple[Dash, ...] = tuple((0, (a, 1, b, 1)) for a in (2.0, 5.0, 8.0) for b in (1.0, 3.0, 6.0))


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        key: the name on the command line, in records and in code.
        label: the name in text and figures, in ASCII.
        without_decay: the algorithm that it becomes at lambda = 0, where all that become ADAM share runs; None if no
            other optimizer becomes the same.
        options: the keys of the configuration's `optimizer` that only it takes.
        update: what is measured as its update over alpha.
    """

    key: str
    label: str
    color: str
    marker: str
    dash: Dash
    without_decay: str | None = None
    options: tuple[str, ...] = ()
    update: str = BY_DIRECTION


# In the order in which figures show them, in Okabe and Ito's palette, which is safe for the common kinds of colour
# blindness.
OPTIMIZERS = {
    row.key: row
    for row in (
        Optimizer("adamw", "AdamW", "#0072B2", "o", (0, ()), ADAM, options=("decay_unbalance",)),
        Optimizer("adamprox", "AdamProx", "#009E73", "^", (0, (1.2, 1.2)), ADAM),
        Optimizer(
            "adam_scaled_l2", "scaled Adam-l2", "#E69F00", "P", (0, (3, 1, 1, 1, 1, 1)), ADAM, options=("granularity",)
        ),
        Optimizer("adam_metric_prox", "metric prox", "#CC79A7", "D", (0, (4, 1, 1, 1)), ADAM),
        Optimizer("adaml2", "Adam-l2", "#D55E00", "s", (0, (5, 1.2)), ADAM),
        # Any class of torch.optim or another package, named by `optimizer.target`; `look` tells them apart.
        Optimizer(
            "torch",
            "another optimizer",
            GREYS[0],
            MARKERS[0],
            DASHES[0],
            options=("target", "arguments", "decay"),
            update=BY_CHANGE,
        ),
    )
}
# Marker and dash of a rule with a granularity coarser than one coordinate.
COARSER: dict[str, tuple[str, Dash]] = {"layer": ("X", (0, (6, 1, 2, 1))), "network": ("v", (0, (1, 2)))}

# What `method` includes besides the name.
IN_METHOD = ("granularity", "target", "arguments", "decay")
# A torch optimizer as `method` writes it: package, class, arguments, and whether its decay is converted.
_CALL = re.compile(r"([\w.]+)\.(\w+)\((.*)\)(/lambda)?", re.ASCII)


def method(chosen: Mapping[str, Any]) -> str:
    """The name under which an optimizer is compared: a configuration's `optimizer` without step size and decay.

    For example `adamw`, `adam_scaled_l2_by_layer` or `torch.optim.NAdam(momentum_decay=0.004)`; `look` gives labels.
    """
    if chosen["target"] is not None:
        arguments = [f"{name}={_written(value)}" for name, value in sorted(chosen["arguments"].items())]
        converted = "/lambda" if chosen["decay"] == "lambda" else ""
        return f"{chosen['target']}({','.join(arguments)}){converted}"
    by = "" if chosen["granularity"] == "coordinate" else f"_by_{chosen['granularity']}"
    return f"{chosen['name']}{by}"


def row_of(of: str) -> Optimizer | None:
    """The row of a method; None if it is not in the table."""
    if _CALL.fullmatch(of):
        return OPTIMIZERS["torch"]
    key, by, granularity = of.partition("_by_")
    row = OPTIMIZERS.get(key)
    if row is None or (by and not (granularity in COARSER and "granularity" in row.options)):
        return None
    return row


def look(of: str) -> Optimizer:
    """A method's label, colour, marker and dash; one that is not in the table is grey and labelled by its own name."""
    row = row_of(of)
    if row is None:
        return _grey(of, of, BY_DIRECTION)
    if call := _CALL.fullmatch(of):
        return _grey(of, _called(*call.groups()), BY_CHANGE)
    granularity = of.removeprefix(row.key).removeprefix("_by_")
    if not granularity:
        return row
    marker, dash = COARSER[granularity]
    return replace(row, key=of, label=f"{row.label} by {granularity}", marker=marker, dash=dash)


def _called(package: str, name: str, arguments: str, converted: str | None) -> str:
    """`NAdam (momentum_decay=0.004)`, `torch's AdamW, decay by lambda`, `timm's Adan`."""
    # torch's AdamW is not ours, and another package's NAdam is not torch's.
    is_plain = f"{package}.".startswith("torch.optim.") and not any(name == row.label for row in OPTIMIZERS.values())
    text = name if is_plain else f"{package.partition('.')[0]}'s {name}"
    if arguments:
        text += f" ({arguments.replace(',', ', ')})"
    return f"{text}, decay by lambda" if converted else text


def _grey(of: str, label: str, update: str) -> Optimizer:
    """A grey look whose shade, marker and dash depend only on the method's name."""
    choice = zlib.crc32(of.encode())
    marker, dash = MARKERS[choice % len(MARKERS)], DASHES[choice // 8 % len(DASHES)]
    return Optimizer(of, label, GREYS[choice // 128 % len(GREYS)], marker, dash, update=update)


def place(of: str) -> tuple[int, str]:
    """Sort key of a method: the table's order, variants after the original, unknown methods last."""
    row = row_of(of)
    return (len(OPTIMIZERS) if row is None else list(OPTIMIZERS).index(row.key), of)


def ordered(methods: Iterable[str]) -> list[str]:
    """Distinct methods in the order used by all figures."""
    return sorted(set(methods), key=place)


def _written(value: Any) -> str:
    """An argument as JSON without spaces; 5 and 5.0 are written alike."""

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: plain(inner) for key, inner in sorted(node.items())}
        if isinstance(node, list):
            return [plain(inner) for inner in node]
        return int(node) if isinstance(node, float) and node.is_integer() else node

    return json.dumps(plain(value), separators=(",", ":"))
