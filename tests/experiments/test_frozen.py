"""The file of frozen cells: it is read back as written, and anything else is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from experiments.made import cell, frozen, made_cells
from scalefree.config import ConfigError
from scalefree.experiments import load_experiment, profile_names
from scalefree.experiments.frozen import Cell, Frozen, as_yaml, frozen_path, read_frozen, write_frozen


def test_a_written_file_is_read_back(tmp_path: Path) -> None:
    odd = Cell(
        1e-05,
        0.0,
        1 / 3,
        ("made-resnet20-nobn-adamw-lr1e-5-wd0-seed100-0123456789ab",),
        ("larger lr", "smaller weight_decay"),
    )
    published = Cell(5e-4, 1e-4, None, ())
    with frozen(None, tmp_path):
        for content in (
            Frozen({}, 0, ""),
            made_cells("digits"),
            Frozen({"resnet20-nobn": {"adamw": odd, "adaml2": published}}, 3, "1e5"),
        ):
            write_frozen("digits", content)
            assert read_frozen("digits") == content


def test_without_a_file_nothing_is_frozen(tmp_path: Path) -> None:
    with frozen(None, tmp_path):
        assert read_frozen("digits") == Frozen({}, 0, "")


def spoiled(change: Callable[[Any], object]) -> str:
    """The file of a single cell, changed."""
    tree = OmegaConf.to_container(OmegaConf.create(as_yaml("made", Frozen({"net": {"adamw": CELL}}, 7, ""))))
    assert isinstance(tree, dict)
    change(tree)
    return OmegaConf.to_yaml(OmegaConf.create(tree))


def set_to(**values: Any) -> Callable[[Any], object]:
    return lambda tree: tree["cells"]["net"]["adamw"].update(values)


NAME = "made-net-adamw-lr1e-3-wd1e-4-seed100-0123456789ab"
CELL = cell(1e-3, 1e-4, "net", "adamw")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "cells: [",
        "just words",
        "records: 7\ncells: {}\n",
        spoiled(set_to(lr=0)),
        spoiled(set_to(lr=-1e-3)),
        spoiled(set_to(lr="1e-3x")),
        spoiled(set_to(lr=True)),
        spoiled(set_to(lr=float("inf"))),
        spoiled(set_to(weight_decay=float("nan"))),
        spoiled(set_to(weight_decay=-1.0)),
        spoiled(set_to(weight_decay=3e-4)),  # the record is at 1e-4
        spoiled(set_to(validation_error=1.01)),
        spoiled(set_to(validation_error=None)),
        spoiled(set_to(chosen_by=[])),
        spoiled(set_to(chosen_by=NAME)),
        spoiled(set_to(chosen_by=["not a record's name"])),
        spoiled(set_to(edges=[1])),
        spoiled(set_to(decay_times=100)),
        spoiled(lambda tree: tree["cells"]["net"]["adamw"].pop("lr")),
        spoiled(lambda tree: tree["cells"].update(net=3)),
        spoiled(lambda tree: tree.update(records="many")),
        spoiled(lambda tree: tree.update(records=True)),
        spoiled(lambda tree: tree.update(records=-3)),
        spoiled(lambda tree: tree.update(more={})),
        spoiled(lambda tree: tree.pop("digest")),
        # The record of another network or method.
        spoiled(lambda tree: tree["cells"].update(deeper=tree["cells"].pop("net"))),
        spoiled(lambda tree: tree["cells"]["net"].update(adaml2=tree["cells"]["net"].pop("adamw"))),
        spoiled(lambda tree: tree["cells"].update({3: tree["cells"].pop("net")})),
        # A decay where there is none, and none where there is one.
        spoiled(lambda tree: tree["cells"]["net"].update(no_decay={"lr": 1e-3, "weight_decay": 1e-4, "chosen_by": []})),
        spoiled(
            lambda tree: tree["cells"]["net"].update(adamw_decayed={"lr": 1e-3, "weight_decay": 0, "chosen_by": []})
        ),
    ],
)
def test_a_wrong_file_is_refused_in_one_line_that_names_the_script(content: str, tmp_path: Path) -> None:
    with frozen(content, tmp_path) as path, pytest.raises(ConfigError) as refused:
        read_frozen("digits")
    message = str(refused.value)
    assert str(path) in message and "scripts/freeze.py" in message and "\n" not in message


def test_the_unspoiled_file_is_read(tmp_path: Path) -> None:
    with frozen(spoiled(set_to()), tmp_path):
        assert read_frozen("digits").cells["net"]["adamw"] == CELL


def test_a_damaged_file_stops_experiments_but_not_the_selection(tmp_path: Path) -> None:
    with frozen("cells: [", tmp_path):
        assert load_experiment("selection", "digits").cells
        with pytest.raises(ConfigError, match="not a file of frozen cells"):
            load_experiment("corners", "digits")


@pytest.mark.parametrize(("decay", "times", "expected"), [(3e-4, 100, 3e-2), (1e-4, 100, 1e-2), (7e-5, 10, 7e-4)])
def test_a_multiplied_decay_has_no_rounding_error(decay: float, times: float, expected: float) -> None:
    assert Cell(1e-3, decay, 0.5, ("any",)).decay(times) == expected
    assert Cell(1e-3, decay, 0.5, ("any",)).decay() == decay


@pytest.mark.parametrize("profile", profile_names())
def test_the_committed_files_can_be_read(profile: str) -> None:
    for network, methods in read_frozen(profile).cells.items():
        assert frozen_path(profile).exists()
        assert network.startswith(("resnet", "densenet")) and methods


# (network, method) -> (step size, decay): the best cells according to the commands in the authors' code.
PUBLISHED = {
    ("resnet20-nobn", "adaml2"): (1e-3, 5e-4),
    ("resnet20-nobn", "adamw"): (1e-3, 5e-5),
    ("resnet44-nobn", "adaml2"): (5e-4, 5e-4),
    ("resnet44-nobn", "adamw"): (5e-4, 5e-5),
    ("resnet56-nobn", "adaml2"): (5e-4, 5e-4),
    ("resnet56-nobn", "adamw"): (5e-4, 5e-5),
    ("resnet110-nobn", "adaml2"): (1e-3, 5e-4),
    ("resnet110-nobn", "adamw"): (5e-4, 1e-4),
    ("resnet218-nobn", "adaml2"): (5e-4, 5e-3),
    ("resnet218-nobn", "adamw"): (5e-4, 5e-5),
    ("densenet100-nobn", "adaml2"): (5e-4, 1e-3),
    ("densenet100-nobn", "adamw"): (1e-3, 5e-5),
    ("resnet110-bn", "adaml2"): (5e-3, 0.0),
    ("resnet110-bn", "adamw"): (5e-3, 0.0),
}


@pytest.mark.parametrize("profile", ["paper", "h200"])
def test_frozen_cells_are_the_published_ones(profile: str) -> None:
    found = {
        (network, method): (at.lr, at.weight_decay)
        for network, methods in read_frozen(profile).cells.items()
        for method, at in methods.items()
        if method in ("adaml2", "adamw")
    }
    assert found == {key: at for key, at in PUBLISHED.items() if key in found} and len(found) >= 6
    assert profile == "h200" or found == PUBLISHED
    assert not any(at.chosen_by for methods in read_frozen(profile).cells.values() for at in methods.values())
