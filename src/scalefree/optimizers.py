"""What each optimizer is called, what it looks like and what it is without decay: the one table that says so.

Configurations, grids, figures, claims and reports read it. What the optimizers compute is in `optim/`, whose `RULES`
has a class for every row but `torch`. A new optimizer is a rule, a class and a row.
"""

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Dash = tuple[float, tuple[float, ...]]

# What optimizers that are Adam at lambda = 0 have in common there, and which of them trains the runs that they share.
ADAM = "Adam"
TRAINS_ADAM = "adamw"

# What update scales are the sizes of; records say which.
BY_DIRECTION = "the rule's own direction times eta"
BY_CHANGE = "the change of the parameters over alpha, decay included"

# For what is not ours: recognizably none of the palette's colours.
GREYS = ("#555555", "#8c8c8c", "#262626")
MARKERS = ("v", "X", "<", "*", ">", "p", "d", "h")
DASHES: tuple[Dash, ...] = tuple((0, (a, 1, b, 1)) for a in (2.0, 5.0, 8.0) for b in (1.0, 3.0, 6.0))


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        key: its name on the command line, in records and in code.
        label: its name in sentences and figures, ASCII alone.
        without_decay: which algorithm it is at lambda = 0, where all that are ADAM share runs; None if it is its own.
        options: the keys of the configuration's `optimizer` that it alone takes.
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


# In the order in which figures show them. Okabe and Ito's palette, distinguishable with every common colour blindness.
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
        # Any class of torch.optim or of another package, which `optimizer.target` names; `look` tells them apart.
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
# Marker and dash of a rule that takes what it needs over more than one coordinate, by its granularity.
COARSER: dict[str, tuple[str, Dash]] = {"layer": ("X", (0, (6, 1, 2, 1))), "network": ("v", (0, (1, 2)))}

# What `method` tells apart beside the name.
IN_METHOD = ("granularity", "target", "arguments", "decay")
# A torch optimizer as `method` writes it: package, class, arguments, and whether its decay is converted.
_CALL = re.compile(r"([\w.]+)\.(\w+)\((.*)\)(/lambda)?", re.ASCII)


def method(chosen: Mapping[str, Any]) -> str:
    """What is compared under one name: the optimizer of a configuration's `optimizer`, step size and decay apart.

    `adamw`, `adam_scaled_l2_by_layer`, `torch.optim.NAdam(momentum_decay=0.004)`; `look` knows what each is called.
    """
    if chosen["target"] is not None:
        arguments = [f"{name}={_written(value)}" for name, value in sorted(chosen["arguments"].items())]
        converted = "/lambda" if chosen["decay"] == "lambda" else ""
        return f"{chosen['target']}({','.join(arguments)}){converted}"
    by = "" if chosen["granularity"] == "coordinate" else f"_by_{chosen['granularity']}"
    return f"{chosen['name']}{by}"


def row_of(of: str) -> Optimizer | None:
    """The row of a method; None where nobody has described it."""
    if _CALL.fullmatch(of):
        return OPTIMIZERS["torch"]
    key, by, granularity = of.partition("_by_")
    row = OPTIMIZERS.get(key)
    if row is None or (by and not (granularity in COARSER and "granularity" in row.options)):
        return None
    return row


def look(of: str) -> Optimizer:
    """What a method is called and looks like; one that nobody has described is grey and called by its own word."""
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
    # torch's AdamW is not ours, nor is another package's NAdam torch's.
    is_plain = f"{package}.".startswith("torch.optim.") and not any(name == row.label for row in OPTIMIZERS.values())
    text = name if is_plain else f"{package.partition('.')[0]}'s {name}"
    if arguments:
        text += f" ({arguments.replace(',', ', ')})"
    return f"{text}, decay by lambda" if converted else text


def _grey(of: str, label: str, update: str) -> Optimizer:
    """Grey, with a shade, a marker and a dash that depend on the method's word alone."""
    choice = zlib.crc32(of.encode())
    marker, dash = MARKERS[choice % len(MARKERS)], DASHES[choice // 8 % len(DASHES)]
    return Optimizer(of, label, GREYS[choice // 128 % len(GREYS)], marker, dash, update=update)


def place(of: str) -> tuple[int, str]:
    """Where a method stands among others: in the table's order, variants behind what they vary, unknown ones last."""
    row = row_of(of)
    return (len(OPTIMIZERS) if row is None else list(OPTIMIZERS).index(row.key), of)


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods in the one order of all figures, each once."""
    return sorted(set(methods), key=place)


def _written(value: Any) -> str:
    """An argument as JSON without spaces; 5 and 5.0 are one number."""

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: plain(inner) for key, inner in sorted(node.items())}
        if isinstance(node, list):
            return [plain(inner) for inner in node]
        return int(node) if isinstance(node, float) and node.is_integer() else node

    return json.dumps(plain(value), separators=(",", ":"))
