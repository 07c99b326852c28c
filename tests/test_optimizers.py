"""The table of optimizers: one row per rule, and a distinct name and look for every method."""

import re
from typing import Any

import pytest

from conftest import Make
from scalefree.compose import run_config
from scalefree.config import GRANULARITIES, OPTIONS, ConfigError, OptimizerConfig
from scalefree.optim import RULES, adam_family
from scalefree.optim.adam_family import AdamFamily
from scalefree.optimizers import BY_CHANGE, BY_DIRECTION, OPTIMIZERS, Optimizer, look, method, ordered
from scalefree.training import run
from scalefree.training.chosen_optimizer import builders
from scripts.entry import call

# Okabe and Ito's eight colours.
PALETTE = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7"}


def test_rules_and_rows_match() -> None:
    assert builders().keys() == OPTIMIZERS.keys()
    assert all(row.key == key for key, row in OPTIMIZERS.items())
    classes = {of for of in vars(adam_family).values() if isinstance(of, type) and issubclass(of, AdamFamily)}
    assert set(RULES.values()) == classes - {AdamFamily}


@pytest.mark.parametrize("lacks", ["row", "rule"])
def test_a_rule_without_a_row_or_vice_versa_is_refused_in_one_line(
    lacks: str, tiny: Make, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if lacks == "row":
        monkeypatch.setitem(RULES, "newcomer", RULES["adamw"])
    else:
        row = OPTIMIZERS["adamw"]
        monkeypatch.setitem(OPTIMIZERS, "newcomer", Optimizer("newcomer", "N", row.color, row.marker, row.dash))
    chosen = "adamw" if lacks == "row" else "newcomer"
    said = "rule newcomer .* has no row" if lacks == "row" else "optimizer=newcomer has a row .* no class"
    with pytest.raises(ConfigError, match=said):
        run(tiny({"optimizer": chosen}))
    results = tiny().results_dir
    assert call("train.py", [f"optimizer={chosen}", f"results_dir={results}"], monkeypatch) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert re.match(f"error: .*{said}", line)


def chosen(**values: Any) -> str:
    return method(vars(OptimizerConfig(**values)))


METHODS = [
    *OPTIMIZERS,
    chosen(name="adam_scaled_l2", granularity="layer"),
    chosen(name="adam_scaled_l2", granularity="network"),
    chosen(name="torch", target="torch.optim.NAdam"),
    chosen(name="torch", target="torch.optim.NAdam", arguments={"momentum_decay": 4e-3}),
    chosen(name="torch", target="torch.optim.NAdam", decay="lambda"),
    chosen(name="torch", target="torch.optim.AdamW"),
    chosen(name="torch", target="pytorch_optimizer.NAdam"),
    chosen(name="torch", target="torch.optim.SGD", arguments={"momentum": 0.9}),
]


def test_methods_have_distinct_names_and_looks() -> None:
    assert len(set(METHODS)) == len(METHODS) and not any(" " in of for of in METHODS)
    described = [look(of) for of in METHODS if of != "torch"]
    assert len({of.label for of in described}) == len(described)
    assert all(of.label.isascii() for of in described)
    assert len({(of.color, of.marker, of.dash) for of in described}) == len(described)
    ours = [of for of in described if of.update == BY_DIRECTION]
    assert len({of.marker for of in ours}) == len({of.dash for of in ours}) == len(ours)
    rows = [row for row in OPTIMIZERS.values() if row.update == BY_DIRECTION]
    assert {row.color for row in rows} < PALETTE
    for of_all in ("color", "marker", "dash"):
        assert len({getattr(row, of_all) for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("of", "label"),
    [
        ("adaml2", "Adam-l2"),
        ("adam_scaled_l2", "scaled Adam-l2"),
        ("adam_scaled_l2_by_layer", "scaled Adam-l2 by layer"),
        ("torch.optim.NAdam()", "NAdam"),
        ("torch.optim.nadam.NAdam()", "NAdam"),
        ("torch.optim.SGD(momentum=0.9,nesterov=true)", "SGD (momentum=0.9, nesterov=true)"),
        ("torch.optim.AdamW()/lambda", "torch's AdamW, decay by lambda"),
        ("pytorch_optimizer.Lion()", "pytorch_optimizer's Lion"),
        ("of_another_version", "of_another_version"),
    ],
)
def test_methods_have_readable_labels(of: str, label: str) -> None:
    assert look(of).label == label
    assert look(of).update == (BY_CHANGE if "(" in of else BY_DIRECTION)


def test_equal_arguments_give_the_same_method() -> None:
    def of(arguments: dict[str, Any]) -> str:
        return chosen(name="torch", target="torch.optim.SGD", arguments=arguments)

    assert of({"a": 1, "b": [0.5, 2.0]}) == of({"b": [0.5, 2], "a": 1.0}) != of({"a": True, "b": [0.5, 2]})


def test_methods_are_in_table_order_followed_by_their_variants() -> None:
    assert ordered(reversed(METHODS))[:7] == [
        "adamw",
        "adamprox",
        "adam_scaled_l2",
        "adam_scaled_l2_by_layer",
        "adam_scaled_l2_by_network",
        "adam_metric_prox",
        "adaml2",
    ]
    assert ordered(["unknown", "torch.optim.SGD()", "adamw"]) == ["adamw", "torch.optim.SGD()", "unknown"]


def test_every_option_is_refused_except_for_the_rows_that_list_it() -> None:
    values: dict[str, Any] = {
        "granularity": "layer",
        "decay_unbalance": 1.5,
        "target": "torch.optim.NAdam",
        "arguments": {"momentum_decay": 1e-3},
        "decay": "lambda",
    }
    assert values.keys() == OPTIONS.keys() and set(GRANULARITIES) > {"layer"}
    for key, row in OPTIMIZERS.items():
        target = {"optimizer.target": "torch.optim.NAdam"} if "target" in row.options else {}
        for option, value in values.items():
            wanted = {"optimizer": key, **target, f"optimizer.{option}": value}
            if option in row.options:
                run_config(wanted)
                continue
            with pytest.raises(ConfigError, match=rf"optimizer\.{option} is only for optimizer=\w+, not for {key}"):
                run_config(wanted)
