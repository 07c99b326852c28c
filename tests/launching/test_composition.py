"""A multirun's jobs are what Hydra's own launcher would give the task, and no Hydra setting is ignored."""

import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import version
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobStatus
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig

from scalefree.compose import CONFIG_DIR, register_schemas, to_run_config
from scalefree.config import ConfigError, RunConfig
from scalefree.launching import JobsRefused, compose_jobs
from scalefree.launching.composition import Composer

Job = Sequence[str]


class Multirun:
    """What Hydra gives a sweeper: its loader and the multirun's configuration."""

    def __init__(self, overrides: Job = (), name: str = "config", folder: Path | None = None) -> None:
        search_path = create_config_search_path(str(CONFIG_DIR))
        if folder is not None:  # as --config-dir does
            search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="schema"))
        GlobalHydra.instance().clear()
        hydra = Hydra.create_main_hydra2("train", search_path)
        assert isinstance(hydra.config_loader, ConfigLoaderImpl)
        self.loader = hydra.config_loader
        self.config: DictConfig = self.loader.load_configuration(name, list(overrides), RunMode.MULTIRUN)

    def ours(self, *jobs: Job) -> list[RunConfig]:
        return compose_jobs(self.loader, self.config, jobs, own_processes=True)

    def hydras(self, job: Job, number: int = 0) -> RunConfig:
        """What Hydra's own launcher gives the task as the job with this number.

        Raises:
            Exception: whatever it or the task raises.
        """
        launcher = BasicLauncher()
        context = HydraContext(config_loader=self.loader, callbacks=Callbacks())
        launcher.setup(hydra_context=context, task_function=to_run_config, config=self.config)
        (done,) = launcher.launch([job], number)
        if done.status != JobStatus.COMPLETED:
            raise done._return_value
        assert isinstance(done.return_value, RunConfig)
        return done.return_value


Make = Callable[..., Multirun]


@pytest.fixture
def multirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes multiruns, in a temporary folder since Hydra's launcher creates one where it runs."""
    monkeypatch.chdir(tmp_path)
    register_schemas()
    version.setbase("1.3")
    yield Multirun
    GlobalHydra.instance().clear()


OVERRIDES = [
    [],
    ["model.depth=56", "optimizer.lr=1e-3", "optimizer.weight_decay=0", "seed=3"],
    ["model=densenet", "model.depth=40", "dataset=cifar100", "schedule=cosine", "tracking=none"],
    ["model.depth=40", "model=densenet"],
    ["optimizer.betas=[0.8,0.99]", "training.histogram_epochs=[]", "dataset.per_class=null", "tracking.tags=[a,b]"],
    ["dataset=image_folder", "dataset.root='/some where/x'", "results_dir=/tmp/a"],
    ["optimizer=adaml2", "optimizer.lr='2e-3'", "precision=bf16", "model.batch_norm=false"],
    ["results_dir=${optimizer.name}"],
    ["++optimizer.eps=0"],
    ["optimizer={lr: 1e-4}", "optimizer.eps=0"],
    [
        "optimizer=torch",
        "optimizer.target=torch.optim.NAdam",
        "optimizer.arguments={a: 4e-3, b: ['x y', \"z\"], c: {d: null}}",
    ],
    ["optimizer=torch", "optimizer.target=torch.optim.NAdam", "optimizer.arguments.a=4e-3"],
    ["~schedule", "seed=1"],
    ["tracking.group=${hydra:runtime.choices.optimizer}", "optimizer=adamprox"],
    ["tracking.group=${hydra:job.name}-${hydra:job.num}"],
    ["tracking.group=${hydra:runtime.output_dir}"],
    ["tracking.tags=['${oc.env:SCALEFREE_TEST}']"],
    ["seed=1", "seed=2"],
]


