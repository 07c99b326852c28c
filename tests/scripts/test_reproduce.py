"""reproduce.py from nothing to figures, and again; status.py beside it; what both refuse."""

from pathlib import Path

import pytest

from scalefree.experiments import experiment_names, load_experiment, runs_of
from scalefree.records import Store, run_name
from scripts.entry import call, start
from tracking.wandb_files import rows, run_folders


def test_the_smoke_profile_from_nothing_to_figures_and_again(tmp_path: Path) -> None:
    done = start(tmp_path, "reproduce.py", "profile=smoke", "results_dir=results", "jobs=1")
    assert done.returncode == 0, done.stderr
    needed = runs_of([load_experiment(name, "smoke") for name in experiment_names()])
    store = Store(tmp_path / "results")
    records = {record.name: record for record in store.records().values()}
    assert records.keys() == needed.keys()
    assert all(record.outcome.is_result for record in records.values())
    assert f"[{len(needed)}/{len(needed)}]" in done.stdout
    drawn = [Path(line.strip()) for line in done.stdout.splitlines() if line.startswith("  ")]
    assert drawn and all((tmp_path / path).stat().st_size > 0 for path in drawn)
    figures = tmp_path / "results" / "figures" / "smoke"
    for name in ("without_bn", "with_bn", "prox_equivalence", "depth"):
        assert (figures / f"{name}.png").exists() and (figures / f"{name}.pdf").exists()
    assert_mirrored(tmp_path / "results", needed)

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results" / "runs").rglob("*")}
    again = start(tmp_path, "reproduce.py", "profile=smoke", "results_dir=results", "jobs=1")
    assert again.returncode == 0 and f"{len(needed)} already done" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "results" / "runs").rglob("*")} == before
    assert len(run_folders(tmp_path / "results")) == len(needed)
