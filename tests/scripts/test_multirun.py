"""train.py -m: what reaches the launcher, in which batches, and what is refused before it does."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import scalefree.launching
from records.made_up import CURVES, EPOCHS, HISTOGRAMS, record
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.launching import Settings, SweepUnfinished
from scalefree.records import Store, run_label, run_name
from scalefree.training.run import Finished
from scripts.entry import call

TINY = ("model.depth=8", "model.width=4", "training.epochs=1", "tracking=none", "device=cpu")


class Launched:
    """train.py in an empty working folder, its launcher noting what it is asked to train."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.batches: list[list[RunConfig]] = []
        # By the batch's number: what its launch raises.
        self.raises: dict[int, BaseException] = {}
        monkeypatch.setattr(scalefree.launching, "launch", self.launch)

    def launch(self, settings: Settings, configs: Sequence[RunConfig]) -> None:
        self.batches.append(list(configs))
        if (error := self.raises.get(len(self.batches) - 1)) is not None:
            raise error

    def train(self, *arguments: str) -> int:
        return call("train.py", ["-m", *arguments], self.monkeypatch)


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launched:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Launched(monkeypatch)


Say = Callable[[], str]


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Say:
    """What standard error got since the last time."""
    return lambda: capfd.readouterr().err


def test_all_jobs_are_one_batch(launched: Launched) -> None:
    assert launched.train(*TINY, "model.depth=8,14", "seed=0,1") == 0
    (batch,) = launched.batches
    assert [(config.model.depth, config.seed) for config in batch] == [(8, 0), (8, 1), (14, 0), (14, 1)]


def test_a_failure_costs_no_later_batch(launched: Launched, said: Say) -> None:
    launched.raises = {0: SweepUnfinished(2, 2), 2: SweepUnfinished(1, 1)}
    assert launched.train(*TINY, "seed=0,1,2,3,4", "hydra.sweeper.max_batch_size=2") == 1
    assert [[config.seed for config in batch] for batch in launched.batches] == [[0, 1], [2, 3], [4]]
    assert said() == "error: 3 of 5 runs have no result\n"


def test_a_wrong_job_is_refused_before_the_first_batch(launched: Launched, said: Say) -> None:
    assert launched.train(*TINY, "optimizer.lr=1e-3,-1", "hydra.sweeper.max_batch_size=1") == 2
    assert launched.batches == [] and list(Path.cwd().iterdir()) == []
    assert said().count("\n") == 1


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_it_is_refused_whatever_launches(launcher: str, launched: Launched, said: Say) -> None:
    assert launched.train(f"hydra/launcher={launcher}", *TINY, "model.depth=8,21,33") == 2
    first, second = said().splitlines()
    assert "model.depth=21 " in first and "model.depth=33 " in second
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "many", "[1]", "true"])
def test_an_impossible_batch_size_is_refused_by_name(size: str, launched: Launched, said: Say) -> None:
    assert launched.train(*TINY, f"hydra.sweeper.max_batch_size={size}") == 2
    message = said()
    assert message.startswith("error: hydra.sweeper.max_batch_size=") and message.count("\n") == 1
    assert launched.batches == []


def test_it_trains_what_config_name_and_config_dir_say(launched: Launched, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [config, _self_]\nmodel: {batch_norm: false}\noptimizer: {lr: 3e-3}\n"
    )
    assert launched.train("-cd", str(tmp_path), "-cn", "mine", *TINY, "seed=0,1") == 0
    assert [run_label(config) for config in launched.batches[0]] == [
        f"digits-resnet8w4-nobn-adamw-lr3e-3-wd0-seed{seed}" for seed in (0, 1)
    ]


