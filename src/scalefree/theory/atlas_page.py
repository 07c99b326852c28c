"""The atlas as a page, docs/atlas.md: what each column means, the table, and what cannot be run."""

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from scalefree.theory import atlas_conditioning as conditioning
from scalefree.theory import atlas_decay as decay
from scalefree.theory.atlas import DECAY, Row, written
from scalefree.theory.scale_freeness import STEPS

# Defects below the first are rounding; below the second, which allows for an eps, an optimizer counts as scale-free.
ROUNDING, SCALE_FREE = 1e-12, 1e-3
_INDIFFERENT = 1.1  # at most this many times as many steps
_GROWTH = 1e-3  # relative growth of the weights per step


class Column(NamedTuple):
    """A column of the table: its heading, unit and meaning."""

    head: str
    unit: str
    meaning: str


_STEPS = (
    f"fewest steps to {conditioning.ACCURACY:g} of the initial distance to the minimiser of a quadratic, over "
    f"{len(conditioning.RATES)} step sizes and {len(conditioning.SCHEDULES)} schedules, without decay, at the default "
    f"eps; inf: more than {conditioning.CAP}; Hessian"
)
_KIND = "`decay` for the library's own switch"
MEANINGS = {
    "package": Column("package", "", "where it is imported from"),
    "optimizer": Column("optimizer", "", "the class"),
    "arguments": Column("arguments", "", "arguments beyond its defaults, if it needs any"),
    "defect": Column(
        "defect", "distance travelled", "the scale-free defect at the default step size and eps, without decay"
    ),
    "defect_decay": Column("with decay", "distance travelled", f"the same with `weight_decay={DECAY:g}`"),
    "eps": Column("eps", "", "arguments that are all set to 0 for the next two columns; empty: it has none"),
    "defect_eps0": Column("eps = 0", "distance travelled", "the defect with these at 0, without decay"),
    "defect_decay_eps0": Column("eps = 0, with decay", "distance travelled", "the same with decay"),
    "steps_identity": Column("steps, 1", "steps", f"{_STEPS} 1"),
    "steps_diagonal_1e2": Column("diagonal 1e2", "steps", "the same; a diagonal Hessian of condition number 100"),
    "steps_diagonal_1e4": Column("diagonal 1e4", "steps", "the same; a diagonal Hessian of condition number 10,000"),
    "steps_rotated_1e2": Column("rotated 1e2", "steps", "the same; condition number 100 along random axes"),
    "decay": Column("decay", "", "the rule that its weight decay follows (see kinds of decay)"),
    "evidence": Column(
        "by", "", "path: eight steps agree with the rule done by hand; step: one step from a common point does"
    ),
    "share": Column(
        "c", "share of the weight", f"what the decay takes in one step at lr = lambda = {decay.LR:g}, on average"
    ),
    "spread": Column("spread", "c", "standard deviation of c over the weights, relative to its average"),
    "shape": Column(
        "shape", "", "1 - c: what is taken doubles with lambda; 1/(1 + c): one over what remains, minus 1, does"
    ),
    "lr_power": Column("lr_t", "power", "p if c grows as lr_t^p, the step size of the step itself"),
    "first_lr_power": Column("lr_0", "power", "the same for the constructor's step size, with lr_t fixed"),
    "gradient_power": Column("g", "power", "the same for the size of all gradients"),
    "carried": Column("carried", "", "whether the next step, from the same weights and without decay, remembers it"),
    "share_at_rest": Column(
        "at rest",
        "share of the norm",
        f"what a step takes if all gradients are 0, at lr = lambda = {decay.LR:g}, over {decay.STEPS} steps; "
        "below 0: the weights grow",
    ),
    "if_coupled": Column("if coupled", "", f"{_KIND} off (`weight_decouple=False`, `decoupled_weight_decay=False`)"),
    "if_decoupled": Column("if decoupled", "", f"{_KIND} on"),
    "if_fixed": Column("if fixed", "", f"{_KIND} on, and `fixed_decay=True`"),
    "notes": Column("notes", "", "why a number is missing, or what to bear in mind"),
}
# The CSV also has the package's `version`, and the `reason` why some cannot be run.

_HEAD = f"""# The scale-freeness atlas

Every optimizer of `torch.optim` and `pytorch_optimizer`, and ours, measured rather than looked up: how far it is from
scale-free, with and without weight decay and eps; how many more steps it needs on ill-conditioned quadratics; and what
its weight decay does to the weights. `make atlas` writes this page and [results/atlas.csv](../results/atlas.csv), one
row per optimizer; everything is seeded and in float64. To measure a single optimizer, including your own:

```
python scripts/defect.py target=torch.optim.Adam 'arguments={{weight_decay: 1e-2}}'
```

The defect is that of `scalefree.theory.scale_free_defect`: {STEPS} steps on a noisy log-cosh regression, once with its
gradients and once with each of their 40 coordinates multiplied by its own constant between 1e-3 and 1e4; the largest
distance between the two paths, over the distance travelled. 1e-16 is scale-free up to rounding, 1e-5 is typical of an
eps of 1e-8, 1 is not scale-free at all. Everything else is explained in `theory/atlas_conditioning.py` and
`theory/atlas_decay.py`.

![each optimizer's defect without and with decay](../results/figures/theory/atlas.png)

Why it matters in training: [README](../README.md). To train with one of these and have it measured and drawn beside
ours: [optimizers.md](optimizers.md). To say one library's weight decay in another's words: [lambda.md](lambda.md).
"""


