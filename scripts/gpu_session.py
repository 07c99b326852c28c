"""One session on a GPU machine that is rented or lent by the minute: check, test, train until time runs out, pack.

    python scripts/gpu_session.py data=DIR out=DIR [seconds=540] [jobs=16] [back=DIR] [tests=yes] [results=results]
                                  PLAN ...

Each PLAN holds the arguments of scripts/reproduce.py for one sweep, in quotes, and begins with its profile:
"profile=cifar16 experiment=selection,corners". Plans and their runs are trained in the order given until `seconds`
after the start. Then the runs save checkpoints, and everything new is packed into OUT, in files of at most 16 MiB:
first the records, then as many checkpoints as fit, newest first. BACK holds what earlier sessions packed; it is
unpacked first, so that each session continues the last one. Runs that RESULTS already has are not trained again.
SCALEFREE_REVISION must name the revision.json written by scripts/pack.py: the repository on such a machine, if it has
one, may be at an older commit than its files, and nobody else has a commit made there. Newly chosen cells are packed
too.
"""

import contextlib
import importlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from scalefree.command_line import choice, given, parse, refused, whole_number
from scalefree.streams import begin

ROOT = Path(__file__).resolve().parents[1]
CHOSEN = ROOT / "configs" / "frozen"
MODULES = ("hydra", "omegaconf", "antlr4", "torch", "torchvision", "numpy", "scipy", "sklearn", "PIL", "tqdm", "yaml")
MIB = 1 << 20
LARGEST = 16 * MIB
# The most checkpoint archives, besides those of records and logs; a lent machine returns only eight files.
CHECKPOINT_FILES = 3
# Seconds before the end when runs are asked to save, and how long they then have before they are killed.
SAVING = 35.0
PATIENCE = 20.0
# Runs at once that share the GPU in turns, on a machine without MPS.
WITHOUT_MPS = 2
KEPT = ("record.json", "curves.npz", "histograms.npz", "run.log")
# What archives hold: relative to a store, and to the repository.
OF_RUN = re.compile(rf"runs/[A-Za-z0-9][A-Za-z0-9_.+-]*/({'|'.join(map(re.escape, (*KEPT, 'checkpoint.pt')))})")
CELLS = re.compile(r"configs/frozen/[A-Za-z0-9_]+\.yaml")
PROBE = """
import subprocess, sys
from scalefree.launching.mps import multi_process_service
with multi_process_service():
    one = "import torch; torch.ones(1, device=torch.device(0)).sum().item()"
    subprocess.run([sys.executable, "-c", one], check=True, timeout=60)
"""


def say(text: str) -> None:
    """Print a line at once, so that it can be read while the session continues."""
    print(f"gpu_session: {text}", flush=True)


def missing(data: Path, folders: Mapping[str, Path]) -> list[str]:
    """What this machine lacks and which folders cannot be used, one line each."""
    wrong = []
    for name in MODULES:
        try:
            importlib.import_module(name)
        except ImportError as error:
            wrong.append(
                f"{name} cannot be imported ({error}); scripts/pack.py packs what a machine with only torch lacks"
            )
    if wrong:
        return wrong
    from scalefree.config import ConfigError
    from scalefree.data import DatasetError, load_dataset
    from scalefree.records import check_results_dir
    from scalefree.records.environment import MANIFEST, versions

    if MANIFEST not in os.environ:
        wrong.append(
            f"{MANIFEST} is not set, so no record could name its commit; set it to the revision.json of scripts/pack.py"
        )
    try:
        load_dataset("cifar10", data, resolution=16)
    except DatasetError as error:
        wrong.append(str(error))
    for key, folder in folders.items():
        try:
            check_results_dir(folder, key)
        except ConfigError as error:
            wrong.append(str(error))
    try:
        made = versions()
    except ValueError as error:
        return [*wrong, str(error)]
    say(f"commit {made['commit']}, changes {made['uncommitted_changes']}")
    if made["commit"] is None or made["uncommitted_changes"]:
        wrong.append(
            "this code is not in any commit, and records would say so; commit it, then run scripts/pack.py again"
        )
    return wrong


