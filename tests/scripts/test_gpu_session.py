"""The order of a GPU session, with a stand-in for Python: what it asks for, and what it does not ask for twice."""

import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.suite import COMPLETE

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu_session.sh"
EXPERIMENTS = ["without_bn", "prox_equivalence", "with_bn", "loss_scale", "seeds", "epsilon", "initialization"]


class Session:
    """Runs the script with a stand-in that notes its arguments and ends as `ends` says for a word among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        self.python.write_text(
            f"""#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  -c*) exit $(cat {folder}/probe_end 2>/dev/null || echo 1) ;;
  "-m pytest"*) exit $(cat {folder}/tests_end) ;;
  scripts/benchmark.py*)
    mkdir -p {folder}/r/benchmarks
    for device in cpu nvidia; do cp {folder}/measured {folder}/r/benchmarks/$device-a.json; done ;;
esac
"""
        )
        self.python.chmod(0o755)

    def run(self, seconds: str = "100", tests_end: int = 0, measured: str = COMPLETE) -> tuple[int, list[str]]:
        """The exit code and the calls; `measured` is the benchmark's content."""
        (self.folder / "tests_end").write_text(str(tests_end))
        (self.folder / "measured").write_text(measured)
        (self.folder / "calls").write_text("")
        environment = {**os.environ, "PYTHON": str(self.python), "JOBS": "3"}
        done = subprocess.run(
            [SCRIPT, "/d", str(self.folder / "r"), seconds], env=environment, capture_output=True, text=True
        )
        return done.returncode, (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def asked(calls: list[str]) -> list[str]:
    return [word.partition("=")[2] for call in calls for word in call.split() if word.startswith("experiment=")]


def test_benchmark_tests_then_records_in_order(session: Session) -> None:
    code, calls = session.run()
    assert code == 0
    assert calls[0].startswith("scripts/benchmark.py") and "dataset_root=/d/cifar10" in calls[0]
    assert "pytest" in calls[1] and calls[1].endswith("-k cuda")
    assert asked(calls) == [*EXPERIMENTS, "metric_prox", "seeds"]
    assert "profile=h200" in calls[2] and "dataset_root=/d" in calls[2]
    assert "hydra/launcher=gpu hydra.launcher.jobs=3 hydra.launcher.mps=false" in calls[2]
    assert "profile=paper" in calls[-1]


def test_what_was_measured_and_tested_is_not_done_again(session: Session) -> None:
    session.run()
    _, calls = session.run()
    assert all("reproduce.py" in call for call in calls) and len(calls) == 9


def test_a_benchmark_that_was_cut_short_is_begun_again(session: Session) -> None:
    session.run(measured="copy bandwidth")
    _, calls = session.run()
    assert calls[0].startswith("scripts/benchmark.py")


@pytest.mark.parametrize(("probe_end", "mps"), [("0", "true"), ("1", "false")])
def test_runs_share_the_gpu_under_mps_where_a_process_computes_under_it(
    probe_end: str, mps: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = session.folder / "nvidia-cuda-mps-control"
    control.write_text("#!/bin/sh\n")
    control.chmod(0o755)
    monkeypatch.setenv("PATH", f"{session.folder}:{os.environ['PATH']}")
    (session.folder / "probe_end").write_text(probe_end)
    _, calls = session.run()
    assert {call.partition("mps=")[2].split()[0] for call in calls if "reproduce.py" in call} == {mps}


def test_without_equality_there_are_no_records(session: Session) -> None:
    code, calls = session.run(tests_end=1)
    assert code == 1 and len(calls) == 2 and asked(calls) == []


def test_without_time_nothing_is_started(session: Session) -> None:
    assert session.run(seconds="0") == (0, [])


@pytest.mark.parametrize(
    "arguments", [[], ["/d"], ["/d", ""], ["", "r"], ["/d", "r", "many"], ["/d", "r", "-1"], ["/d", "r", "1", "2"]]
)
def test_wrong_arguments_are_one_line_and_nothing_written(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("error: give DATA RESULTS")
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
