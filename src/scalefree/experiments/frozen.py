"""Each method's cell in each network, as chosen by the selection seeds: read from and written to configs/frozen/.

Confirmation runs take their step size and decay from here, so that the seeds that judge a method never chose its cell.
Entries are keyed by the label of the network (`resnet80w8-nobn`) and the name of the method
(`adam_scaled_l2_by_layer`); `<method>_decayed` is the method's best cell with a decay above 0, and `no_decay` the
network's best one without, which the methods share because all of them are Adam there.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scalefree.compose import CONFIG_DIR
from scalefree.config import ConfigError
from scalefree.files import atomic_write
from scalefree.optimizers import TRAINS_ADAM

# Suffix for a method's best cell with a decay above 0.
DECAYED = "_decayed"
# The best cell of Adam without a decay.
NO_DECAY = "no_decay"
# Network and method, step size and decay in the name of a record.
NAMED_CELL = re.compile(r"(?P<trained>.+)-lr(?P<lr>[0-9.e-]+)-wd(?P<wd>[0-9.e-]+)-seed\d")


@dataclass(frozen=True)
class Cell:
    """A chosen step size and decay.

    Attributes:
        validation_error: mean over the selection seeds, in [0, 1]; None for a published cell.
        chosen_by: names of this cell's selection records; empty for a published cell.
        edges: the sides on which the grid should be extended because the winner is there; empty if it is inside.
    """

    lr: float
    weight_decay: float
    validation_error: float | None
    chosen_by: tuple[str, ...]
    edges: tuple[str, ...] = ()

    def decay(self, times: float = 1) -> float:
        """The decay times a factor, without rounding errors: 3e-4 times 100 is 3e-2."""
        return float(f"{self.weight_decay * times:.10g}")


@dataclass(frozen=True)
class Frozen:
    """A profile's chosen cells.

    Attributes:
        cells: by the network's label, then by method.
        records: how many selection records there were.
        digest: SHA-256 of their sorted identities.
    """

    cells: Mapping[str, Mapping[str, Cell]]
    records: int
    digest: str


class DamagedCells(ConfigError):
    """The file of frozen cells cannot be used; the message says which and what to do."""


def frozen_path(profile: str) -> Path:
    """Where a profile's cells are kept."""
    return CONFIG_DIR / "frozen" / f"{profile}.yaml"


def read_frozen(profile: str) -> Frozen:
    """The committed cells of a profile; empty if nothing has been chosen yet.

    Raises:
        DamagedCells: the file is not as `as_yaml` writes it, or a cell's records are another's.
    """
    path = frozen_path(profile)
    if not path.exists():
        return Frozen({}, 0, "")
    try:
        tree: Any = OmegaConf.to_container(OmegaConf.load(path))
        cells = {
            network: {method: _cell(values, network, method) for method, values in methods.items()}
            for network, methods in tree["cells"].items()
        }
        records, digest = tree["records"], tree["digest"]
        if tree.keys() != {"records", "digest", "cells"} or type(records) is not int or records < 0:
            raise ValueError("it needs a number of records, a digest and cells, and nothing else")
        return Frozen(cells, records, str(digest))
    except Exception as error:  # YAML and OmegaConf raise many kinds, all with the same meaning here
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise DamagedCells(
            f"{path} is not a file of frozen cells ({why}); restore it with git, or remove it and write it with "
            "scripts/freeze.py"
        ) from None


def _cell(values: Mapping[str, Any], network: str, method: str) -> Cell:
    """One entry, with its types checked; an unknown key is refused, and so are records of another cell."""
    where = f"{network}, {method}"
    if not isinstance(network, str) or not isinstance(method, str):
        raise ValueError(f"{where} is not a network and a method")
    cell = Cell(**{"validation_error": None, "edges": (), **values})
    error = cell.validation_error
    numbers = (cell.lr, cell.weight_decay, *(() if error is None else (error,)))
    if (
        not all(type(number) in (int, float) and 0 <= number < math.inf for number in numbers)
        or cell.lr == 0
        or (error is not None and error > 1)
        or not all(isinstance(names, list | tuple) for names in (cell.chosen_by, cell.edges))
        or not all(isinstance(text, str) for text in (*cell.chosen_by, *cell.edges))
    ):
        raise ValueError(f"{where} has impossible values")
    if (method == NO_DECAY and cell.weight_decay) or (method.endswith(DECAYED) and not cell.weight_decay):
        raise ValueError(f"{where} has weight_decay {cell.weight_decay:g}")
    if (error is None) != (not cell.chosen_by):
        raise ValueError(f"{where} needs both a validation_error and the records that chose it, or neither")
    # A record is named after the rule, or the class of another package; without a decay the methods that are Adam share
    # its runs.
    rule = method.removesuffix(DECAYED).partition("(")[0].rpartition(".")[2]
    trained = {rule} if cell.weight_decay else {rule, TRAINS_ADAM}
    for name in cell.chosen_by:
        named = NAMED_CELL.search(name)
        if named is None or (float(named["lr"]), float(named["wd"])) != (cell.lr, cell.weight_decay):
            raise ValueError(f"{where} is at lr {cell.lr:g}, weight_decay {cell.weight_decay:g}, and {name} is not")
        if not any(named["trained"].endswith(f"-{network}-{one}") for one in trained):
            raise ValueError(f"{name} is not a record of {where}")
    known = None if error is None else float(error)
    return Cell(float(cell.lr), float(cell.weight_decay), known, tuple(cell.chosen_by), tuple(cell.edges))


def _number(value: float) -> str:
    """A number in a form that YAML reads back as a number."""
    text = repr(value)
    return text if "e" not in text or "." in text else text.replace("e", ".0e")


def as_yaml(profile: str, frozen: Frozen) -> str:
    """The text of a profile's file."""
    lines = [
        f"# The cells of the profile {profile}, chosen by validation error on its selection seeds.",
        f"# Written by `python scripts/freeze.py profile={profile}` from the records of the experiment selection.",
        f"records: {frozen.records}",
        f'digest: "{frozen.digest}"',
        "cells:" if frozen.cells else "cells: {}",
    ]
    for network, methods in sorted(frozen.cells.items()):
        lines.append(f"  {network}:")
        for method, cell in sorted(methods.items()):
            lines += [
                f"    {method if method.isidentifier() else json.dumps(method)}:",
                f"      lr: {_number(cell.lr)}",
                f"      weight_decay: {_number(cell.weight_decay)}",
            ]
            if cell.validation_error is not None:
                lines.append(f"      validation_error: {_number(cell.validation_error)}")
            if cell.edges:
                lines.append(f"      edges: [{', '.join(cell.edges)}]")
            names = [f"        - {name}" for name in cell.chosen_by]
            lines += ["      chosen_by:", *names] if names else ["      chosen_by: []"]
    return "\n".join(lines) + "\n"


def write_frozen(profile: str, frozen: Frozen) -> None:
    """Write a profile's file; the caller must clear the cache of `load_experiment` before loading experiments again."""
    path = frozen_path(profile)
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as file:
        file.write(as_yaml(profile, frozen).encode())