def test_it_trains_what_config_path_says(launched: Launched, tmp_path: Path) -> None:
    """A folder in place of the project's: the schemas are known there too."""
    (tmp_path / "config.yaml").write_text(
        "defaults: [run_schema, model: small, _self_, override hydra/launcher: mine]\noptimizer: {name: adaml2}\n"
    )
    for file, text in {
        "model/small.yaml": "defaults: [resnet_schema]\ndepth: 8\n",
        "hydra/launcher/mine.yaml": "_target_: hydra_plugins.scalefree_launchers.LocalLauncher\njobs: 1\n",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text(text)
    own = ("hydra.output_subdir=null", "hydra/job_logging=none", "hydra.sweep.subdir=.", "hydra.sweep.dir=multirun")
    assert launched.train("-cp", str(tmp_path), *own, "seed=5", "hydra/sweeper=basic") == 0
    assert [run_label(config) for config in launched.batches[0]] == ["digits-resnet8-bn-adaml2-lr1e-3-wd0-seed5"]


def test_hydras_interpolations_are_resolved(launched: Launched) -> None:
    assert launched.train(*TINY, "optimizer=adamw,adaml2", "tracking.group=${hydra:runtime.choices.optimizer}") == 0
    assert [config.tracking.group for config in launched.batches[0]] == ["adamw", "adaml2"]


def test_a_device_that_is_not_there_is_refused_before_any_run(
    launched: Launched, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert launched.train(*TINY, "device=cpu,cuda") == 2
    assert "device=cuda, but torch sees no CUDA device" in said()
    assert launched.train("hydra/sweeper=basic", *TINY, "device=cpu,cuda") == 2
    assert "device=cuda, but torch sees no CUDA device" in said()
    assert launched.train(*TINY, "precision=fp32,tf32") == 2
    assert "precision=tf32 exists on CUDA devices only" in said()
    assert launched.batches == []


def test_what_is_done_needs_no_device(launched: Launched, said: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of a GPU are drawn, and asked for again, on a machine without one."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    arguments = (*TINY, f"training.epochs={EPOCHS}", "precision=tf32", "results_dir=results", "seed=0,1")
    for seed in (0, 1):
        assert launched.train(*arguments) == 2
        config = run_config(
            {"model.depth": 8, "model.width": 4, "training.epochs": EPOCHS, "precision": "tf32", "seed": seed}
        )
        Store("results").write(record(config), CURVES, HISTOGRAMS)
    assert launched.batches == [] and said().count("precision=tf32 exists on CUDA devices only") == 2
    assert launched.train(*arguments) == 0
    assert len(launched.batches[0]) == 2
    Path("results/runs", run_name(launched.batches[0][0]), "record.json").write_text("damaged")
    assert launched.train(*arguments) == 2


def test_on_a_cluster_the_device_is_the_nodes_matter(launched: Launched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert launched.train("hydra/launcher=slurm", *TINY, "device=cuda", "dataset.root=/only/there") == 0
    assert len(launched.batches[0]) == 1


def test_an_image_folder_that_is_not_there_is_refused_before_any_run(launched: Launched, said: Say) -> None:
    roots = f"dataset.root={Path.cwd()},/nowhere/at/all"
    assert launched.train(*TINY, "dataset=image_folder", roots) == 2
    assert "/nowhere/at/all does not exist" in said() and launched.batches == []


@pytest.mark.parametrize("results", ["/dev/null", "''", "file", "file/below"])
def test_a_store_that_cannot_be_is_refused_before_any_run(results: str, launched: Launched, said: Say) -> None:
    Path("file").write_text("in the way")
    assert launched.train(*TINY, f"results_dir={results}") == 2
    assert said().count("\n") == 1 and launched.batches == []


def test_more_jobs_than_can_be_listed_are_refused_at_once(launched: Launched, said: Say) -> None:
    assert launched.train(*TINY, "seed=range(1000000000000)", "model.depth=8,14") == 2
    assert said() == "error: this multirun has more than 100000 jobs; divide it into smaller ones\n"


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_it_writes_no_file_of_its_own(
    launcher: str, launched: Launched, monkeypatch: pytest.MonkeyPatch, said: Say
) -> None:
    """A store that cannot be written may hold all that is asked for."""
    config = run_config({"model.depth": 8, "model.width": 4, "training.epochs": EPOCHS})
    monkeypatch.setattr("scalefree.training.run", lambda _: Finished(record(config), trained=False))
    assert launched.train(f"hydra/launcher={launcher}", *TINY, "seed=0,1") == 0
    assert said() == "" and list(Path.cwd().iterdir()) == []


def test_an_interruption_ends_all_batches(launched: Launched, said: Say) -> None:
    launched.raises = {0: KeyboardInterrupt()}
    assert launched.train(*TINY, "seed=0,1", "hydra.sweeper.max_batch_size=1") == 130
    assert len(launched.batches) == 1 and said().startswith("interrupted")


def test_an_error_of_ours_is_not_called_a_refusal(launched: Launched) -> None:
    launched.raises = {0: RuntimeError("a bug")}
    with pytest.raises(RuntimeError, match="a bug"):
        launched.train(*TINY)
