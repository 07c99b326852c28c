"""Tables of made-up records, read back with the standard library, and with pyarrow for Parquet."""

import csv
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, EXPONENTS, HISTOGRAMS, PARAMETERS, counts, diverged, put
from records.made_up import record as made_up
from scalefree.config import DenseNetConfig, RunConfig, with_values
from scalefree.export.columns import RUNS, TABLES
from scalefree.export.rows import bin_edges
from scalefree.export.write import export
from scalefree.records import Outcome, Store, run_name
from scripts.entry import start

# Text that breaks readers: quotes, delimiters, newlines, another script, an escape sequence, half a character.
AWKWARD = 'a "quoted", comma;\nline\ttab é 数\r\x1b[31m \ud800 end'
AWKWARD_READ = 'a "quoted", comma;\nline\ttab é 数\\r\\x1b[31m \\ud800 end'
FORMULA = '=HYPERLINK("http://example.org","x")'


def config(**values: Any) -> RunConfig:
    return with_values(RunConfig(), {key.replace("__", "."): value for key, value in values.items()})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A completed run, one of a DenseNet, one that diverged, and one that failed with an awkward message."""
    made = Store(tmp_path / "results")
    environment = {
        "device": FORMULA,
        "threads": "many",
        "packages": {"torch": "2.14.1", "hydra-core": "1.3.9", "other": "1"},
        "uncommitted_changes": True,
        "earlier_sessions": [],
        "note": AWKWARD,
    }
    put(made, made_up(config(), environment=environment), CURVES, HISTOGRAMS)
    dense = dataclasses.replace(config(dataset__validation_fraction=0.1), model=DenseNetConfig())
    final = {"final_test_error": 0.125, "final_train_loss": 0.1 + 0.2, "lowest_test_error": 0.125}
    final["final_validation_error"] = 0.5
    curves = {**CURVES, "validation_error": np.array([np.nan, 0.5])}
    put(made, made_up(dense, final_metrics=final), curves, HISTOGRAMS)
    one_epoch = {"batch_loss": np.array([np.inf])}
    measured = {"epoch": np.array([1]), "log2_lower_edge": EXPONENTS, "counts/network": counts(0)}
    exploded = diverged(config(seed=1), update_scale={"network": {"share_underflow": 1.0}})
    put(made, exploded, one_epoch, measured)
    failed = made_up(config(seed=2), None, outcome=Outcome("failed", 0, AWKWARD), timing={}, parameters=0)
    failed = dataclasses.replace(failed, update_scale={}, final_metrics={"final_test_error": None})
    put(made, failed, {}, {})
    assert len(made.records()) == 4
    return made


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with open(folder / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def by_seed(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """The ResNet's runs by seed; the DenseNet's under its name."""
    return {row["seed"] if row["model.name"] == "resnet" else "densenet": row for row in rows}


def test_runs_list_configuration_outcome_metrics_and_environment(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    rows = table(tmp_path / "out", "runs")
    assert [row["name"] for row in rows] == sorted(record.name for record in store.records().values())
    assert list(rows[0]) == [column.name for column in RUNS]
    found = by_seed(rows)
    first = found["0"]
    assert (first["optimizer.lr"], first["optimizer.betas"], first["model.batch_norm"]) == (
        "0.001",
        "[0.9, 0.999]",
        "TRUE",
    )
    assert first["dataset.horizontal_flip"] == "FALSE" and first["dataset.resolution"] == ""
    assert float(first["final_train_loss"]) == 0.1 + 0.2 and first["final_test_error"] == "0.125"
    assert (first["outcome"], first["outcome_step"], first["outcome_reason"]) == ("completed", "24", "")
    assert first["update_scale.network.iqr"] == "1.5" and first["update_scale.network.q05"] == ""
    assert first["environment.packages.hydra_core"] == "1.3.9" and first["environment.uncommitted_changes"] == "TRUE"
    assert found["densenet"]["model.growth_rate"] == "12" and found["densenet"]["model.width"] == ""
    assert found["densenet"]["final_validation_error"] == "0.5" and first["final_validation_error"] == ""
    assert (found["1"]["outcome"], found["1"]["final_test_error"]) == ("diverged", "")
    assert (found["2"]["outcome"], found["2"]["parameters"]) == ("failed", "")


def test_only_seeds_of_the_same_cell_share_its_key(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    found = by_seed(table(tmp_path / "out", "runs"))
    assert found["0"]["cell"] == found["1"]["cell"] == found["2"]["cell"] != found["densenet"]["cell"]
    assert found["0"]["cell_name"] == f"digits-resnet20-bn-adamw-lr1e-3-wd0-{found['0']['cell']}"
    assert len({row["identity"] for row in found.values()}) == 4


def test_awkward_text_is_read_back_and_no_field_begins_a_formula(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    found = by_seed(table(tmp_path / "out", "runs"))
    assert found["2"]["outcome_reason"] == AWKWARD_READ
    assert found["0"]["environment.device"] == "'" + FORMULA
    content = (tmp_path / "out/runs.csv").read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf") and b"\r" not in content and b"\0" not in content


def test_environment_values_without_a_column_are_kept_as_json(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    first = by_seed(table(tmp_path / "out", "runs"))["0"]
    assert first["environment.threads"] == ""
    assert json.loads(first["environment.rest"]) == {"threads": "many", "packages": {"other": "1"}, "note": AWKWARD}


def test_epochs_list_the_curves(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    rows = table(tmp_path / "out", "epochs")
    first = [row for row in rows if row["name"] == run_name(config(training__epochs=2))]
    assert [row["epoch"] for row in first] == ["1", "2"]
    assert [row["test_error"] for row in first] == ["NaN", "0.125"]
    assert [float(row["train_loss"]) for row in first] == CURVES["train_loss"].tolist()
    assert {row["validation_error"] for row in first} == {""}, "a curve that the run does not have is missing, not NaN"
    (exploded,) = [row for row in rows if "seed1" in row["name"]]
    assert exploded["batch_loss"] == "Inf"
    assert not [row for row in rows if "seed2" in row["name"]], "a failed run has no curves"


def test_histograms_have_one_row_per_non_empty_bin(store: Store, tmp_path: Path) -> None:
    export(store, tmp_path / "out")
    rows = table(tmp_path / "out", "histograms")
    first = [row for row in rows if row["name"] == run_name(config(training__epochs=2))]
    place = [(row["epoch"], row["quantity"], row["group"], row["bin"], row["count"]) for row in first]
    assert place == [
        ("1", "update_scale", "network", "20", str(PARAMETERS)),
        ("2", "update_scale", "network", "21", str(PARAMETERS)),
    ]
    # Bin 1 begins at 2^-27, so bin 20 at 2^-8.
    assert [(row["log2_low"], row["log2_high"]) for row in first] == [("-8.0", "-7.0"), ("-7.0", "-6.0")]
    (underflow,) = [row for row in rows if "seed1" in row["name"]]
    assert (underflow["bin"], underflow["log2_low"]) == ("0", "-Inf")
    assert float(underflow["log2_high"]) == math.log2(1e-8)


def test_bins_cover_the_axis_without_gaps_and_agree_with_the_counting() -> None:
    from scalefree.bins import QUANTITIES
    from scalefree.measure.distribution import bin_counts

    torch = pytest.importorskip("torch")
    for quantity, bins in QUANTITIES.items():
        edges = bin_edges(quantity, bins.exponents)
        assert len(edges) == len(bins) and edges[-1] == (None, None)
        assert [low for low, _ in edges[1:-1]] == [high for _, high in edges[:-2]]
        assert (edges[0][0], edges[-2][1]) == (-math.inf, math.inf)
        for log2 in np.linspace(bins.lowest - 3, bins.highest + 3, 97):
            value = float(2.0**log2)
            (index,) = np.flatnonzero(bin_counts(torch.tensor([value], dtype=torch.float64), bins).numpy())
            low, high = edges[index]
            assert low is not None and high is not None and low <= log2 <= high, (quantity, log2)


def test_the_same_records_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    for name in ("first", "second"):
        export(store, tmp_path / name)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_damaged_histograms_cost_only_their_own_rows(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = store.directory(run_name(config(training__epochs=2)))
    (broken / "histograms.npz").write_bytes(b"no archive")
    export(store, tmp_path / "out")
    assert len(table(tmp_path / "out", "runs")) == 4
    assert broken.name not in {row["name"] for row in table(tmp_path / "out", "histograms")}
    assert broken.name in {row["name"] for row in table(tmp_path / "out", "epochs")}
    assert any(broken.name in message for message in caplog.messages)


def test_parquet_has_the_same_values_with_types_units_and_descriptions(store: Store, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `export` is not installed")
    export(store, tmp_path / "csv")
    written = export(store, tmp_path / "parquet", "parquet")
    read = {"text": str, "integer": int, "number": float, "boolean": lambda text: {"TRUE": True, "FALSE": False}[text]}
    for name, columns in TABLES.items():
        found = parquet.read_table(tmp_path / "parquet" / f"{name}.parquet")
        rows = table(tmp_path / "csv", name)
        assert written[tmp_path / "parquet" / f"{name}.parquet"] == found.num_rows == len(rows)
        for column in columns:
            metadata = found.schema.field(column.name).metadata
            assert metadata[b"unit"].decode() == column.unit
            assert metadata[b"description"].decode() == column.description
            values = found[column.name].to_pylist()
            expected = [read[column.kind](row[column.name]) if row[column.name] else None for row in rows]
            if column.name == "environment.device":
                expected = [text and text.removeprefix("'") for text in expected]
            np.testing.assert_equal(values, expected, err_msg=column.name)


def test_the_script_lists_the_files_it_wrote_and_refuses_wrong_options(store: Store, tmp_path: Path) -> None:
    done = start(tmp_path, "export.py")
    assert done.returncode == 0, done.stderr
    assert "runs.csv: 4 rows" in done.stdout and (tmp_path / "results/export/best_cells.tex").is_file()
    done = start(tmp_path, "export.py", "format=xlsx")
    assert done.returncode == 2 and "format=xlsx is unknown; choose csv or parquet" in done.stderr
    done = start(tmp_path, "export.py", "profile=nobody")
    assert done.returncode == 2 and "profile=nobody is unknown" in done.stderr
    done = start(tmp_path, "export.py", "profile=smoke", "out=mine")
    assert done.returncode == 1 and "no records of the profile smoke" in done.stderr
    assert not (tmp_path / "mine").exists()
    done = start(tmp_path, "export.py", "results_dir=nowhere")
    assert done.returncode == 1 and "nowhere has no records" in done.stderr


def test_parquet_without_pyarrow_names_the_missing_extra(store: Store, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError(\"No module named 'pyarrow'\")\n")
    import subprocess

    from scripts.entry import ENVIRONMENT, command

    environment = {**ENVIRONMENT, "PYTHONPATH": f"{tmp_path}:{ENVIRONMENT['PYTHONPATH']}"}
    done = subprocess.run(
        command("export.py", "format=parquet"), cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1 and "pip install '.[export]'" in done.stderr
