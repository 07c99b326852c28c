"""Pack what a bare machine without a network lacks: wheels, CIFAR-10 at 16x16, and the commit of this code.

    python scripts/pack.py dataset_root=DIR [to=.carry] [limit=64]

DIR, or DIR/cifar10, contains CIFAR-10 as an image folder. The target machine must have Python 3.12 with torch,
torchvision, NumPy and SciPy. The other packages are downloaded to TO/wheels, the images go to TO/data, and
TO/revision.json lets records name the commit even where there is no repository. The working tree must be committed.
Together with the files that git knows, the total must be smaller than `limit` MiB. Anything already packed is not made
again.
"""

import json
import subprocess
import sys
from pathlib import Path

from scalefree.command_line import given, parse, refused, whole_number
from scalefree.data import DatasetError, cifar
from scalefree.data.packed import has_packed, pack, packed_path, read_packed
from scalefree.records import check_results_dir
from scalefree.records.environment import manifest
from scalefree.streams import begin

ROOT = Path(__file__).resolve().parents[1]
# All pure Python. antlr4 is published as source only, so its wheel is built here.
WHEELS = ("hydra-core==1.3.8", "omegaconf==2.3.1", "antlr4-python3-runtime==4.9.3")
MIB = 1 << 20


def wheels(folder: Path) -> list[Path]:
    """Download or build missing wheels; returns all of them.

    Raises:
        ValueError: pip failed, or a wheel runs only on one kind of machine.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for wanted in WHEELS:
        name, _, version = wanted.partition("==")
        if list(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl")):
            continue
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", f"--wheel-dir={folder}", wanted]
        if subprocess.run(command).returncode != 0:
            raise ValueError(f"pip could not make a wheel of {wanted}; its message is above")
    found = sorted(folder.iterdir())
    if other := [path.name for path in found if not path.name.endswith("-py3-none-any.whl")]:
        raise ValueError(f"{folder} holds {', '.join(other)}, which may not run on another machine; remove it")
    return found


def images(folder: Path, root: Path) -> Path:
    """Pack CIFAR-10 at 16x16 and read it back as a check.

    Raises:
        DatasetError: `root` does not contain CIFAR-10.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not has_packed(folder, "cifar10", 16):
        pack(packed_path(folder, "cifar10", 16), cifar.read("cifar10", root, 16))
    read_packed(folder, "cifar10", 16)
    return packed_path(folder, "cifar10", 16)


def known_to_git() -> int:
    """Total size in bytes of the working tree's files that git tracks or does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = {ROOT / name for name in listed.split("\0") if name}
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> int:
    """Exit codes: 0 packed, 1 too large, 2 refused."""
    try:
        options = parse(given(), dataset_root="", to=str(ROOT / ".carry"), limit="64")
        limit = whole_number(options, "limit") * MIB
        to = Path(options["to"])
        check_results_dir(options["to"], "to")
        root = Path(options["dataset_root"])
        of_commit = manifest(ROOT)
        if of_commit is None:
            raise ValueError(
                f"src or configs in {ROOT} have uncommitted changes; commit first, so that records can name it"
            )
        made = wheels(to / "wheels")
        made.append(images(to / "data", root / "cifar10" if (root / "cifar10").is_dir() else root))
        (to / "revision.json").write_text(json.dumps(of_commit, indent=1) + "\n")
        made.append(to / "revision.json")
    except (ValueError, DatasetError, OSError) as error:
        return refused(error)
    for path in made:
        print(f"{path.stat().st_size / MIB:8.2f} MiB  {path.relative_to(to)}")
    tree, packed = known_to_git(), sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    print(f"{tree / MIB:8.2f} MiB  the working tree, commit {of_commit['commit'][:12]}")
    print(f"{(tree + packed) / MIB:8.2f} MiB  of {limit / MIB:.0f} in total, with {to.name}")
    return 0 if tree + packed <= limit else 1


if __name__ == "__main__":
    sys.exit(begin(main))
