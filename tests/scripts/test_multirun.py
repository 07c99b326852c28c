"""train.py -m: what reaches the launcher, in which batches, and what is refused before that."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import scalefree.launching
from records.made_up import CURVES, EPOCHS, HISTOGRAMS, record
from scalefree.compose import compose_tree, run_config, to_run_config
from scalefree.config import RunConfig
from scalefree.experiments import load_experiment, runs_of
from scalefree.experiments.overrides import overrides_of
from scalefree.launching import Settings, SweepUnfinished
from scalefree.records import Store, run_label, run_name
from scalefree.training.run import Finished
from scripts.entry import call

TINY = ("model.depth=8", "model.width=4", "training.epochs=1", "tracking=none", "device=cpu")


class Launched:
    """train.py in an empty working folder, with a launcher that records what it should train."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.batches: list[list[RunConfig]] = []
        # By batch number: what launching it raises.
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
    """Returns what was written to standard error since the last call."""
    return lambda: capfd.readouterr().err


def test_all_jobs_are_one_batch(launched: Launched) -> None:
    assert launched.train(*TINY, "model.depth=8,14", "seed=0,1") == 0
    (batch,) = launched.batches
    assert [(config.model.depth, config.seed) for config in batch] == [(8, 0), (8, 1), (14, 0), (14, 1)]


def test_later_batches_run_despite_a_failure(launched: Launched, said: Say) -> None:
    launched.raises = {0: SweepUnfinished(2, 2), 2: SweepUnfinished(1, 1)}
    assert launched.train(*TINY, "seed=0,1,2,3,4", "hydra.sweeper.max_batch_size=2") == 1
    assert [[config.seed for config in batch] for batch in launched.batches] == [[0, 1], [2, 3], [4]]
    assert said() == "error: 3 of 5 runs have no result\n"


def test_a_wrong_job_is_refused_before_the_first_batch(launched: Launched, said: Say) -> None:
    assert launched.train(*TINY, "optimizer.lr=1e-3,-1", "hydra.sweeper.max_batch_size=1") == 2
    assert launched.batches == [] and list(Path.cwd().iterdir()) == []
    assert said().count("\n") == 1


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_wrong_jobs_are_refused_by_every_launcher(launcher: str, launched: Launched, said: Say) -> None:
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


def test_config_name_and_config_dir_are_used(launched: Launched, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "defaults: [config, _self_]\nmodel: {batch_norm: false}\noptimizer: {lr: 3e-3}\n"
    )
    assert launched.train("-cd", str(tmp_path), "-cn", "mine", *TINY, "seed=0,1") == 0
    assert [run_label(config) for config in launched.batches[0]] == [
        f"digits-resnet8w4-nobn-adamw-lr3e-3-wd0-seed{seed}" for seed in (0, 1)
    ]


def test_config_path_is_used(launched: Launched, tmp_path: Path) -> None:
    """A folder that replaces the project's, where the schemas are still known."""
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


