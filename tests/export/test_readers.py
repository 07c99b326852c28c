"""Exported tables, read with pandas and R where these are installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, PARAMETERS
from records.made_up import record as made_up
from scalefree.config import RunConfig, with_values
from scalefree.export.write import export
from scalefree.records import Outcome, Store

MESSAGE = 'line one\nsays "no", \té 数'
R = """
runs <- read.csv("runs.csv", colClasses = c(identity = "character", cell = "character"), encoding = "UTF-8")
epochs <- merge(read.csv("epochs.csv"), runs[c("name", "cell", "seed")])
histograms <- read.csv("histograms.csv")
told <- list(
  length(unique(runs$cell)), class(runs$model.batch_norm), class(runs$environment.uncommitted_changes),
  is.na(runs$environment.uncommitted_changes[1]), class(runs$optimizer.lr), class(runs$seed), class(runs$cell),
  is.nan(epochs$test_error[1]), epochs$train_loss[2] == 0.1 + 0.2, is.infinite(epochs$batch_loss[2]),
  sum(histograms$count), utf8ToInt(runs$outcome_reason[runs$outcome == "failed"]),
  gsub("[.]", "_", names(runs)[9])
)
for (value in told) cat(value, "\\n")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of two seeds of a cell and a failed run with a two-line message."""
    made = tmp_path_factory.mktemp("readers")
    store = Store(made / "results")
    curves = {**CURVES, "batch_loss": np.array([1.0, np.inf])}
    for seed, changes in enumerate([None, True]):
        environment = {"uncommitted_changes": changes}
        store.write(made_up(with_values(RunConfig(), {"seed": seed}), environment=environment), curves, HISTOGRAMS)
    config = with_values(RunConfig(), {"seed": 2})
    store.write(made_up(config, None, outcome=Outcome("failed", 0, MESSAGE)), {}, {})
    export(store, made / "out")
    return made / "out"


def test_pandas_reads_the_tables(folder: Path) -> None:
    pandas: Any = pytest.importorskip("pandas")
    runs = pandas.read_csv(folder / "runs.csv", dtype={"identity": str, "cell": str})
    epochs = pandas.read_csv(folder / "epochs.csv").merge(runs[["name", "cell", "seed"]], on="name")
    histograms = pandas.read_csv(folder / "histograms.csv")
    assert runs["cell"].nunique() == 1 and runs["model.batch_norm"].dtype == bool
    assert runs["environment.uncommitted_changes"].isna().tolist() == [True, False, True]
    assert runs["optimizer.lr"].dtype == float and runs["seed"].tolist() == [0, 1, 2]
    assert runs["outcome_reason"].dropna().tolist() == [MESSAGE]
    assert json.loads(runs["optimizer.betas"][0]) == [0.9, 0.999]
    assert epochs["train_loss"].tolist() == [2.5, 0.1 + 0.2] * 2
    assert np.isnan(epochs["test_error"][0]) and np.isposinf(epochs["batch_loss"][1])
    assert histograms["count"].sum() == 4 * PARAMETERS


def test_r_reads_the_tables(folder: Path) -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    done = subprocess.run(["Rscript", "-e", R], cwd=folder, capture_output=True, text=True, check=True)
    assert [line.strip() for line in done.stdout.splitlines()] == [
        "1", "logical", "logical", "TRUE", "numeric", "integer", "character", "TRUE", "TRUE", "TRUE",
        str(4 * PARAMETERS), " ".join(str(ord(character)) for character in MESSAGE), "dataset_name",
    ]  # fmt: skip
