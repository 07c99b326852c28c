"""Sweeps on a real one-node SLURM cluster: their records equal those of a local sweep, whatever happens to jobs."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.records import Store, run_name
from scripts.entry import ENVIRONMENT, command
from slurm.cluster import Cluster, Unavailable, one_node_cluster, until

# A few seconds of training, mostly steps: long enough to be interrupted.
RUN = {**TINY, "training.epochs": 60, "training.evaluate_every": 20}
# Eight runs in two jobs, each of which trains two at a time on its two cores.
GRID = {**RUN, "seed": "0,1,2,3", "optimizer": "adaml2,adamw"}
SLURM = (
    "hydra/launcher=slurm",
    "hydra.launcher.partition=debug",
    "hydra.launcher.timeout_min=10",
)
PACKED = ("hydra.launcher.runs_per_job=4", "hydra.launcher.runs_at_once=2")
# Seconds; an idle machine needs a tenth.
WAIT = 300.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if sys.platform != "linux":
        pytest.skip("SLURM is tested on Linux only")
    try:
        running = one_node_cluster()
        with running as cluster:
            yield cluster
    except Unavailable as reason:
        pytest.skip(str(reason))


@contextlib.contextmanager
def sweep(
    folder: Path, cluster: Cluster, values: Mapping[str, Any], *launcher: str
) -> Iterator["subprocess.Popen[str]"]:
    """A multirun of these values in its own process, which does not outlive the block."""
    with subprocess.Popen(
        command("train.py", "-m", *launcher, *(f"{key}={value}" for key, value in values.items())),
        cwd=folder,
        env={**ENVIRONMENT, **cluster.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def swept(folder: Path, cluster: Cluster, values: Mapping[str, Any], *launcher: str) -> tuple[int, str]:
    """The exit code of a multirun and its output."""
    with sweep(folder, cluster, values, *launcher) as process:
        said, _ = process.communicate(timeout=WAIT)
    return process.returncode, said


def contents(results: Path) -> dict[str, Any]:
    """All records by name, with everything that two trainings of the same run must share."""
    store = Store(results)
    return {
        record.name: (
            {**record.document(), "timing": None},
            {name: curve.tobytes() for name, curve in store.curves(record).items() if "seconds" not in name},
            {name: counts.tobytes() for name, counts in store.histograms(record).items()},
        )
        for record in store.records().values()
    }


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("results/runs/*/checkpoint.pt"))


def logged(folder: Path, what: str) -> int:
    """How often this occurs in the logs of all runs."""
    return sum(len(re.findall(what, path.read_text())) for path in folder.glob("results/runs/*/run.log"))


def processes(job: str, cluster: Cluster) -> list[int]:
    """Every process of a job: its shell, srun, the sweep and its workers."""
    array, _, task = job.partition("_")
    wanted = {f"SLURM_ARRAY_JOB_ID={array}", f"SLURM_ARRAY_TASK_ID={task}"} if task else {f"SLURM_JOB_ID={job}"}
    wanted.add(f"SLURM_CONF={cluster.environment['SLURM_CONF']}")
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another user's process, or an ended one
            if wanted <= set(environ.read_text(errors="replace").split("\0")):
                found.append(int(environ.parent.name))
    return found


def training(job: str, cluster: Cluster) -> int:
    """How many of the job's workers are in their training loops, where they handle the workers' signal."""
    count = 0
    for pid in processes(job, cluster):
        with contextlib.suppress(OSError):  # it has ended
            status, line = (Path(f"/proc/{pid}/{name}").read_text() for name in ("status", "cmdline"))
            caught = int(status.partition("SigCgt:")[2].split()[0], 16)
            count += "spawn_main" in line and bool(caught >> (signal.SIGUSR1 - 1) & 1)
    return count


def one_training(jobs: set[str], cluster: Cluster) -> str:
    """Waits for the first of these jobs that trains two runs."""
    trains_two = lambda: next((job for job in sorted(jobs) if training(job, cluster) == 2), None)  # noqa: E731
    return str(until(trains_two, WAIT, f"one of {jobs} to train two runs"))


def until_state(job: str, cluster: Cluster, state: str) -> None:
    until(lambda: cluster.states().get(job) == state, WAIT, f"job {job} to be {state}")


def test_a_sweep_with_requeued_and_killed_jobs_equals_a_local_sweep(cluster: Cluster, tmp_path: Path) -> None:
    before = set(cluster.states())
    with sweep(tmp_path, cluster, GRID, *SLURM, *PACKED) as process:
        jobs = until(lambda: set(cluster.states()) - before, WAIT, "the array to be queued")
        assert len(jobs) == 2 and all("_" in job for job in jobs), "an array of two jobs for eight runs"

        # One is stopped with notice, as when it is preempted: its runs save.
        first = one_training(jobs, cluster)
        cluster.call("scontrol", "requeue", first)
        (second,) = jobs - {first}
        # The other is killed, as by the kernel if it takes too much memory.
        one_training({second}, cluster)
        for pid in processes(second, cluster):
            os.kill(pid, signal.SIGKILL)
        until_state(second, cluster, "FAILED")
        cluster.call("scontrol", "requeue", second)
        until_state(first, cluster, "PENDING")
        assert len(checkpoints(tmp_path)) == logged(tmp_path, "interrupted by") == 2

        # After its restart, the first is warned of its time limit: its runs save, and it requeues itself.
        cluster.restart(first)
        one_training({first}, cluster)
        cluster.call("scancel", "--signal=USR2", first)
        until_state(first, cluster, "PENDING")
        assert len(checkpoints(tmp_path)) == 2 and logged(tmp_path, "interrupted by") == 4
        for job in jobs:
            cluster.restart(job)
        said, _ = process.communicate(timeout=WAIT)
    assert process.returncode == 0 and "failed" not in said, said
    assert {cluster.states()[job] for job in jobs} == {"COMPLETED"}
    assert logged(tmp_path, r"resumes after step [1-9]") == 4 and checkpoints(tmp_path) == []

    code, said = swept(tmp_path, cluster, {**GRID, "results_dir": "local"}, "hydra/launcher=local")
    assert code == 0, said
    expected = contents(tmp_path / "local")
    assert len(expected) == 8 and contents(tmp_path / "results") == expected

    code, said = swept(tmp_path, cluster, GRID, *SLURM, *PACKED)
    assert code == 0 and "8 already done" in said, said
    assert set(cluster.states()) - before == jobs, "nothing more was queued"


def test_a_failed_run_is_named_and_affects_no_other_run(cluster: Cluster, tmp_path: Path) -> None:
    """It is the first of its job's two runs, and a third run has its own job."""
    names = [run_name(run_config({**TINY, "seed": seed})) for seed in range(3)]
    damaged = tmp_path / "results" / "runs" / names[0] / "checkpoint.pt"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no checkpoint")
    code, said = swept(tmp_path, cluster, {**TINY, "seed": "0,1,2"}, *SLURM, "hydra.launcher.runs_per_job=2")
    assert code == 1, said
    label = names[0].rpartition("-")[0]
    assert "2 trained" in said and "1 failed" in said
    assert re.search(rf"failed: {label}: .*checkpoint\.pt is not a readable checkpoint", said), said
    outcomes = {name: record["outcome"]["status"] for name, (record, *_) in contents(tmp_path / "results").items()}
    assert outcomes == dict(zip(names, ("failed", "completed", "completed"), strict=True))
