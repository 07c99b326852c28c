"""Cells of methods whose names are not plain words: torch optimizers with arguments of all kinds."""

import functools
from pathlib import Path

from experiments.made import cell, frozen
from scalefree.config import OptimizerConfig
from scalefree.experiments.frozen import DECAYED, Frozen, read_frozen
from scalefree.optimizers import method

ALL_ARGUMENTS = method(
    vars(
        OptimizerConfig(
            "torch",
            target="torch.optim.NAdam",
            arguments={"a": [0.9, 1e-12], "b": {"c # d": ": \"e\" ${f} 'g'"}, "h": True, "i": None, "j": "- é\n"},
            decay="lambda",
        )
    )
)


def test_cells_of_torch_optimizers_are_read_back(tmp_path: Path) -> None:
    of = functools.partial(cell, network="resnet20w8-nobn", rule="NAdam")
    wanted = Frozen(
        {"resnet20w8-nobn": {ALL_ARGUMENTS: of(1e-3, 0.0), ALL_ARGUMENTS + DECAYED: of(2e-3, 1e-4)}}, 2, "ab" * 32
    )
    with frozen(wanted, tmp_path):
        assert read_frozen("made") == wanted
