"""The LaTeX table of best cells, made from records with known errors."""

import dataclasses
import re
import statistics
from typing import Any

from records.made_up import diverged
from records.made_up import record as made_up
from scalefree.config import RunConfig, with_values
from scalefree.experiments import experiment_names, load_experiment
from scalefree.experiments.arms import arm_of
from scalefree.experiments.evidence import gather
from scalefree.export.best_cells import escaped, heading, latex, of_profile, of_records
from scalefree.records import Record, Store

WITHOUT_BN = {"model.batch_norm": False}


def run(optimizer: str, decay: float, error: float | None, seed: int = 0, **values: Any) -> Record:
    """A run at lr 1e-3 with this final test error; None is a diverged run."""
    chosen = {"optimizer.name": optimizer, "optimizer.weight_decay": decay, "seed": seed, **WITHOUT_BN, **values}
    config = with_values(RunConfig(), chosen)
    return diverged(config) if error is None else made_up(config, error)


def rows(records: list[Record]) -> dict[str, list[str]]:
    """The table's rows: by its first cell, the other cells of each."""
    text = latex(of_records(records), "made")
    cells = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if " & " in line][1:]
    return {row[0]: row[1:] for row in cells}


def test_the_table_shows_mean_standard_deviation_and_number_of_seeds() -> None:
    errors = [0.1, 0.25, 0.3]
    found = rows([run("adamw", 1e-4, error, seed) for seed, error in enumerate(errors)])
    spread = statistics.stdev([10, 25, 30])
    assert found == {"AdamW": ["$10^{-3}$", "$10^{-4}$", rf"${65 / 3:.2f} \pm {spread:.2f}$", "3", "0"]}


def test_each_method_has_its_best_decay_and_ties_go_to_the_smaller_one() -> None:
    found = rows(
        [run("adamw", 1e-4, 0.25), run("adamw", 5e-4, 0.125), run("adaml2", 1e-3, 0.5), run("adaml2", 1e-4, 0.5)]
    )
    assert [found["AdamW"][1], found["Adam-l2"][1]] == [r"$5 \times 10^{-4}$", "$10^{-4}$"]
    assert found["AdamW"][2] == "$12.50$", "one seed has no spread"


def test_a_run_without_decay_counts_for_every_method() -> None:
    found = rows([run("adamw", 0, 0.125), run("adamw", 1e-4, 0.25), run("adaml2", 1e-4, 0.5)])
    assert found["AdamW"][1:3] == found["Adam-l2"][1:3] == ["$0$", "$12.50$"]


def test_a_methods_own_runs_without_decay_are_not_counted_twice() -> None:
    """Adam-l2's own are the same trainings as AdamW's."""
    decayed = [run(name, 1e-4, 0.25, seed) for name in ("adamw", "adaml2") for seed in range(2)]
    without = [run(name, 0, 0.125, seed) for name in ("adamw", "adaml2") for seed in range(2)]
    found = rows([*decayed, *without])
    assert found["AdamW"][1:] == found["Adam-l2"][1:] == ["$0$", r"$12.50 \pm 0.00$", "2", "0"]


def test_a_method_that_was_not_trained_has_no_row() -> None:
    other = run("adaml2", 1e-4, 0.5, **{"training.loss_multiplier": 100.0})
    found = rows([run("adamw", 0, 0.125), other])
    assert set(found) == {"AdamW", "Adam-l2, loss x100"}


def test_a_single_lucky_run_does_not_win() -> None:
    found = rows([run("adamw", 1e-4, 0.25, seed) for seed in range(3)] + [run("adamw", 1e-3, 0.01)])
    assert found["AdamW"][1:] == ["$10^{-4}$", r"$25.00 \pm 0.00$", "3", "0"]


def test_the_validation_error_decides_where_there_is_one() -> None:
    held_out = {"dataset.validation_fraction": 0.1}

    def judged(decay: float, test: float, validation: float) -> Record:
        final = {"final_test_error": test, "final_validation_error": validation, "lowest_test_error": test}
        made = run("adamw", decay, test, **held_out)
        return dataclasses.replace(made, final_metrics=final)

    found = rows([judged(1e-4, 0.1, 0.5), judged(1e-3, 0.2, 0.25)])
    assert found["AdamW"][1:3] == ["$10^{-3}$", "$20.00$"]


