"""The atlas: rows, the CSV format, and the committed atlas compared with its page and new measurements."""

import importlib.metadata
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from scalefree.theory import atlas, atlas_decay
from scalefree.theory.atlas import COLUMNS, Row, from_csv, measure, measure_all, measure_or_refuse, read, to_csv
from scalefree.theory.atlas_page import MEANINGS, in_words, page
from scalefree.theory.atlas_subjects import COLLECTION, OURS, TORCH, Refused, Subject, named, subjects
from scalefree.theory.scale_freeness import scale_free_defect

ROOT = Path(__file__).parents[2]
COMMITTED = read(ROOT / "results" / atlas.FILE)
BY_NAME = {row.name: row for row in COMMITTED}


def same(one: Row, other: Row) -> bool:
    """Equality that includes nan."""
    return to_csv([one]) == to_csv([other])


def test_a_row_collects_the_separate_measurements() -> None:
    adam = named("torch.optim.Adam")
    row = measure(adam)
    assert (row.name, row.version, row.arguments, row.reason, row.notes) == (
        "torch.optim.Adam", torch.__version__.partition("+")[0], "", "", ""
    )  # fmt: skip
    assert row.defect == scale_free_defect(torch.optim.Adam)
    assert row.defect_decay == scale_free_defect(adam.make(weight_decay=atlas.DECAY))
    assert row.defect_eps0 == scale_free_defect(adam.make(eps=0.0)) < 1e-14
    assert row.defect_decay_eps0 == scale_free_defect(adam.make(eps=0.0, weight_decay=atlas.DECAY)) > 0.1
    assert row.steps_identity == row.steps_diagonal_1e2 == row.steps_diagonal_1e4 < row.steps_rotated_1e2
    decayed = atlas_decay.decay(adam)
    assert (row.decay, row.share, row.gradient_power) == (decayed.kind, decayed.share, decayed.gradient_power)
    assert (row.if_coupled, row.if_decoupled, row.if_fixed) == ("coupled", "decoupled, lambda lr_t", "")
    assert (row.eps, row.evidence) == ("eps", "path")


def test_a_given_decay_is_the_one_that_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "CONDITIONS", {})
    given = named("torch.optim.Adam").with_arguments({"weight_decay": 1e-4})
    row, usual = measure(given), BY_NAME["torch.optim.Adam"]
    assert row.arguments == "weight_decay=0.0001"
    assert row.defect == pytest.approx(usual.defect, rel=0.01)  # without decay
    assert row.defect_decay == scale_free_defect(given.make()) < 0.5 * usual.defect_decay


