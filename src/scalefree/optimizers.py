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

BY_DIRECTION = "the rule's own direction times eta"
BY_CHANGE = "the change of the parameters over alpha, decay included"

# No optimizer of ours: recognizably none of the palette's colours.
GREYS = ("#555555", "#8c8c8c", "#262626")
MARKERS = ("v", "X", "<", "*", ">", "p", "d", "h")
DASHES: tuple[Dash, ...] = tuple((0, (a, 1, b, 1)) for a in (2.0, 5.0, 8.0) for b in (1.0, 3.0, 6.0))


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        key: its name on the command line, in records and in code.
        label: its name in figures.
        text: its name in sentences, ASCII alone.
        without_decay: which algorithm it is at lambda = 0, where all that are ADAM share runs; None if it is its own.
        options: the keys of the configuration's `optimizer` that it alone takes.
        update: what is measured as its update over alpha.
    """

    key: str
    label: str
    text: str
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
        Optimizer(
            "adaml2",
            "Adam-\N{SCRIPT SMALL L}\N{SUBSCRIPT TWO}",
            "Adam-l2",
            color="#D55E00",
            marker="s",
            dash=(0, (5, 1.2)),
            without_decay=ADAM,
        ),
        Optimizer(
            TRAINS_ADAM,
            "AdamW",
            "AdamW",
            color="#0072B2",
            marker="o",
            dash=(0, ()),
            without_decay=ADAM,
            options=("decay_unbalance",),
        ),
        Optimizer(
            "adamprox",
            "AdamProx",
            "AdamProx",
            color="#009E73",
            marker="^",
            dash=(0, (1.2, 1.2)),
            without_decay=ADAM,
        ),
        Optimizer(
            "adam_metric_prox",
            "Adam, metric prox",
            "metric prox",
            color="#CC79A7",
            marker="D",
            dash=(0, (4, 1, 1, 1)),
            without_decay=ADAM,
        ),
        Optimizer(
            "adam_scaled_l2",
            "scaled Adam-\N{SCRIPT SMALL L}\N{SUBSCRIPT TWO}",
            "scaled Adam-l2",
            color="#E69F00",
            marker="P",
            dash=(0, (3, 1, 1, 1, 1, 1)),
            without_decay=ADAM,
            options=("granularity",),
        ),
        # Any class of torch.optim or of another package, which `optimizer.target` names.
        Optimizer(
            "torch",
            "another optimizer",
            "another optimizer",
            color=GREYS[0],
            marker=MARKERS[0],
            dash=DASHES[0],
            options=("target", "arguments", "decay"),
            update=BY_CHANGE,
        ),
    )
}


def method(chosen: Mapping[str, Any]) -> str:
    """Which optimizer a configuration's `optimizer` chooses, options included, step size and decay apart: one word.

    `adamw`, `adam_scaled_l2_by_layer`, `adamw_unbalanced1.5`, `torch.optim.NAdam(momentum_decay=0.004)`. Methods are
    told apart wherever optimizers are compared; `look` knows what each is called.
    """
    if chosen.get("target") is not None:
        arguments = [f"{name}={_written(value)}" for name, value in sorted(chosen["arguments"].items())]
        converted = "/lambda" if chosen["decay"] == "lambda" else ""
        return f"{chosen['target']}({','.join(arguments)}){converted}"
    word = str(chosen["name"])
    if chosen.get("granularity", "coordinate") != "coordinate":
        word += f"_by_{chosen['granularity']}"
    if chosen.get("decay_unbalance"):
        word += f"_unbalanced{chosen['decay_unbalance']:g}"
    return word


def look(of: str) -> Optimizer:
    """What a method is called and looks like; one that nobody has described is grey and called by its own word."""
    if of in OPTIMIZERS:
        return OPTIMIZERS[of]
    variant = re.fullmatch(r"(.+?)(?:_by_(layer|network))?(?:_unbalanced([\d.e+-]+))?", of)
    row = OPTIMIZERS.get(variant[1]) if variant is not None else None
    if variant is not None and row is not None:
        by = f" by {variant[2]}" if variant[2] else ""
        unbalanced = f", decays over 10^-{variant[3]} to 10^{variant[3]}" if variant[3] else ""
        told = by + unbalanced
        return replace(_apart(row, of), label=row.label + told, text=row.text + told)
    called = re.fullmatch(r"([\w.]+)\.(\w+)\((.*)\)(/lambda)?", of)
    if called is None:
        return replace(_apart(OPTIMIZERS["torch"], of), label=of, text=of, update=BY_DIRECTION)
    package, name, arguments, converted = called.groups()
    # torch's AdamW is not ours, nor is another package's NAdam torch's.
    ours = any(name == row.text for row in OPTIMIZERS.values())
    source = "" if f"{package}.".startswith("torch.optim.") and not ours else f"{package.partition('.')[0]}'s "
    text = f"{source}{name}" + (f" ({arguments.replace(',', ', ')})" if arguments else "")
    text += ", decay lambda/alpha" if converted else ""
    return replace(_apart(OPTIMIZERS["torch"], of), label=text, text=text)


def _apart(row: Optimizer, of: str) -> Optimizer:
    """A row with a marker and a dash, and if it is grey a shade, that depend on the method's word alone."""
    choice = zlib.crc32(of.encode())
    color = GREYS[choice // 64 % len(GREYS)] if row.color in GREYS else row.color
    return replace(
        row, key=of, color=color, marker=MARKERS[choice % len(MARKERS)], dash=DASHES[choice // 8 % len(DASHES)]
    )


def ordered(methods: Iterable[str]) -> list[str]:
    """Methods in the one order of all figures: that of the table, variants after what they vary, the others last."""
    rows = list(OPTIMIZERS)

    def place(of: str) -> tuple[int, str]:
        of_row = [rows.index(key) for key in rows if re.match(rf"{key}(_by_|_unbalanced|$)", of)]
        return (of_row[0] if of_row else len(rows), of)

    return sorted(set(methods), key=place)


def _written(value: Any) -> str:
    """An argument as JSON without spaces; 5 and 5.0 are one number."""

    def plain(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: plain(inner) for key, inner in sorted(node.items())}
        if isinstance(node, list):
            return [plain(inner) for inner in node]
        return int(node) if isinstance(node, float) and node.is_integer() else node

    return json.dumps(plain(value), separators=(",", ":")).replace(" ", "\\u0020")
