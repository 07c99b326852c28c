"""The SLURM launcher without SLURM: how runs are shared out, what the queue's answers mean, what is refused."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import Make
from scalefree.config import ConfigError
from scalefree.launching import SlurmSettings, slurm
from scalefree.launching.reports import Report, read_reports, write_reports
from scalefree.launching.slurm import Share, jobs_left, shares, sweep_on_slurm
from scalefree.records import Store, run_name
from scalefree.training import run


@pytest.mark.parametrize(("runs_per_job", "sizes"), [(1, [1] * 7), (3, [3, 2, 2]), (7, [7]), (9, [7])])
def test_every_run_is_in_one_job_and_the_longest_are_in_different_jobs(
    runs_per_job: int, sizes: list[int], tiny: Make, tmp_path: Path
) -> None:
    configs = [tiny({"training.epochs": epochs}) for epochs in (1, 9, 2, 8, 3, 7, 4)]
    parts = shares(configs, SlurmSettings(runs_per_job=runs_per_job, runs_at_once=2), tmp_path)
    assert [len(part.configs) for part in parts] == sizes
    assert sorted(config.training.epochs for part in parts for config in part.configs) == [1, 2, 3, 4, 7, 8, 9]
    longest = [part.configs[0].training.epochs for part in parts]
    assert longest == sorted((1, 2, 3, 4, 7, 8, 9), reverse=True)[: len(parts)]
    assert len({part.report_path for part in parts}) == len(parts)


def test_a_share_trains_its_runs_and_reports_them(tiny: Make, tmp_path: Path) -> None:
    configs = [tiny({"training.epochs": 1, "seed": seed}) for seed in (0, 1)]
    run(configs[0])
    (part,) = shares(configs, SlurmSettings(runs_per_job=2), tmp_path)
    part()
    assert sorted(report.ending for report in read_reports(part.report_path)) == ["already done", "trained"]


def test_a_damaged_record_costs_only_its_own_run(tiny: Make) -> None:
    sound, damaged = (tiny({"training.epochs": 1, "seed": seed}) for seed in (0, 1))
    for config in (sound, damaged):
        run(config)
    path = Store(damaged.results_dir).directory(run_name(damaged)) / "record.json"
    path.write_text("{")
    done = sweep_on_slurm([sound, damaged], SlurmSettings())
    assert [report.ending for report in done.reports] == ["already done", "failed"]
    assert str(path) in done.reports[1].detail


def test_reports_are_read_back_as_written(tmp_path: Path) -> None:
    reports = [Report("a", "trained", "test error 0.1", 1.5), Report("b", "failed", "öl", 0.0)]
    write_reports(tmp_path / "reports" / "0.json", reports)
    assert read_reports(tmp_path / "reports" / "0.json") == reports
    assert read_reports(tmp_path / "reports" / "1.json") == []


def test_without_waiting_the_runs_are_reported_as_queued(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "submit", lambda *_: "7")
    done = sweep_on_slurm([tiny(), tiny({"seed": 1})], SlurmSettings(wait=False))
    assert done.summary() == "2 queued" and done.unfinished == []


def test_a_killed_job_loses_only_the_runs_without_a_record(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [tiny({"training.epochs": 1, "seed": seed}) for seed in (0, 1)]

    def killed_after_the_first(parts: list[Share], *_: Any) -> str:
        run(parts[0].configs[0])
        return "7"

    monkeypatch.setattr(slurm, "submit", killed_after_the_first)
    monkeypatch.setattr(slurm, "jobs_left", lambda _: 0)
    done = sweep_on_slurm(configs, SlurmSettings(runs_per_job=2))
    assert [report.ending for report in done.reports] == ["already done", "failed"]
    assert "without a report" in done.reports[1].detail


@pytest.mark.parametrize(
    ("code", "out", "err", "left"),
    [(0, "7_0\n7_1\n", "", 2), (0, "", "", 0), (1, "", "slurm_load_jobs error: Invalid job id specified", 0)],
)
def test_jobs_left_are_read_from_squeue(
    code: int, out: str, err: str, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def squeue(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert command[0] == "squeue" and "--jobs=7" in command
        return subprocess.CompletedProcess(command, code, out, err)

    monkeypatch.setattr(subprocess, "run", squeue)
    assert jobs_left("7") == left


def test_a_queue_that_does_not_answer_is_not_taken_for_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = subprocess.CompletedProcess([], 1, "", "Unable to contact slurm controller")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(OSError, match="Unable to contact"):
        jobs_left("7")


def test_without_slurm_unfinished_runs_are_refused_but_finished_ones_are_found(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    config = tiny({"training.epochs": 1})
    with pytest.raises(ConfigError, match=r"no sbatch on this machine; use hydra/launcher=local"):
        sweep_on_slurm([config], SlurmSettings())
    run(config)
    done = sweep_on_slurm([config], SlurmSettings())
    assert [report.ending for report in done.reports] == ["already done"] and done.unfinished == []
    assert os.listdir(tmp_path / "results" / "locks") == []


def test_an_sbatch_error_is_reported_in_one_line(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text(
            "#!/bin/sh\necho 'error: invalid partition: gpus' >&2\necho 'failed' >&2\nexit 1\n"
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match=r"^SLURM refused the jobs: error: invalid partition: gpus; failed$"):
        sweep_on_slurm([tiny(), tiny({"seed": 1})], SlurmSettings(partition="gpus"))
