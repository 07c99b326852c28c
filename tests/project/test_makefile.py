"""The Makefile with a stand-in for Python: what is installed when, and what each target runs."""

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
# Logs its arguments, separated by bars. Knows `--version`, `-c` (run by a real Python that takes itself for
# one of that version), `-I` (the check of the environment, which fails if the file `broken` exists), `-m venv` and
# `-m pip` (fails if `offline` exists; pyproject.toml changes meanwhile if `edit` exists).
STAND_IN = """#!/bin/sh
(IFS="|"; echo "$*") >> log
case "$1" in
  --version) echo "Python {version}" ;;
  -c) exec {python} -c 'import sys; sys.version_info = ({numbers}); exec(sys.argv.pop(1))' "$2" "$3" ;;
  -I) [ ! -e broken ] && echo True ;;
  -m) case "$2" in
    venv) rm -rf .venv broken && mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    pip) [ ! -e offline ] && if [ -e edit ]; then sleep 0.02; touch pyproject.toml; rm edit; fi ;;
  esac ;;
esac
"""


@dataclass
class Checkout:
    """A folder with a Makefile, a pyproject.toml and a stand-in for Python."""

    folder: Path

    def python(self, version: str = "3.12.1") -> Path:
        """Writes a stand-in that reports this version."""
        path = self.folder / "python"
        numbers = version.replace(".", ", ")
        path.write_text(STAND_IN.format(version=version, numbers=numbers, python=shlex.quote(sys.executable)))
        path.chmod(0o755)
        return path

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs make as from a new shell, without the variables that `make test` passes down."""
        environment = {"PATH": os.environ["PATH"], "PYTHON": "./python"}
        command = ["make", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def change_pyproject(self) -> None:
        """Backdates the environment to half an hour ago, and pyproject.toml to after it; clocks may jump."""
        for name, minutes in ((".venv/.installed", 30), ("pyproject.toml", 20)):
            then = time.time() - 60 * minutes
            os.utime(self.folder / name, (then, then))

    def calls(self) -> list[str]:
        """The modules and scripts that the stand-in was told to run since the last call."""
        log = self.folder / "log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.write_text("")
        return [line for line in lines if line.startswith(("-m", "scripts/"))]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    an_hour_ago = time.time() - 3600
    os.utime(folder / "pyproject.toml", (an_hour_ago, an_hour_ago))
    made = Checkout(folder)
    made.python()
    return made


VENV = "-m|venv|--clear|.venv"
INSTALL = ["-m|pip|install|--quiet|--upgrade|pip", "-m|pip|install|--quiet|--editable|.[dev,sweeps,dashboards,export]"]


def test_bare_make_lists_every_target_and_does_nothing(checkout: Checkout) -> None:
    done = checkout.make()
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("make ")] == TARGETS
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony and set(phony[1].split()) == {*TARGETS, "help", "always"}
    assert checkout.calls() == []


def test_setup_installs_everything_once(checkout: Checkout) -> None:
    done = checkout.make("setup")
    assert done.returncode == 0 and "GB" in done.stdout
    assert checkout.calls() == [VENV, *INSTALL]
    assert checkout.make("setup").stdout == "The environment is ready: .venv, Python 3.12.1\n"
    assert checkout.calls() == []


def test_a_changed_pyproject_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.make("setup")
    checkout.calls()
    checkout.change_pyproject()
    assert checkout.make("setup").returncode == 0
    assert checkout.calls() == INSTALL
    checkout.make("setup")
    assert checkout.calls() == []


def test_a_pyproject_changed_during_the_installation_is_installed_again(checkout: Checkout) -> None:
    (checkout.folder / "edit").touch()
    assert checkout.make("setup").returncode == 0
    checkout.calls()
    checkout.make("setup")
    assert checkout.calls() == INSTALL


@pytest.mark.parametrize("stale", [False, True], ids=["first", "stale"])
def test_after_a_failed_installation_everything_is_installed_again(checkout: Checkout, stale: bool) -> None:
    if stale:
        checkout.make("setup")
        checkout.change_pyproject()
    (checkout.folder / "offline").touch()
    assert checkout.make("test").returncode != 0
    checkout.calls()
    (checkout.folder / "offline").unlink()
    assert checkout.make("setup").returncode == 0
    assert checkout.calls() == [VENV, *INSTALL]


def test_a_broken_environment_is_rebuilt(checkout: Checkout) -> None:
    checkout.make("setup")
    checkout.calls()
    (checkout.folder / "broken").touch()
    assert checkout.make("setup").returncode == 0
    assert checkout.calls() == [VENV, *INSTALL]


def test_an_environment_behind_a_link_is_not_erased(checkout: Checkout) -> None:
    """venv --clear follows links, and would empty an environment that other checkouts use."""
    shared = checkout.folder.parent / "shared"
    (shared / "bin").mkdir(parents=True)
    (checkout.folder / ".venv").symlink_to(shared)
    made = checkout.make("setup")
    assert made.returncode != 0 and f".venv is a link to {shared}" in made.stderr and "remove the link" in made.stderr
    assert checkout.calls() == [] and (shared / "bin").is_dir()


def test_an_environment_for_another_checkout_is_not_used(checkout: Checkout) -> None:
    checkout.make("setup")
    real = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
    (checkout.folder / ".venv/bin/python").write_text(real)
    where = "import scalefree; print(scalefree.__file__)"
    installed = subprocess.run([sys.executable, "-I", "-c", where], capture_output=True, text=True, check=True)
    (checkout.folder / "src").symlink_to(Path(installed.stdout.strip()).parents[1])
    assert checkout.make("-q", ".venv/.installed").returncode == 0
    (checkout.folder / "src").unlink()
    (checkout.folder / "src/scalefree").mkdir(parents=True)
    (checkout.folder / "src/scalefree/__init__.py").touch()
    assert checkout.make("-q", ".venv/.installed").returncode == 1


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13", "3.14.0"])
def test_other_pythons_are_refused(checkout: Checkout, version: str) -> None:
    checkout.python(version)
    done = checkout.make("test")
    assert done.returncode != 0
    error = done.stderr.splitlines()
    assert error[0] == f"error: scalefree needs Python >=3.11,<3.14; PYTHON=./python is Python {version}"
    assert "make PYTHON=python3.12" in error[1]
    assert checkout.calls() == [] and not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize("version", ["3.11.0", "3.13.9"])
def test_supported_pythons_are_accepted(checkout: Checkout, version: str) -> None:
    checkout.python(version)
    assert checkout.make("setup").returncode == 0


def test_a_missing_python_is_refused(checkout: Checkout) -> None:
    done = checkout.make("setup", "PYTHON=./nowhere")
    assert done.returncode != 0
    assert done.stderr.startswith("error: scalefree needs Python >=3.11,<3.14; PYTHON=./nowhere is ")


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "clean"])
def test_every_target_creates_the_environment_if_needed(checkout: Checkout, target: str) -> None:
    assert VENV.replace("|", " ") in checkout.make("-n", target).stdout
    checkout.make("setup")
    planned = checkout.make("-n", target).stdout
    assert "venv --clear" not in planned and ("pip" in planned) == (target == "atlas")


def test_the_variables_reach_the_scripts(checkout: Checkout) -> None:
    checkout.make("setup")
    checkout.calls()
    done = checkout.make("reproduce-figures", "PROFILE=smoke", "RESULTS=my results", "JOBS=3")
    assert done.returncode == 0
    assert checkout.calls() == ["scripts/reproduce.py|profile=smoke|results_dir=my results|jobs=3"]
    assert checkout.make("benchmark", "RESULTS=r", "DATA=my data").returncode == 0
    assert checkout.calls() == ["scripts/benchmark.py|results_dir=r|dataset_root=my data"]
    assert checkout.make("verify", "PROFILE=digits", "RUNS=7", "JOBS=3", "DATA=my data").returncode == 0
    verified = "profile=digits|runs=7|results_dir=results|jobs=3|dataset_root=my data"
    assert checkout.calls() == [f"scripts/verify.py|{verified}"]


def test_the_atlas_installs_its_extra_only_if_it_is_missing(checkout: Checkout) -> None:
    checkout.make("setup")
    checkout.calls()
    script = "scripts/defect.py|results_dir=my results|jobs=3"
    (checkout.folder / "pytorch_optimizer.py").touch()  # the stand-in imports from its own folder first
    assert checkout.make("atlas", "RESULTS=my results", "JOBS=3").returncode == 0
    assert checkout.calls() == [script]
    (checkout.folder / "pytorch_optimizer.py").write_text("raise ImportError")
    assert checkout.make("atlas", "RESULTS=my results", "JOBS=3").returncode == 0
    assert checkout.calls() == ["-m|pip|install|--quiet|--editable|.[atlas]", script]


def test_the_wandb_variables_reach_the_scripts(checkout: Checkout) -> None:
    checkout.make("setup")
    checkout.calls()
    checkout.make("dashboard", "ENTITY=lab", "PROJECT=paper")
    checkout.make("dashboard-offline", "RESULTS=my results")
    checkout.make("sync")
    checkout.make("sync", "DRY_RUN=true")
    assert checkout.calls() == [
        "scripts/dashboard.py|entity=lab|project=paper",
        "scripts/dashboard_offline.py|results_dir=my results",
        "scripts/sync.py|results_dir=results|dry_run=false",
        "scripts/sync.py|results_dir=results|dry_run=true",
    ]


def test_the_scripts_exist() -> None:
    scripts = re.findall(r"scripts/\w+\.py", (ROOT / "Makefile").read_text())
    assert scripts and [script for script in scripts if not (ROOT / script).is_file()] == []


def test_clean_keeps_the_environment_and_the_results(checkout: Checkout) -> None:
    checkout.make("setup")
    kept = [".venv/.installed", "results/runs/a/record.json", "src/scalefree/a.py"]
    removed = [".pytest_cache/a", "src/scalefree/__pycache__/a.pyc", "tests/__pycache__/a.pyc", "multirun/a"]
    (checkout.folder / "scripts").mkdir()
    for name in [*kept[1:], *removed]:
        path = checkout.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert checkout.make("clean").returncode == 0
    assert all((checkout.folder / name).exists() for name in kept)
    assert not any((checkout.folder / name).parent.exists() for name in removed)


def test_a_variable_that_nothing_reads_is_refused(checkout: Checkout) -> None:
    """The scripts have keys in small letters, the Makefile has variables in capitals."""
    done = checkout.make("status", "profile=smoke", "DATA=/a b")
    assert done.returncode == 2 and "nothing reads profile=; the variables are PROFILE " in done.stderr
    assert checkout.calls() == []