def test_an_optimizer_that_cannot_be_run_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "CONDITIONS", {})

    class Failing(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            raise RuntimeError("out of order\nfor good")

    class Still(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            pass

    row = measure(Subject("mine", Failing))
    assert row.reason == "RuntimeError: out of order" and math.isnan(row.defect) and row.version == ""
    assert measure(Subject("mine", Still)).reason == "the optimizer does not move"
    assert measure(named("torch.optim.SparseAdam")).reason == "takes sparse gradients only"
    with pytest.raises(Refused, match=r"torch\.optim\.SGD cannot be measured: Invalid learning rate: -1"):
        measure_or_refuse(named("torch.optim.SGD").with_arguments({"lr": -1}))


def test_a_failed_measurement_does_not_affect_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atlas, "CONDITIONS", {})
    row = measure(named("torch.optim.Adadelta"))
    assert row.defect > 0.1 and math.isnan(row.defect_eps0) and row.decay == "coupled"
    assert row.notes == "defect_eps0: the optimizer does not move; defect_decay_eps0: the optimizer does not move"


def test_rows_round_trip_through_csv() -> None:
    row = Row(
        "a.b", "C", "1.0", 'x="1, 2"', defect=math.inf, defect_decay=1.23456e-17, steps_identity=69.0, spread=0.126,
        lr_power=-1e-9, gradient_power=-1.004, decay="decoupled, lambda", notes='said "no"',
    )  # fmt: skip
    (back,) = from_csv(to_csv([row]))
    expected = replace(row, defect_decay=1.23e-17, spread=0.13, lr_power=0.0, gradient_power=-1.0)
    assert same(back, expected) and (back.defect, back.steps_identity) == (math.inf, 69)
    assert "-0," not in to_csv([row])


def test_a_wrong_csv_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "atlas.csv"
    good = to_csv([BY_NAME["torch.optim.Adam"]])
    for bad in ("", "a,b\n1,2\n", good.replace("defect", "defects", 1), good + "x,y\n", good.replace("69", "many")):
        path.write_text(bad)
        with pytest.raises(ValueError, match=r"atlas\.csv: "):
            read(path)


def test_rows_are_in_the_order_of_the_subjects(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [named("torch.optim.SparseAdam"), named("torch.optim.Rprop")]
    rows = list(measure_all(wanted, jobs=2))
    assert [row.name for row in rows] == ["torch.optim.SparseAdam", "torch.optim.Rprop"]
    assert same(rows[1], BY_NAME["torch.optim.Rprop"]) or rows[1].version != BY_NAME["torch.optim.Rprop"].version


def test_the_committed_page_matches_the_committed_csv() -> None:
    assert page(COMMITTED) == (ROOT / "docs" / "atlas.md").read_text()


def test_every_column_has_a_definition_and_every_number_a_unit() -> None:
    assert set(COLUMNS) == {"version", "reason", *MEANINGS}
    numbers = {field.name for field in fields(Row) if field.type is float}
    assert all(bool(MEANINGS[key].unit) == (key in numbers) and MEANINGS[key].meaning for key in MEANINGS)
    assert {row.decay for row in COMMITTED if not row.reason} <= set(atlas_decay.KINDS)


@pytest.mark.parametrize("package", [OURS, TORCH, COLLECTION])
def test_no_optimizer_of_a_package_is_left_out(package: str) -> None:
    pytest.importorskip(package)
    of_package = {row.optimizer: row for row in COMMITTED if row.package == package}
    assert len(of_package) == len([row for row in COMMITTED if row.package == package]) > 4
    distribution = {OURS: "scalefree", TORCH: "torch"}.get(package, package)
    if importlib.metadata.version(distribution).partition("+")[0] != next(iter(of_package.values())).version:
        pytest.skip(f"the atlas was measured with another version of {distribution}")
    assert set(of_package) == {subject.name for subject in subjects(package)}


# Optimizers whose numbers are robust to rounding.
AGAIN = [
    *("scalefree.optim.AdamProx", "scalefree.optim.AdamMetricProx", "torch.optim.AdamW", "torch.optim.Adagrad"),
    *("torch.optim.SGD", "torch.optim.NAdam", "torch.optim.SparseAdam", "pytorch_optimizer.ADOPT"),
    *("pytorch_optimizer.Adan", "pytorch_optimizer.Lion", "pytorch_optimizer.AdamS", "pytorch_optimizer.LOMO"),
]


@pytest.mark.parametrize("name", AGAIN)
def test_a_new_measurement_reproduces_the_committed_row(name: str) -> None:
    pytest.importorskip(name.rpartition(".")[0])
    again, committed = measure(named(name)), BY_NAME[name]
    if again.version != committed.version:
        pytest.skip(f"the atlas was measured with {committed.package} {committed.version}")
    for column in COLUMNS:
        found, expected = getattr(again, column), getattr(committed, column)
        if isinstance(expected, str):
            assert found == expected, column
        else:
            assert found == pytest.approx(expected, rel=0.02, abs=1e-12, nan_ok=True) or column in (
                *atlas._POWERS, "share_at_rest"
            ), column  # fmt: skip
            assert found == pytest.approx(expected, rel=0.02, abs=0.01, nan_ok=True), column


@pytest.mark.parametrize(
    ("name", "column"),
    [("Adam", "if_decoupled"), ("RAdam", "if_coupled"), ("AdamP", "if_coupled"), ("Lion", "if_fixed")],
)
def test_the_switches_that_the_page_warns_about_behave_so(name: str, column: str) -> None:
    """What docs/lambda.md and the page's summary say about `pytorch_optimizer`, as rows."""
    rows = {row.optimizer: row for row in COMMITTED if row.package == (TORCH if name == "Adam" else COLLECTION)}
    expected = {"if_decoupled": "decoupled, lambda lr_t", "if_coupled": "no effect", "if_fixed": "decoupled, lambda"}
    assert getattr(rows[name], column) == expected[column]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torch.optim.Adam", "scale-free up to its eps without weight decay, and no longer is with it (coupled)"),
        (
            "torch.optim.AdamW",
            "scale-free up to its eps without weight decay, and stays so with it (decoupled, lambda lr_t)",
        ),
        ("torch.optim.Rprop", "scale-free to rounding"),
        ("torch.optim.SGD", "not scale-free, with weight decay (coupled = decoupled, lambda lr_t) or without"),
        (
            "pytorch_optimizer.LaProp",
            "scale-free to 0.001 without weight decay, and stays so with it (decoupled, lambda lr_t)",
        ),
    ],
)
def test_rows_are_described_in_words(name: str, said: str) -> None:
    assert in_words(BY_NAME[name]) == said