def test_a_missing_device_is_refused_before_any_run(
    launched: Launched, said: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert launched.train(*TINY, "device=cpu,cuda") == 2
    assert "device=cuda, but torch sees no CUDA device" in said()
    assert launched.train("hydra/sweeper=basic", *TINY, "device=cpu,cuda") == 2
    assert "device=cuda, but torch sees no CUDA device" in said()
    assert launched.train(*TINY, "precision=fp32,tf32") == 2
    assert "precision=tf32 exists only on CUDA devices" in said()
    assert launched.batches == []


def test_finished_runs_need_no_device(launched: Launched, said: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a machine without a GPU can ask again for runs that were trained on one."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    arguments = (*TINY, f"training.epochs={EPOCHS}", "precision=tf32", "results_dir=results", "seed=0,1")
    for seed in (0, 1):
        assert launched.train(*arguments) == 2
        config = run_config(
            {"model.depth": 8, "model.width": 4, "training.epochs": EPOCHS, "precision": "tf32", "seed": seed}
        )
        Store("results").write(record(config), CURVES, HISTOGRAMS)
    assert launched.batches == [] and said().count("precision=tf32 exists only on CUDA devices") == 2
    assert launched.train(*arguments) == 0
    assert len(launched.batches[0]) == 2
    Path("results/runs", run_name(launched.batches[0][0]), "record.json").write_text("damaged")
    assert launched.train(*arguments) == 2


def test_on_a_cluster_the_device_is_checked_on_the_node(launched: Launched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert launched.train("hydra/launcher=slurm", *TINY, "device=cuda", "dataset.root=/only/there") == 0
    assert len(launched.batches[0]) == 1


def test_a_missing_image_folder_is_refused_before_any_run(launched: Launched, said: Say) -> None:
    roots = f"dataset.root={Path.cwd()},/nowhere/at/all"
    assert launched.train(*TINY, "dataset=image_folder", roots) == 2
    assert "/nowhere/at/all does not exist" in said() and launched.batches == []


@pytest.mark.parametrize("results", ["/dev/null", "''", "file", "file/below"])
def test_an_impossible_store_is_refused_before_any_run(results: str, launched: Launched, said: Say) -> None:
    Path("file").write_text("in the way")
    assert launched.train(*TINY, f"results_dir={results}") == 2
    assert said().count("\n") == 1 and launched.batches == []


def test_too_many_jobs_are_refused_at_once(launched: Launched, said: Say) -> None:
    assert launched.train(*TINY, "seed=range(1000000000000)", "model.depth=8,14") == 2
    assert said() == "error: this multirun has more than 100000 jobs; split it into smaller ones\n"


@pytest.mark.parametrize("launcher", ["local", "basic"])
def test_a_multirun_writes_no_files_of_its_own(
    launcher: str, launched: Launched, monkeypatch: pytest.MonkeyPatch, said: Say
) -> None:
    """So that it works on a read-only store that already has every run."""
    config = run_config({"model.depth": 8, "model.width": 4, "training.epochs": EPOCHS})
    monkeypatch.setattr("scalefree.training.run", lambda _: Finished(record(config), trained=False))
    assert launched.train(f"hydra/launcher={launcher}", *TINY, "seed=0,1") == 0
    assert said() == "" and list(Path.cwd().iterdir()) == []


def test_an_interruption_ends_all_batches(launched: Launched, said: Say) -> None:
    launched.raises = {0: KeyboardInterrupt()}
    assert launched.train(*TINY, "seed=0,1", "hydra.sweeper.max_batch_size=1") == 130
    assert len(launched.batches) == 1 and said().startswith("interrupted")


def test_a_bug_is_not_reported_as_a_refusal(launched: Launched) -> None:
    launched.raises = {0: RuntimeError("a bug")}
    with pytest.raises(RuntimeError, match="a bug"):
        launched.train(*TINY)


def smoke() -> set[str]:
    """The names of the runs of the experiment `corners` in the profile `smoke`."""
    return set(runs_of([load_experiment("corners", "smoke")]))


@pytest.mark.parametrize("launcher", ["local", "gpu"])
def test_an_experiment_is_a_multirun_of_its_runs_under_any_launcher(launcher: str, launched: Launched) -> None:
    chosen = (f"hydra/launcher={launcher}", "experiment=corners", "profile=smoke", "tracking=none", "device=cpu")
    assert launched.train(*chosen) == 0
    (batch,) = launched.batches
    assert {run_name(config) for config in batch} == smoke() and len(batch) == len(smoke())
    assert {(config.tracking.mode, config.tracking.group, config.device) for config in batch} == {
        ("none", "corners", "cpu")
    }
    assert batch[0].tracking.tags == ["profile:smoke", "corners"]


def test_arguments_beside_an_experiment_take_precedence_and_are_swept(launched: Launched) -> None:
    given = ("experiment=corners", "profile=smoke", "training.epochs=1", "seed=5,6", "optimizer=adamw")
    assert launched.train(*given, "tracking=none", "hydra.sweeper.max_batch_size=3") == 0
    # Two depths and two decays; runs that differed only in the optimizer are now the same.
    assert [len(batch) for batch in launched.batches] == [3, 3, 2]
    runs = [config for batch in launched.batches for config in batch]
    assert {(c.training.epochs, c.optimizer.name) for c in runs} == {(1, "adamw")}
    assert len({(c.model.depth, c.optimizer.weight_decay, c.seed) for c in runs}) == 8


def test_several_experiments_share_their_runs(launched: Launched) -> None:
    assert launched.train("experiment=corners,without_bn,corners", "profile=smoke", "tracking=none") == 0
    assert {run_name(config) for config in launched.batches[0]} == smoke()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["experiment=cornerz"], "experiment=cornerz is unknown"),
        (["experiment=corners", "profile=quikc"], "profile=quikc is unknown"),
        (["experiment=without_bn", "profile=quick"], "experiment=without_bn profile=quick has no runs"),
        (["profile=quick"], "profile=quick needs experiment="),
        (["experiment=corners", "experiment=ladder"], "given twice"),
        (["experiment=corners", "profile=quick,smoke"], "is not one name"),
        (["experiment="], "is not names separated by commas"),
        (["experiment=corners", "profile=smoke", "optimizer.lr=-1"], "optimizer.lr=-1"),
    ],
)
def test_an_impossible_experiment_is_refused(arguments: list[str], what: str, launched: Launched, said: Say) -> None:
    assert launched.train(*arguments) == 2
    message = said()
    assert message.startswith("error: ") and what in message and launched.batches == []