def in_words(row: Row) -> str:
    """What a row says of an optimizer and its decay, in a sentence without its end."""
    if row.defect < ROUNDING:
        without = "scale-free to rounding"
    elif row.defect < SCALE_FREE:
        without = "scale-free up to its eps" if row.defect_eps0 < ROUNDING else f"scale-free to {SCALE_FREE:g}"
    else:
        without = "not scale-free"
    if math.isnan(row.defect_decay):
        return without
    if row.defect >= SCALE_FREE:
        return f"{without}, with weight decay ({row.decay}) or without"
    kept = "and stays so" if row.defect_decay < SCALE_FREE else "and no longer is"
    return f"{without} without weight decay, {kept} with it ({row.decay})"


def page(rows: Sequence[Row]) -> str:
    """The whole page as Markdown."""
    measured = [row for row in rows if not row.reason]
    left_out = [row for row in rows if row.reason]
    versions = ", ".join(dict.fromkeys(f"{row.package} {row.version}" for row in rows))
    table = f"## The atlas\n\nVersions: {versions}.\n\n{_table(measured)}"
    return "\n".join([_HEAD, _found(measured), _columns(), _kinds(), table, _left_out(left_out)])


def _found(rows: Sequence[Row]) -> str:
    """A summary of the rows as counts."""
    many = Counter(row.optimizer for row in rows)

    def names(of: Sequence[Row]) -> str:
        return ", ".join(row.name if many[row.optimizer] > 1 else row.optimizer for row in of) or "none"

    def coupled(of: Sequence[Row]) -> int:
        return sum(row.decay == decay.COUPLED for row in of)

    def arriving(of: Sequence[Row]) -> int:
        return sum(row.steps_identity < math.inf for row in of)

    def indifferent(of: Sequence[Row]) -> int:
        return sum(row.steps_diagonal_1e4 <= _INDIFFERENT * row.steps_identity < math.inf for row in of)

    free = [row for row in rows if row.defect < SCALE_FREE]
    exact = [row for row in free if row.defect < ROUNDING]
    without_eps = [row for row in rows if row.defect_eps0 < ROUNDING <= row.defect]
    hidden = [row for row in free if row.defect_eps0 >= ROUNDING]
    decaying = [row for row in free if not math.isnan(row.defect_decay)]
    lost = [row for row in decaying if row.defect_decay >= SCALE_FREE]
    kept = [row for row in decaying if row.defect_decay < SCALE_FREE]
    not_free = [row for row in rows if row not in free]
    examples = [
        f"{row.name} is {in_words(row)}"
        for row in rows
        if row.package == "torch.optim" and row.optimizer in ("Adam", "AdamW", "SGD")
    ]
    points = [
        *([f"For example: {'; '.join(examples)}."] if examples else []),
        f"Of {len(rows)} optimizers, {len(free)} are scale-free to {SCALE_FREE:g} at their defaults, without decay. "
        f"{len(exact)} are scale-free up to rounding: {names(exact)}. With eps = 0, {len(without_eps)} more are.",
        f"Of those {len(free)}, {len(hidden)} stay above rounding at eps = 0, so they contain another term with a "
        f"fixed scale: {names(hidden)}.",
        f"{len(decaying)} of them have a decay, and {len(lost)} lose their scale-freeness to it: {names(lost)}. "
        f"{coupled(lost)} of these couple it, that is, add it to the gradient; of the {len(kept)} that stay "
        f"scale-free, {coupled(kept) or 'none'} does.",
        f"On a diagonal quadratic, {arriving(free)} of the {len(free)} converge at condition number 1, and "
        f"{indifferent(free)} of these take at most a tenth more steps at 10,000; of the other {len(not_free)}, "
        f"{arriving(not_free)} converge, and {indifferent(not_free)} of these take at most a tenth more.",
        f"Proximal by default: {names([row for row in rows if row.decay.startswith('proximal')])}.",
        "`weight_decouple=False` silently switches the decay off: "
        f"{names([row for row in rows if row.if_coupled == decay.NO_EFFECT])}.",
        f"The weights grow while gradients are 0: {names([row for row in rows if row.share_at_rest < -_GROWTH])}.",
    ]
    wrapped = [textwrap.fill(f"- {point}", 120, subsequent_indent="  ", break_on_hyphens=False) for point in points]
    return "\n".join(["## Summary", "", *wrapped]) + "\n"


def _columns() -> str:
    lines = ["## Columns", "", "| column | in the CSV | unit | meaning |", "|---|---|---|---|"]
    lines += [f"| {one.head} | `{key}` | {one.unit} | {one.meaning} |" for key, one in MEANINGS.items()]
    return "\n".join(lines) + "\n"


def _kinds() -> str:
    lines = ["## Kinds of decay", "", "| decay | what happens in a step |", "|---|---|"]
    return "\n".join(lines + [f"| {kind} | {meaning} |" for kind, meaning in decay.KINDS.items()]) + "\n"


def _table(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(MEANINGS[key].head for key in MEANINGS) + " |", "|---" * len(MEANINGS) + "|"]
    for row in rows:
        lines.append("| " + " | ".join(written(key, getattr(row, key)) for key in MEANINGS) + " |")
    return "\n".join(lines) + "\n"


def _left_out(rows: Sequence[Row]) -> str:
    lines = [f"- `{row.name}`: {row.reason}" for row in rows]
    return "\n".join(["## What cannot be run", "", *(lines or ["Nothing."])]) + "\n"
