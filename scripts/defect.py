"""Measure how scale-free an optimizer is and what its weight decay does, for one optimizer or for all (the atlas).

    python scripts/defect.py target=torch.optim.Adam 'arguments={weight_decay: 1e-2}'
    python scripts/defect.py [results_dir=results] [jobs=1] [page=docs/atlas.md]

`target` is any importable optimizer class; `arguments` are passed to its constructor besides the parameters. Without a
target, every optimizer of torch.optim and pytorch_optimizer is measured, which takes minutes, and the results are
written to RESULTS/atlas.csv, to a page and to a figure. `make atlas` installs what this needs.
"""

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from scalefree.command_line import given, parse, refused, whole_number
from scalefree.drawing import show
from scalefree.figures import draw_atlas
from scalefree.files import atomic_write
from scalefree.records import check_results_dir
from scalefree.streams import begin
from scalefree.terminal import shown
from scalefree.theory import atlas
from scalefree.theory.atlas_decay import KINDS
from scalefree.theory.atlas_page import MEANINGS, in_words, page
from scalefree.theory.atlas_subjects import COLLECTION, PACKAGES, Refused, Subject, named, subjects

# Columns whose values are keys of KINDS.
_KINDS = ("decay", "if_coupled", "if_decoupled", "if_fixed")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "atlas.md"


def constructor_arguments(text: str) -> dict[str, Any]:
    """The mapping written in `text`, in YAML or Hydra syntax; lists become tuples.

    Raises:
        Refused: `text` is not a mapping with names as keys.
    """
    try:
        found: Any = OmegaConf.to_container(OmegaConf.create(text or "{}"), resolve=True)
    except Exception as error:  # OmegaConf's and YAML's exceptions have no common base
        raise Refused(f"arguments={text} cannot be read; write arguments={{weight_decay: 1e-2}}") from error
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found) or None in found.values():
        raise Refused(f"arguments={text} is not a mapping of names to values; write arguments={{weight_decay: 1e-2}}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}


def tell(subject: Subject) -> None:
    """Print a summary of one optimizer, then a line per column with its unit."""
    row = atlas.measure_or_refuse(subject)
    print(f"{row.name} {row.version}".strip() + f": {in_words(row)}")
    for key, column in MEANINGS.items():
        value = atlas.written(key, getattr(row, key))
        if value and key not in ("package", "optimizer"):
            meaning = KINDS[value] if key in _KINDS else column.meaning
            print(f"  {column.head:20} {shown(value):28} {meaning}" + (f" [{column.unit}]" if column.unit else ""))


def check_page(page: str) -> None:
    """Refuse a page that cannot be written, before anything is measured.

    Raises:
        ConfigError, Refused: naming what is there.
    """
    check_results_dir(os.path.dirname(page) or ".", "page")
    try:
        is_file = stat.S_ISREG(os.stat(page).st_mode)
    except FileNotFoundError:
        is_file = not os.path.islink(page)
    except OSError as error:
        raise Refused(f"page={page} is impossible: {error.strerror}; name another") from None
    if not is_file:  # a device would be replaced
        raise Refused(f"page={page} exists but is not a file; name another")


def tell_all(options: Mapping[str, str]) -> None:
    """Measure everything; write the table, the page and the figure."""
    jobs = whole_number(options, "jobs")
    wanted = [subject for package in PACKAGES for subject in subjects(package)]
    rows = []
    for row in atlas.measure_all(wanted, jobs):
        rows.append(row)
        said = shown(row.reason) or f"defect {row.defect:.3g}"
        print(f"{len(rows):3} of {len(wanted)}  {row.name}: {said}", flush=True)
    results, to = Path(options["results_dir"]), Path(options["page"])
    atlas.write(rows, results / atlas.FILE)
    with atomic_write(to) as file:
        file.write(page(rows).encode())
    show([results / atlas.FILE, to, *draw_atlas(rows, results / "figures" / "theory")])


def main() -> int:
    """Exit codes: 0 measured, 1 pytorch_optimizer is not installed, 2 an argument that does not make sense."""
    try:
        defaults = {"target": "", "arguments": "", "results_dir": "results", "jobs": "1", "page": str(PAGE)}
        options = parse(given(), **defaults)
        if options["target"]:
            sys.path.append(os.getcwd())  # so that a user's own optimizer can be imported
            tell(named(options["target"]).with_arguments(constructor_arguments(options["arguments"])))
        elif options["arguments"]:
            raise ValueError("arguments= needs target=, the optimizer that takes them")
        else:
            check_page(options["page"])
            tell_all(options)
    except ModuleNotFoundError as error:
        if error.name != COLLECTION:
            raise
        refused("pytorch_optimizer is not installed; make atlas installs it")
        return 1
    except ValueError as error:
        return refused(error)
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