def has_mps() -> bool:
    """Whether a process can compute under MPS here: a container may have the daemon but lack the rights."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.run([sys.executable, "-c", PROBE], capture_output=True, timeout=90).returncode == 0
    return False


def run_until(command: Sequence[str], end: float, log: Path) -> int | None:
    """Run a command until it ends, or until it is stopped by SIGTERM at `end` (time.monotonic); returns its exit
    code.
    """
    with log.open("a") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        for number, patience in ((signal.SIGTERM, end - time.monotonic()), (signal.SIGKILL, PATIENCE)):
            try:
                return process.wait(max(0.0, patience))
            except subprocess.TimeoutExpired:
                if number == signal.SIGTERM:
                    process.send_signal(number)
                else:
                    os.killpg(process.pid, number)
        return process.wait()


def unpack(back: Path, results: Path) -> int:
    """Unpack what earlier sessions packed into the store, except for runs that have a record; returns how many files.

    Raises:
        ValueError: `back` is not a folder, or an archive is damaged or not made by `pack`; none of it is unpacked.
    """
    if not back.is_dir():
        raise ValueError(f"back={back} is not a folder; name the one with what earlier sessions packed")
    done = {path.parent.name for path in (results / "runs").glob("*/record.json")}
    count = 0
    for path in sorted(back.glob("*.tar*")):
        is_chosen = path.name.startswith("frozen")
        try:
            with tarfile.open(path) as archive:
                members = archive.getmembers()  # reads to the end, so that a cut archive is noticed
                for member in members:
                    if not member.isreg() or (CELLS if is_chosen else OF_RUN).fullmatch(member.name) is None:
                        raise ValueError(f"it holds {member.name!r}, which no session packs")
                new = [member for member in members if is_chosen or member.name.split("/")[1] not in done]
                archive.extractall(ROOT if is_chosen else results, new, filter="data")
        except (tarfile.TarError, EOFError, ValueError, zlib.error) as error:
            raise ValueError(f"{path} cannot be unpacked ({error}); fetch it again, or remove it") from None
        count += len(new)
    return count


def contents(folder: Path) -> dict[Path, bytes]:
    """The contents of a folder's files."""
    return {path: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


def pack_chosen(out: Path, before: Mapping[Path, bytes]) -> Path | None:
    """Pack the files of chosen cells that have changed into an archive in `out`; None if none has."""
    changed = [path for path, content in contents(CHOSEN).items() if before.get(path) != content]
    if not changed:
        return None
    path = out / "frozen.tar.gz"
    _archive(path, changed, ROOT)
    say(f"cells were chosen: {', '.join(file.name for file in changed)}, in {path.name}")
    return path


def _archive(path: Path, files: Iterable[Path], root: Path) -> None:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for file in files:
            archive.add(file, file.relative_to(root))


def _parts(files: Iterable[Path], largest: int) -> list[list[Path]]:
    """Files in order, split so that each part fits an archive of `largest` bytes; larger single files are left out."""
    parts: list[list[Path]] = [[]]
    filled = 0
    for file in files:
        size = file.stat().st_size + 2048  # a header, and padding of the last block
        if size > largest - 20480:
            say(f"{file} is too large to pack: {size / MIB:.1f} MiB")
            continue
        if filled + size > largest - 20480:
            parts.append([])
            filled = 0
        parts[-1].append(file)
        filled += size
    return [part for part in parts if part]


def pack(results: Path, out: Path, before: set[Path], largest: int = LARGEST) -> list[Path]:
    """Pack new records and checkpoints into archives in `out`; returns the archives written."""
    runs = sorted(path for path in (results / "runs").glob("*/") if path not in before)
    records = [run / name for run in runs for name in KEPT if (run / "record.json").exists() and (run / name).exists()]
    unfinished = [run / "checkpoint.pt" for run in runs if (run / "checkpoint.pt").exists()]
    unfinished.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    written = []
    checkpoints = _parts(unfinished, largest)
    if left := sum(map(len, checkpoints[CHECKPOINT_FILES:])):
        say(f"{left} checkpoints do not fit and are left behind")
    for kind, parts in (("records", _parts(records, largest)), ("checkpoints", checkpoints[:CHECKPOINT_FILES])):
        for number, part in enumerate(parts):
            path = out / f"{kind}-{number}.tar{'.gz' if kind == 'records' else ''}"
            _archive(path, part, results)
            written.append(path)
    say(
        f"{len([run for run in runs if (run / 'record.json').exists()])} new records, {len(unfinished)} checkpoints: "
        + ", ".join(f"{path.name} {path.stat().st_size / MIB:.1f} MiB" for path in written)
    )
    return written


def main() -> int:
    """Exit codes: 0 done or out of time, 2 refused before any work."""
    started = time.monotonic()
    try:
        arguments = given()
        plans = [argument for argument in arguments if argument.startswith("profile=")]
        told = [argument for argument in arguments if argument not in plans]
        options = parse(
            told, data="", out="", seconds="540", jobs="16", back="", tests="yes", results=str(ROOT / "results")
        )
        end = started + whole_number(options, "seconds")
        jobs = whole_number(options, "jobs")
        tested = choice(options, "tests", "yes", "no") == "yes"
        if not (options["data"] and options["out"] and plans):
            raise ValueError('data=DIR, out=DIR and at least one plan, such as "profile=cifar16", must be given')
    except ValueError as error:
        return refused(error)
    data, out, results = Path(options["data"]).absolute(), Path(options["out"]), Path(options["results"]).absolute()
    if wrong := missing(data, {"out": out, "results": results}):
        for line in wrong:
            refused(line)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    before = {path.parent for path in (results / "runs").glob("*/record.json")}
    chosen = contents(CHOSEN)
    if options["back"]:
        try:
            say(f"{unpack(Path(options['back']), results)} files from earlier sessions")
        except ValueError as error:
            return refused(error)
    mps = has_mps()
    if not mps:
        jobs = min(jobs, WITHOUT_MPS)
    say(f"{'MPS' if mps else 'no MPS'}, {jobs} runs at once, {end - time.monotonic():.0f} s left")
    if tested:
        tests = (sys.executable, "-m", "pytest", "-rfE", "--tb=short", "-p", "no:cacheprovider", "-k", "cuda")
        code = run_until((*tests, "tests/training"), min(end - SAVING, time.monotonic() + 90), out / "tests.txt")
        say(f"device tests: exit code {code}; see tests.txt")
    for plan in plans:
        if time.monotonic() > end - SAVING:
            say(f"out of time, not started: {plan}")
            continue
        machine = (
            *("hydra/launcher=gpu", f"hydra.launcher.jobs={jobs}", f"hydra.launcher.mps={str(mps).lower()}"),
            *("hydra.launcher.longest_first=false", "tracking=none", "draw=no"),
            *(f"results_dir={results}", f"dataset_root={data}"),
        )
        command = (sys.executable, "scripts/reproduce.py", *shlex.split(plan), *machine)
        say(f"{end - SAVING - time.monotonic():.0f} s for: {plan}")
        code = run_until(command, end - SAVING, out / "sweeps.txt")
        lines = (out / "sweeps.txt").read_text(errors="replace").strip().splitlines()
        say(f"exit code {code}: {' | '.join(lines[-3:])[:500]}")
    pack(results, out, before)
    pack_chosen(out, chosen)
    return 0


if __name__ == "__main__":
    sys.exit(begin(main))
