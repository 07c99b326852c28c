"""A new optimizer is a rule, a class and a row: it trains, is measured by its own direction, and is shown.

The newcomer is sign descent with a decoupled decay, without momentum: every coordinate's update over alpha is eta.
"""

import itertools
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from conftest import TINY, Make
from scalefree.compose import run_config
from scalefree.experiments import Experiment
from scalefree.experiments.choosing import choose
from scalefree.experiments.evidence import Evidence
from scalefree.experiments.grid import cell_of
from scalefree.experiments.results import settings, with_records
from scalefree.figures import pages, styled
from scalefree.figures.by_depth import CORNERS, compared
from scalefree.optim import RULES
from scalefree.optim.adam_family import AdamFamily
from scalefree.optim.rules import Hyperparameters, Tensors
from scalefree.optimizers import BY_DIRECTION, OPTIMIZERS, Optimizer, look
from scalefree.records import Store
from scalefree.report.run_table import run_table
from scalefree.report.runs import list_runs
from scalefree.theory import scale_free_defect
from scalefree.training import run
from training.reference import trainer_of


def sign_descent(x: Tensors, g: Tensors, s: Tensors, t: Tensors, h: Hyperparameters) -> None:
    """x <- (1 - lambda eta) x - eta alpha sign(g)."""
    torch._foreach_copy_(s, torch._foreach_sign(g))
    torch._foreach_mul_(x, 1 - h.weight_decay * h.eta)
    torch._foreach_add_(x, torch._foreach_mul(s, -h.lr))


class SignDescent(AdamFamily):
    rule = staticmethod(sign_descent)
    buffers: ClassVar[tuple[str, ...]] = ("sign",)
    loss_second_moment: ClassVar[str | None] = None

    @staticmethod
    def direction(s: Tensors, t: Tensors, h: Hyperparameters) -> list[Tensor]:
        return s

    @staticmethod
    def effective_decay(s: Tensors, t: Tensors, h: Hyperparameters) -> list[Tensor]:
        return [torch.ones_like(sign) for sign in s]


ROW = Optimizer("sign_descent", "sign descent", color="#56B4E9", marker="H", dash=(0, (9, 2)))


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "sign_descent", SignDescent)
    monkeypatch.setitem(OPTIMIZERS, "sign_descent", ROW)


@pytest.mark.parametrize("runner", ["plain", "fast"])
def test_the_newcomer_trains_and_is_measured_by_its_own_direction(runner: str, tiny: Make) -> None:
    values = {"optimizer": "sign_descent", "schedule": "cosine", "training.epochs": 3, "optimizer.lr": 1e-3}
    record = run(tiny({**values, "runner": runner})).record
    assert record.outcome.status == "completed" and "-sign_descent-" in record.name
    assert record.update == BY_DIRECTION
    found = record.update_scale["network"]
    # eta in the last of three epochs is (1 + cos(2 pi / 3)) / 2 = 1 / 4.
    assert (found["iqr"], found["std"]) == (0, 0) and found["q50"] == pytest.approx(-2)
    assert record.effective_decay["network"]["iqr"] == 0 == record.effective_decay["network"]["q50"]


def test_the_newcomers_steps_follow_the_equation(tiny: Make, tmp_path: Path) -> None:
    trainer = trainer_of(tiny({"optimizer": "sign_descent", "runner": "plain"}), tmp_path / "checkpoint.pt")
    task = trainer.task
    before = {name: p.detach().clone() for name, p in task.model.named_parameters()}
    next(trainer.steps(0, 0))
    for name, p in task.model.named_parameters():
        expected = (1 - 1e-3) * before[name] - 1e-3 * task.gradients()[name].sign()
        torch.testing.assert_close(p.detach(), expected)


def test_without_decay_the_newcomer_shares_no_run() -> None:
    cell = cell_of(run_config({**TINY, "optimizer": "sign_descent", "optimizer.weight_decay": 0}))
    assert cell.run == cell.config


def test_figures_and_report_show_the_newcomer_and_torch_optimizers(tiny: Make) -> None:
    values = {**TINY, "training.epochs": 1, "results_dir": tiny().results_dir}
    torchs = {"optimizer": "torch", "optimizer.target": "torch.optim.NAdam"}
    chosen = [{"optimizer": "adaml2"}, {"optimizer": "adamw"}, {"optimizer": "sign_descent"}, torchs]
    grid = itertools.product(chosen, (0, 1e-3))
    cells = [cell_of(run_config({**values, **of, "optimizer.weight_decay": decay})) for of, decay in grid]
    for cell in cells:
        run(cell.run)
    store = Store(values["results_dir"])
    records = store.records()
    assert len(records) == 7
    results = with_records(Experiment("without_bn", "Own", tuple(cells)), records)
    evidence = Evidence("own", {"without_bn": results}, store, choose(settings(results)), selects_itself=True)
    with styled():
        overview, sheet = pages("without_bn", evidence).values()
    for figure in (overview, sheet):
        titles = {axes.get_title().partition("\n")[0] for axes in figure.axes}
        assert titles >= {"AdamW", "Adam-\N{SCRIPT SMALL L}\N{SUBSCRIPT TWO}", "sign descent", "NAdam"}
    handles = {of.get_label().partition(" at ")[0]: of for of in sheet.legends[0].legend_handles}
    assert handles["sign descent"].get_color() == ROW.color
    assert handles["NAdam"].get_color() == look("torch.optim.NAdam()").color
    (axis,) = [axes.get_xlabel() for axes in sheet.axes if "update" in axes.get_xlabel()]
    assert "grey: |change of weights, with decay|" in axis.replace("\n", " "), (
        "NAdam's update scale is measured differently"
    )
    corners = Evidence("own", {"corners": results}, store, evidence.frozen, selects_itself=True)
    assert compared(corners) == [*CORNERS, "torch.optim.NAdam()", "sign_descent"], "so the headline figure shows it too"
    page = run_table(list_runs([], store, records))
    for method in ("sign_descent", "torch.optim.NAdam()"):
        label = look(method).label
        assert page.count(f"<td>{label}</td>") == 2 and f'<option value="{method}">{label}</option>' in page


def test_the_newcomers_defect_is_rounding() -> None:
    assert scale_free_defect(lambda params: SignDescent(params, lr=1e-2, weight_decay=1e-2)) < 1e-14
