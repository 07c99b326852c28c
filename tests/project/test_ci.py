""".ci/run with stand-ins for the programs it calls: its steps, its first failure, and the browser it installs."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = """#!/bin/sh
echo "$@"
[ -e Makefile ] || exit 9
[ "$1" != "$FAILS" ] || exit 7
"""


# Logs its arguments to a file, since .ci/run hides its output.
APT = """#!/bin/sh
echo "$DEBIAN_FRONTEND: $@" >> "$0.asked"
[ "$1" != "$REFUSED" ] || exit 100
"""
TOOLS = ("bash", "sh", "dirname", "mktemp", "rm", "timeout")


def program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """The only folder on the PATH, as for root on a bare machine."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    program(folder / "make", STAND_IN)
    program(folder / "id", "#!/bin/sh\necho ${USER_ID:-0}\n")
    return folder


def run(tools: Path, fails: str = "nothing", **more: str) -> subprocess.CompletedProcess[str]:
    temporary = tools.parent / "temporary"
    temporary.mkdir()
    environment = {"PATH": str(tools), "FAILS": fails, "TMPDIR": str(temporary), **more}
    done = subprocess.run([ROOT / ".ci/run"], cwd=temporary, env=environment, capture_output=True, text=True)
    assert list(temporary.iterdir()) == []
    return done


def test_it_runs_tests_then_linters_then_the_smallest_profile(tools: Path) -> None:
    done = run(tools)
    assert done.returncode == 0
    steps = done.stdout.splitlines()
    assert steps[:2] == ["test", "lint"]
    assert steps[2].startswith(f"reproduce-figures PROFILE=smoke RESULTS={tools.parent}/temporary/")


@pytest.mark.parametrize("step", ["test", "lint", "reproduce-figures"])
def test_the_first_failure_ends_it(tools: Path, step: str) -> None:
    done = run(tools, fails=step)
    assert done.returncode == 7
    assert done.stdout.splitlines()[-1].startswith(step)


def test_as_root_it_installs_a_browser_quietly(tools: Path) -> None:
    program(tools / "apt-get", APT)
    done = run(tools)
    assert done.returncode == 0 and done.stdout.startswith("test\nlint\n") and done.stderr == ""
    asked = (tools / "apt-get.asked").read_text().splitlines()
    assert asked == [
        "noninteractive: update -qq",
        "noninteractive: install -qq -y --no-install-recommends chromium",
    ]


@pytest.mark.parametrize("refused", ["update", "install"])
def test_if_no_browser_can_be_installed_the_rest_still_runs(tools: Path, refused: str) -> None:
    program(tools / "apt-get", APT)
    done = run(tools, REFUSED=refused)
    first, *steps = done.stdout.splitlines()
    assert done.returncode == 0 and "the tests that need a browser are skipped" in first
    assert steps[:2] == ["test", "lint"] and len(steps) == 3


@pytest.mark.parametrize("browser", ["chromium", "chromium-browser", "google-chrome"])
def test_an_existing_browser_is_enough(tools: Path, browser: str) -> None:
    program(tools / "apt-get", APT)
    program(tools / browser, "#!/bin/sh\n")
    assert run(tools).returncode == 0 and not (tools / "apt-get.asked").exists()


def test_other_users_install_nothing(tools: Path) -> None:
    program(tools / "apt-get", APT)
    assert run(tools, USER_ID="1000").returncode == 0 and not (tools / "apt-get.asked").exists()
