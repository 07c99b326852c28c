"""Each method's best cell in each network as a LaTeX table, for the cells chosen for a profile or a whole store."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scalefree.config import RunConfig
from scalefree.experiments import Point, Setting, settings
from scalefree.experiments.arms import Arm, arm_of, network_of
from scalefree.experiments.evidence import Evidence, Missing, describe, errors
from scalefree.experiments.grid import SELECTION
from scalefree.experiments.names import dataset_name, network_name, number, width_name
from scalefree.experiments.results import best
from scalefree.experiments.survey import for_every_method, results_of
from scalefree.optimizers import ADAM, TRAINS_ADAM, place, row_of
from scalefree.records import Record


@dataclass(frozen=True)
class BestCell:
    """One row of the table.

    Attributes:
        config: that of any of its runs; step size, decay and seed in it are arbitrary.
        point: None if nothing has been chosen yet.
    """

    config: RunConfig
    point: Point | None

    @property
    def order(self) -> tuple[int, bool, str, tuple[int, str], str]:
        """Sort key: networks from shallow to deep, and in each the methods in their usual order."""
        model, arm = self.config.model, arm_of(self.config)
        return model.depth, model.batch_norm, heading(self.config), place(arm.method), describe(arm)


def heading(config: RunConfig) -> str:
    """Data set, network and length of training, which the methods below it share."""
    parts = [
        dataset_name(config.dataset),
        network_name(network_of(config)),
        width_name(config.model),
        f"{config.training.epochs} epochs of batch {config.training.batch_size}",
        "" if config.precision == "fp32" else config.precision,
    ]
    return ", ".join(filter(None, parts))


def of_profile(evidence: Evidence) -> list[BestCell]:
    """The cells chosen for each method in each network under the usual protocol."""
    confirmed = [result.config for name, of in evidence.results.items() if name != SELECTION for result in of]
    awaited = [run.config for name, of in evidence.waiting.items() if name != SELECTION for run in of]
    asked: dict[tuple[str, Arm], RunConfig] = {}
    for config in [*confirmed, *awaited]:
        if arm_of(config).is_usual:
            asked.setdefault((network_of(config).label, arm_of(config)), config)
    found = []
    for (network, arm), config in asked.items():
        try:
            found.append(BestCell(config, evidence.point(network, arm)))
        except Missing as missing:
            if missing.asked:
                found.append(BestCell(config, None))
    return sorted(found, key=lambda cell: cell.order)


def _best(setting: Setting, optimizer: str) -> Point | None:
    """The best point among those with the most seeds, so that a single lucky run cannot win.
    None if the method has only the runs that it shares at lambda = 0.
    """
    points = setting.of(optimizer)
    row = row_of(optimizer)
    shares = row is not None and row.without_decay == ADAM and row.key != TRAINS_ADAM
    if shares and not any(point.weight_decay for point in points):
        return None
    most = max(len(point.results) for point in points)
    held_out = setting.config.dataset.validation_fraction > 0
    return best(
        (point for point in points if len(point.results) == most and point.status in ("completed", "diverged")),
        "validation" if held_out else "test",
    )


def of_records(records: Iterable[Record]) -> list[BestCell]:
    """The best cell of each method among all results, whatever grid they come from.

    It is chosen by validation error if images are held out, otherwise by test error as in the paper.
    """
    results = [result for result in results_of(records)[0] if result.record is not None]
    found = []
    for setting in settings(for_every_method(results)):
        for optimizer in setting.optimizers:
            point = _best(setting, optimizer)
            if point is not None:
                found.append(BestCell(point.results[0].config, point))
    return sorted(found, key=lambda cell: cell.order)


_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
}


def escaped(text: str) -> str:
    """Text escaped for LaTeX."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _power(value: float) -> str:
    """A step size or decay: `$2 \\times 10^{-3}$`."""
    mantissa, _, exponent = number(value).partition("e")
    if not exponent:
        return f"${mantissa}$"
    factor = "" if mantissa == "1" else rf"{mantissa} \times "
    return f"${factor}10^{{{exponent}}}$"


def _row(cell: BestCell) -> str:
    shown = ["--", "--", "--", "0", "0"]
    if cell.point is not None:
        found = list(errors(cell.point).values())
        there, asked = len(found), len(cell.point.results)
        spread = rf" \pm {statistics.stdev(found):.2f}" if there > 1 else ""
        diverged = sum(record.outcome.status == "diverged" for record in cell.point.records.values())
        shown = [
            _power(cell.point.lr),
            _power(cell.point.weight_decay),
            f"${statistics.mean(found):.2f}{spread}$" if found else "--",
            f"{there}" if there == asked else f"{there} of {asked}",
            f"{diverged}",
        ]
    return " & ".join([escaped(describe(arm_of(cell.config))), *shown]) + r" \\"


def latex(cells: Sequence[BestCell], title: str) -> str:
    """The table, for a document with `\\usepackage{booktabs}`; `title` is written as a comment.

    Errors in per cent, mean and standard deviation over the seeds; a diverged run counts as 100.
    """
    lines = [
        f"% {' '.join(title.split())}",
        "% Final test error in per cent: mean and standard deviation (n - 1) over seeds; a diverged run counts as 100.",
        r"% Needs \usepackage{booktabs}.",
        r"\begin{tabular}{lllrrr}",
        r"\toprule",
        r"Method & $\alpha$ & $\lambda$ & Test error (\%) & $n$ & Diverged \\",
    ]
    above = None
    for cell in cells:
        if heading(cell.config) != above:
            above = heading(cell.config)
            lines += [r"\midrule", rf"\multicolumn{{6}}{{l}}{{{escaped(above)}}} \\", r"\addlinespace[2pt]"]
        lines.append(_row(cell))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