def test_an_experiment_without_m_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Say) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("train.py", ["experiment=corners", "profile=smoke"], monkeypatch) == 2
    assert said() == "error: experiment=corners has many runs; add -m\n"


@pytest.mark.parametrize(("experiment", "profile"), [("corners", "quick"), ("ladder", "smoke"), ("with_bn", "paper")])
def test_the_overrides_of_a_run_compose_that_run(experiment: str, profile: str) -> None:
    for config, _ in runs_of([load_experiment(experiment, profile)]).values():
        composed = compose_tree("config", list(overrides_of(config).values()))
        assert run_name(to_run_config(composed)) == run_name(config)


def test_any_text_and_argument_survives_as_an_override() -> None:
    arguments = {"betas": [0.9, 0.99], "note": "it's, a \\'test", "deep": {"on": True, "none": None}}
    config = run_config(
        {"optimizer": "torch", "optimizer.target": "torch.optim.NAdam", "optimizer.arguments": arguments}
    )
    assert to_run_config(compose_tree("config", list(overrides_of(config).values()))) == config


def test_help_lists_the_groups_to_choose_from(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("train.py", ["--help"], monkeypatch) == 0
    groups = dict(
        line.split(": ", 1) for line in capfd.readouterr().out.splitlines() if line[:1].isalpha() and ": " in line
    )
    assert {"dataset", "model", "optimizer", "schedule", "tracking", "experiment", "profile"} <= groups.keys()
    assert not {"frozen", "wandb_sweep", "hydra"} & groups.keys() and groups["model"] == "densenet, resnet"
    assert "adam_scaled_l2" in groups["optimizer"] and "corners" in groups["experiment"]


def test_a_multirun_ends_with_a_table_and_a_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A real one, in which one run diverges."""
    monkeypatch.chdir(tmp_path)
    given = (
        *TINY,
        "dataset.per_class=5",
        "training.batch_size=10",
        "model.batch_norm=false",
        "optimizer=adaml2",
        "optimizer.lr=1e-3,1e12",
    )
    assert call("train.py", ["-m", *given, "hydra.launcher.jobs=1"], monkeypatch) == 0
    table = capfd.readouterr().out.partition("\n\n")[2]
    assert [row.split()[0] for row in table.splitlines()[:3]] == ["lr", "1e-3", "1e12"]
    assert "<- best" in table.splitlines()[1] and "diverged:" in table
    (folder,) = (tmp_path / "results" / "figures" / "sweeps").iterdir()
    assert {path.name for path in folder.iterdir()} == {"sweep.png", "sweep.pdf", "table.txt"}
    # The same can be drawn from the store afterwards.
    assert call("figures.py", ["where=[optimizer=adaml2]", "where=[optimizer.lr=1e-3]"], monkeypatch) == 0
    assert "sweep.png" in capfd.readouterr().out and len(list(folder.parent.iterdir())) == 2
    assert call("figures.py", ["where=[optimizer=adamw]"], monkeypatch) == 2
    assert (
        capfd.readouterr().err
        == "error: where=[optimizer=adamw]: no run has optimizer.name=adamw; choose from adaml2\n"
    )