@pytest.mark.parametrize("overrides", OVERRIDES, ids=" ".join)
def test_a_job_is_what_hydras_launcher_gives(overrides: Job, multirun: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALEFREE_TEST", "there")
    made = multirun()
    assert made.ours(overrides) == [made.hydras(overrides)]


# Valid and invalid values; `""` and the like are refused at different stages.
VALUES = {
    "dataset": ["digits", "cifar10", "image_folder"],
    "dataset.root": ["null", "a b", "''", "3"],
    "dataset.per_class": ["null", "20", "1.5"],
    "model": ["resnet", "densenet", "vgg"],
    "model.depth": ["20", "40", "21", "'20'", "many"],
    "model.width": ["8", "0"],
    "model.growth_rate": ["12"],
    "model.batch_norm": ["true", "off", "2"],
    "optimizer": ["adamw", "adaml2", "sgd"],
    "optimizer.lr": ["1", "1e-3", "'1e-3'", "fast", "-1", "9" * 400],
    "optimizer.betas": ["[0.9,0.99]", "[0,1]", "0.9"],
    "schedule": ["cosine", "constant"],
    "schedule.name": ["cosine"],
    "training.histogram_epochs": ["[]", "[1,2]", "[a]"],
    "tracking": ["none", "offline"],
    "tracking.tags": ["[]", "[a,b]", "[1]"],
    "tracking.group": ["null", "g", "${seed}"],
    "seed": ["0", "7", "x", "1.0"],
    "results_dir": ["results", "${optimizer.name}"],
    "optimizer.momentum": ["0.9"],
}


def test_random_jobs_match_hydras_launcher_or_both_refuse(multirun: Make) -> None:
    made = multirun()
    draw = random.Random(2022)
    agreed = []
    for _ in range(50):
        keys = draw.sample(sorted(VALUES), k=draw.randint(1, 4))
        job = [f"{draw.choice(('', '', '', '++'))}{key}={draw.choice(VALUES[key])}" for key in keys]
        expected: Any
        try:
            expected = [made.hydras(job)]
        except Exception:
            expected = JobsRefused
        try:
            found: Any = made.ours(job)
        except JobsRefused as error:
            assert len(error.lines) == 1
            found = JobsRefused
        assert found == expected, job
        agreed.append(found is JobsRefused)
    assert 10 < sum(agreed) < 40  # both kinds occur


def test_custom_root_configurations_and_groups_are_used(multirun: Make, tmp_path: Path) -> None:
    """Those of --config-name and --config-dir, with group files that the project does not have."""
    mine = tmp_path / "mine"
    (mine / "optimizer").mkdir(parents=True)
    (mine / "own.yaml").write_text(
        "defaults: [config, _self_]\nmodel: {depth: 8}\ntracking: {group: '${model.name} ${hydra:job.num}'}\n"
    )
    (mine / "optimizer" / "slow.yaml").write_text("name: adaml2\nlr: 1e-5\n")
    made = multirun(name="own", folder=mine)
    jobs = [["optimizer=slow"], ["optimizer=slow", "seed=2"], ["model.depth=14"], ["model=densenet", "model.depth=40"]]
    found = made.ours(*jobs)
    assert found == [made.hydras(job, number) for number, job in enumerate(jobs)]
    assert [(c.model.depth, c.optimizer.lr, c.tracking.group) for c in found] == [
        (8, 1e-5, "resnet 0"),
        (8, 1e-5, "resnet 1"),
        (14, 1e-3, "resnet 2"),
        (40, 1e-3, "densenet 3"),
    ]


def test_hydra_searchpath_is_used(multirun: Make, tmp_path: Path) -> None:
    """For groups that exist only there."""
    (tmp_path / "more" / "seed").mkdir(parents=True)
    (tmp_path / "more" / "optimizer").mkdir()
    (tmp_path / "more" / "optimizer" / "mine.yaml").write_text("name: adaml2\nlr: 0.5\n")
    made = multirun([f"hydra.searchpath=[file://{tmp_path / 'more'}]"])
    assert made.ours(["optimizer=mine", "model.depth=8"]) == [made.hydras(["optimizer=mine", "model.depth=8"])]
    with pytest.raises(JobsRefused):
        made.ours(["seed=1"])


def test_group_files_are_merged_once_per_combination(multirun: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = multirun()
    asked: list[Job] = []
    load = made.loader.load_sweep_config
    monkeypatch.setattr(made.loader, "load_sweep_config", lambda config, job: asked.append(job) or load(config, job))
    grid = [
        [f"optimizer={optimizer}", f"model.depth={depth}", f"seed={seed}"]
        for optimizer in ("adamw", "adaml2")
        for depth in (20, 56)
        for seed in range(3)
    ]
    found = made.ours(*grid)
    assert asked == [["optimizer=adamw"], ["optimizer=adaml2"]]
    assert [(c.optimizer.name, c.model.depth, c.seed) for c in found] == [
        (optimizer, depth, seed) for optimizer in ("adamw", "adaml2") for depth in (20, 56) for seed in range(3)
    ]


def test_jobs_do_not_share_mutable_values(multirun: Make) -> None:
    first, second, third = multirun().ours(["seed=1"], ["seed=2"], ["model.depth=56", "tracking.tags=[a]"])
    assert (first.seed, second.seed, third.seed) == (1, 2, 0)
    (fourth,) = multirun().ours(["seed=1"], ["model.depth=56"], ["optimizer.lr=1"])[2:]
    assert (fourth.seed, fourth.model.depth, fourth.optimizer.lr) == (0, 20, 1.0)
    first.tracking.tags.append("changed")
    first.optimizer.betas[0] = 0.0
    assert second.tracking.tags == [] and second.optimizer.betas == [0.9, 0.999]


def test_every_wrong_job_is_named(multirun: Make) -> None:
    wrong = [
        ["seed=1"],
        ["model.depth=21"],
        ["optimizer=sgd"],
        ["optimizer=null"],
        ["optimizer=1"],
        ["optimizer=[adamw,adaml2]"],
        ["optimizer.momentum=1"],
        ["seed=x"],
        [f"optimizer.lr={'9' * 400}"],
        ["results_dir=/dev/null"],
        ["tracking.group=${nothing}"],
    ]
    with pytest.raises(JobsRefused) as refused:
        multirun().ours(*wrong)
    assert [line.partition(": ")[0] for line in refused.value.lines] == [" ".join(overrides) for overrides in wrong[1:]]


def test_control_characters_in_the_names_of_wrong_jobs_are_escaped(multirun: Make) -> None:
    with pytest.raises(JobsRefused) as refused:
        multirun().ours(["seed=-1", "tracking.group='a\x1b[31m\nb'"])
    (line,) = refused.value.lines
    assert line.isprintable() and r"a\x1b[31m\nb" in line


SETTINGS = [
    "hydra.job.chdir=true",
    "+hydra.job.env_set.OMP_NUM_THREADS=4",
    "hydra.job.env_copy=[PATH]",
    "hydra.output_subdir=.hydra",
    "hydra.sweep.subdir=${hydra.job.num}",
    "hydra/job_logging=default",
    "+hydra.callbacks.mine._target_=hydra.experimental.callback.Callback",
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_that_workers_do_not_support_are_refused_once_by_name(setting: str, multirun: Make) -> None:
    made = multirun([setting])
    key = setting.lstrip("+").partition("=")[0].replace("/", ".")
    with pytest.raises(ConfigError, match=r"hydra/launcher=basic, which supports it") as refused:
        made.ours(["seed=1"], ["seed=2"])
    named = str(refused.value).partition("=")[0]
    assert named.startswith(key) or key.startswith(named)
    assert "\n" not in str(refused.value)
    assert len(compose_jobs(made.loader, made.config, [["seed=1"]], own_processes=False)) == 1


def test_unsupported_settings_in_a_group_file_are_refused_with_the_job(multirun: Make, tmp_path: Path) -> None:
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    text = "# @package _global_\noptimizer: {name: adaml2}\nhydra: {job: {env_set: {A: '1'}}}\n"
    (tmp_path / "mine" / "optimizer" / "elsewhere.yaml").write_text(text)
    made = multirun(folder=tmp_path / "mine")
    with pytest.raises(JobsRefused) as refused:
        made.ours(["optimizer=adamw"], ["optimizer=elsewhere", "seed=1"])
    (line,) = refused.value.lines
    assert line.startswith("optimizer=elsewhere seed=1: hydra.job.env_set={'A': '1'} ")


def test_hydras_job_names_follow_the_settings(multirun: Make) -> None:
    given = ["hydra.job.name=mine", "hydra.job.config.override_dirname.exclude_keys=[tracking.group]"]
    (found,) = multirun(given).ours(["tracking.group='${hydra:job.name} ${hydra:job.override_dirname}'", "seed=4"])
    assert found.tracking.group == "mine seed=4"


def test_hydras_environment_is_set_only_while_a_job_is_composed(multirun: Make) -> None:
    made = multirun(["+hydra.job.env_set.SCALEFREE_TEST=x"])
    job = ["tracking.group=${oc.env:SCALEFREE_TEST}"]
    assert compose_jobs(made.loader, made.config, [job], own_processes=False)[0].tracking.group == "x"
    assert "SCALEFREE_TEST" not in os.environ


def test_composing_leaves_hydras_current_job_as_it_was(multirun: Make) -> None:
    before = HydraConfig.instance().cfg
    made = multirun()
    made.ours(["tracking.group=${hydra:job.name}"])
    with pytest.raises(JobsRefused):
        made.ours(["tracking.group=${hydra:job.num}", "seed=${nothing}"])
    assert HydraConfig.instance().cfg is before


def test_job_numbers_start_at_the_first_of_the_batch(multirun: Make) -> None:
    made = multirun()
    job = ["tracking.group=${hydra:job.num}"]
    found = compose_jobs(made.loader, made.config, [job, job], own_processes=True, first=5)
    assert [config.tracking.group for config in found] == ["5", "6"]


def test_interpolations_do_not_use_the_merged_shortcut(multirun: Make) -> None:
    """There they would not resolve, or resolve to another job's values."""
    made = multirun()
    composer = Composer(made.loader, made.config, own_processes=True)
    assert composer.job(["tracking.group=${hydra:job.num}"], 3).tracking.group == "3"
    assert composer.merged == {}
