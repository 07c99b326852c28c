"""The table of defects: which optimizers are scale-free, and torch's equivalents of our rules."""

import pytest

from optim.reference import PAPERS
from scalefree.optim import RULES
from scalefree.theory import Defect, defect_table
from scalefree.theory.defect_table import NO_DECAY, OURS, TORCH

SCALE_FREE = {
    (OURS, NO_DECAY), (OURS, "adamw"), (OURS, "adamprox"), (OURS, "adam_scaled_l2"),
    (TORCH, "Adam"), (TORCH, "AMSGrad"), (TORCH, "AdamW, converted decay"), (TORCH, "NAdam"), (TORCH, "Adamax"),
    (TORCH, "RMSprop"), (TORCH, "RMSprop, centred"), (TORCH, "Adagrad"),
}  # fmt: skip
DECAY_IN_THE_GRADIENT = {
    (OURS, "adaml2"), (OURS, "adam_metric_prox"), (TORCH, "Adam, decay"), (TORCH, "AMSGrad, decay"),
    (TORCH, "RMSprop, decay"), (TORCH, "Adagrad, decay"),
}  # fmt: skip


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, str, float | None], float]:
    rows: list[Defect] = defect_table()
    defects = {(row.source, row.name, row.eps): row.defect for row in rows}
    assert len(defects) == len(rows)
    return defects


def test_scale_free_rules_have_only_rounding_defects_and_small_ones_with_eps(table: dict) -> None:
    for source, name in SCALE_FREE:
        assert table[source, name, 0.0] < 1e-14
        assert 1e-7 < table[source, name, 1e-8] < 1e-4


def test_decay_in_the_gradient_has_a_large_defect_at_every_eps(table: dict) -> None:
    for source, name in DECAY_IN_THE_GRADIENT:
        assert 0.1 < table[source, name, 0.0] < 1
        assert table[source, name, 1e-8] == pytest.approx(table[source, name, 0.0], rel=1e-4)


def test_momentum_and_radam_which_starts_with_it_are_not_scale_free(table: dict) -> None:
    large = [(TORCH, "RAdam", 0.0), (TORCH, "SGD", None), (TORCH, "SGD, momentum", None), (TORCH, "ASGD", None)]
    assert all(table[key] > 1 for key in large)
    assert table[TORCH, "Rprop", None] == 0
    assert all(0.1 < table[TORCH, name, None] < 2 for name in ("Muon", "Adafactor", "Adadelta"))


def test_no_row_is_left_untested(table: dict) -> None:
    rest = {"RAdam", "SGD", "SGD, momentum", "ASGD", "Rprop", "Muon", "Adafactor", "Adadelta"}
    added = {(OURS, rule) for rule in RULES if rule not in PAPERS}
    assert {key[:2] for key in table} - added == SCALE_FREE | DECAY_IN_THE_GRADIENT | {(TORCH, name) for name in rest}


@pytest.mark.parametrize(
    ("ours", "torchs"),
    [(NO_DECAY, "Adam"), ("adamw", "AdamW, converted decay"), ("adaml2", "Adam, decay")],
)
def test_torchs_equivalents_have_our_defects(table: dict, ours: str, torchs: str) -> None:
    assert table[OURS, ours, 1e-8] == pytest.approx(table[TORCH, torchs, 1e-8], rel=1e-6)
