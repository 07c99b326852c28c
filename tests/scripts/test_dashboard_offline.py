"""wandb's terminal viewer on a store's runs, in a real terminal whose screen is read."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.training import run
from scripts.entry import ENVIRONMENT, command, start

# A viewer that shows nothing by then has failed; the wait ends as soon as it does.
PATIENCE_SECONDS = 120.0


class Terminal:
    """A command in its own terminal, 200 columns wide."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.tmux = ["tmux", "-S", str(folder / "socket"), "-f", "/dev/null"]
        environment = {**ENVIRONMENT, "HOME": str(folder), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        size = ["-x", "200", "-y", "50"]
        subprocess.run([*self.tmux, "new-session", "-d", *size, *command], cwd=folder, env=environment, check=True)

    def screen(self) -> str:
        shown = subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True, text=True)
        return shown.stdout

    def shows(self, *wanted: str) -> str:
        """The screen as soon as it shows all of these texts, or else the last one."""
        until = time.monotonic() + PATIENCE_SECONDS
        screen = self.screen()
        while not all(text in screen for text in wanted) and time.monotonic() < until:
            time.sleep(0.2)
            screen = self.screen()
        return screen

    def press(self, key: str) -> None:
        subprocess.run([*self.tmux, "send-keys", key], check=True)

    def close(self) -> None:
        subprocess.run([*self.tmux, "kill-server"], capture_output=True)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """The viewer, started on two runs as by `make dashboard-offline`."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed: no terminal to look at")
    for seed, optimizer in enumerate(("adaml2", "adamw")):
        values = {"tracking": "offline", "optimizer": optimizer, "seed": seed, "results_dir": str(tmp_path / "results")}
        run(run_config({**TINY, **values}))
    made = Terminal(tmp_path, command("dashboard_offline.py"))
    yield made
    made.close()


def test_the_screen_shows_runs_curves_configuration_and_summary(terminal: Terminal) -> None:
    screen = terminal.shows("Runs [2 items]", "State: Finished", "batch_loss", "digits-resnet8w4-nobn-ada")
    assert "Runs [2 items]" in screen
    assert re.search(r"run-\d{8}_\d{6}-adaml2 s0 ", screen) and re.search(r"-adamw s1 ", screen), (
        "named by what tells them apart"
    )
    assert "batch_loss" in screen and "State: Finished" in screen
    # It is up to the viewer which of two runs from the same second is the newest.
    assert "digits-resnet8w4-nobn-ada" in screen, "a run's own name, in the overview"
    assert "dataset.name" in screen and "Summary" in screen
    terminal.press("q")


def test_without_runs_the_script_says_so(tmp_path: Path) -> None:
    done = start(tmp_path, "dashboard_offline.py")
    assert done.returncode == 1 and "results/wandb contains no runs" in done.stderr


def test_the_viewer_is_part_of_wandb() -> None:
    told = subprocess.run([sys.executable, "-m", "wandb", "leet", "--help"], capture_output=True, text=True, check=True)
    assert "Browse runs in a wandb directory" in told.stdout