def test_a_diverged_run_counts_as_100_percent_error_and_is_reported() -> None:
    found = rows([run("adamw", 1e-4, 0.5, 0), run("adamw", 1e-4, None, 1)])
    assert found["AdamW"][2:] == [rf"$75.00 \pm {statistics.stdev([50, 100]):.2f}$", "2", "1"]


def test_each_group_of_comparable_runs_has_a_heading() -> None:
    records = [
        run("adamw", 1e-4, 0.25),
        run("adamw", 1e-4, 0.25, **{"model.depth": 8}),
        run("adamw", 0, 0.5, **{"model.batch_norm": True}),
    ]
    text = latex(of_records(records), "made")
    headings = re.findall(r"\\multicolumn\{6\}\{l\}\{(.*)\} \\\\", text)
    assert headings == [
        "Digits 8x8, ResNet-8, 2 epochs of batch 128",
        "Digits 8x8, ResNet-20, 2 epochs of batch 128",
        "Digits 8x8, ResNet-20 with BN, 2 epochs of batch 128",
    ]


def test_the_table_is_valid_latex() -> None:
    records = [run("adam_scaled_l2", 1e-4, 0.25, **{"optimizer.granularity": "layer"}), run("adamw", 1e-4, None)]
    text = latex(of_records(records), "50 % of_it\nin two lines")
    assert text.startswith("% 50 % of_it in two lines\n")
    lines = [line for line in text.splitlines() if not line.startswith("%")]
    assert (lines[0], lines[-1]) == (r"\begin{tabular}{lllrrr}", r"\end{tabular}")
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    for line in lines:
        assert line.count("{") == line.count("}") and line.count("$") % 2 == 0
        assert " & " not in line or line.count(" & ") == 5
    assert "scaled Adam-l2 by layer &" in text


def test_special_characters_are_escaped() -> None:
    assert (
        escaped("50 % of a_b & c#{}~^\\")
        == r"50 \% of a\_b \& c\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    )


def test_a_profiles_table_shows_missing_cells_as_dashes(tmp_path: Any) -> None:
    cells = {cell.identity: cell for name in experiment_names() for cell in load_experiment(name, "smoke").cells}
    nothing = of_profile(gather("smoke", Store(tmp_path), {}))
    assert nothing and all(cell.point is None for cell in nothing)
    assert {line.split(" & ")[3] for line in latex(nothing, "made").splitlines() if line.endswith(r"& 0 & 0 \\")} == {
        "--"
    }
    records = {}
    for identity, cell in cells.items():
        error = 0.25 if cell.run.optimizer.weight_decay else 0.5
        final = {"final_test_error": error, "final_validation_error": error, "lowest_test_error": error}
        records[identity] = made_up(cell.run, final_metrics=final)
    chosen = of_profile(gather("smoke", Store(tmp_path), records))
    assert [heading(cell.config) for cell in chosen] == [heading(cell.config) for cell in nothing]
    decays = {cell.point.weight_decay for cell in chosen if cell.point is not None}
    assert decays == {1e-3}, "the decay with the lower error"
    assert all(cell.point is not None for cell in chosen)


def test_a_torch_optimizer_has_its_own_cell_and_does_not_share_adamws() -> None:
    torchs = {"optimizer.target": "torch.optim.NAdam"}
    records = [run("torch", 0.0, 0.25, **torchs), run("adamw", 0.0, 0.125), run("adaml2", 1e-4, 0.5)]
    found = {arm_of(cell.config).method: cell.point for cell in of_records(records)}
    assert list(found) == ["adamw", "adaml2", "torch.optim.NAdam()"]
    errors = [float(point.exact_error() or 0) for point in found.values() if point is not None]
    assert errors == [0.125, 0.125, 0.25], "at lambda = 0 Adam-l2 is Adam, but NAdam is not"
