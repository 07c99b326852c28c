"""Each method's cell in each network, as the selection seeds chose it: read from and written to configs/frozen/.

Confirmation runs take their step size and decay from here, so that the seeds that judge a method never chose its cell.
An entry is found by the network's label (`resnet80w8-nobn`) and the method's (`adam_scaled_l2_by_layer`);
`<method>_decayed` is its best cell with a decay above 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scalefree.compose import CONFIG_DIR
from scalefree.config import ConfigError


@dataclass(frozen=True)
class Cell:
    """A chosen step size and decay.

    Attributes:
        validation_error: mean over the selection seeds, in [0, 1].
        chosen_by: names of the records of this cell; all others of its grid did worse.
        edges: on which sides the grid should be extended, as the winner lies there; empty if it lies inside.
    """

    lr: float
    weight_decay: float
    validation_error: float
    chosen_by: tuple[str, ...]
    edges: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frozen:
    """A profile's chosen cells.

    Attributes:
        cells: by network's label, then by method's label.
        records: how many selection records there were.
        digest: SHA-256 of their sorted identities.
    """

    cells: Mapping[str, Mapping[str, Cell]]
    records: int
    digest: str


def frozen_path(profile: str) -> Path:
    """Where a profile's cells are kept."""
    return CONFIG_DIR / "frozen" / f"{profile}.yaml"


def read_frozen(profile: str) -> Frozen:
    """The committed cells of a profile; none where nothing has been chosen yet.

    Raises:
        ConfigError: a file that is not what `write_frozen` writes.
    """
    path = frozen_path(profile)
    if not path.exists():
        return Frozen({}, 0, "")
    try:
        tree: Any = OmegaConf.to_container(OmegaConf.load(path))
        cells = {
            network: {
                method: Cell(
                    lr=float(cell["lr"]),
                    weight_decay=float(cell["weight_decay"]),
                    validation_error=float(cell["validation_error"]),
                    chosen_by=tuple(cell["chosen_by"]),
                    edges=tuple(cell.get("edges", ())),
                )
                for method, cell in methods.items()
            }
            for network, methods in tree["cells"].items()
        }
        return Frozen(cells, int(tree["records"]), str(tree["digest"]))
    except Exception as error:  # YAML and OmegaConf raise many kinds, and each means the same here
        raise ConfigError(f"{path} is not a file of frozen cells ({error}); write it with scripts/freeze.py") from None


def _number(value: float) -> str:
    """As YAML reads it back as a number."""
    text = f"{value:.10g}"
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
                f"    {method}:",
                f"      lr: {_number(cell.lr)}",
                f"      weight_decay: {_number(cell.weight_decay)}",
                f"      validation_error: {cell.validation_error:.6f}",
            ]
            if cell.edges:
                lines.append(f"      edges: [{', '.join(cell.edges)}]")
            lines += ["      chosen_by:", *(f"        - {name}" for name in cell.chosen_by)]
    return "\n".join(lines) + "\n"
