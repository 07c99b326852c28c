"""Any request to any script is done, or refused in one line with exit code 2 and nothing written.

Seeded, so that failures are reproducible. Accepted requests that take long (a sweep, a figure) are not executed; the
runs of the last test are trained.
"""

import random
import types
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY
from scalefree.compose import run_config
from scalefree.config import ConfigError, DenseNetConfig, ResNetConfig, RunConfig
from scalefree.training import run
from scripts.entry import ROOT, call

NASTY = [
    *("", " ", "null", "~", "None", "true", "???", "0", "-1", "1.5", "1_000", "0x10", "٣", "nan", "inf", "-0.0"),
    *("1e400", "1e-46", "1e39", "1e-40", "9" * 400, "9" * 5000, "[", "[1", "[]", "[1,2]", "{", "{a:1}", "{}", "a=b"),
    *("=", ",", "1,2", "range(3)", "range(1000000000)", "choice(", "interval(0,1)", "glob(*)", "${x}", "${"),
    *("${oc.env:NOPE}", "'", '"', "\\", "a b", "a\nb", "\t", "\x1b[31m", "é", "x\udcff", "x" * 300, "../..", "a/b"),
    *("/dev/null", "/dev/null/x", "/proc/x", "file", "file/x", "~/x", "~nobody/x", "cuda:7", "digits", "smoke"),
    *("adamw", "densenet", "with_bn"),
]
# Arguments that train.py accepts, so that not everything is refused.
SENSIBLE = ("seed=1", "optimizer.lr=1e-2", "model.depth=14", "optimizer=adaml2", "tracking.tags=[a]", "results_dir=~/x")
# Scripts with `key=value` arguments, their keys, and the exit codes that only they have.
SCRIPTS: dict[str, tuple[str, set[int]]] = {
    "archive.py": ("profile results_dir", {1}),
    "benchmark.py": ("results_dir dataset_root device", set()),
    "dashboard.py": ("entity project", set()),
    "dashboard_offline.py": ("results_dir", {1}),
    "defect.py": ("target arguments jobs results_dir", {1}),
    "export.py": ("results_dir profile format out", {1}),
    "figures.py": ("profile figure results_dir where where", set()),
    "freeze.py": ("profile results_dir", {1}),
    "gpu_session.py": ("data out seconds jobs back tests results", set()),
    "import_wandb.py": ("results_dir", set()),
    "merge.py": ("results_dir", set()),
    "pack.py": ("dataset_root to limit", set()),
    "report.py": ("profile results_dir", set()),
    "reproduce.py": (
        "profile experiment results_dir jobs tracking dataset_root draw hydra/launcher hydra.launcher.jobs "
        "hydra.launcher.mps hydra.launcher.partition",
        set(),
    ),
    "status.py": ("profile results_dir jobs", set()),
    "sync.py": ("results_dir dry_run", set()),
    "verify.py": ("profile runs seed results_dir jobs dataset_root", set()),
}
OF_HYDRA = (
    *("hydra", "hydra/launcher", "hydra/sweeper", "hydra/job_logging", "hydra.launcher.jobs", "hydra.launcher.mps"),
    *("hydra.sweeper.max_batch_size", "hydra.mode", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir"),
    *("hydra.job.chdir", "hydra.job.env_set", "hydra.job.env_copy", "hydra.job.name", "hydra.searchpath"),
    *("hydra.verbose", "hydra.output_subdir", "hydra.callbacks"),
)
FLAGS = (
    *("--cfg", "--cfg=job", "--info", "--foo", "-cn", "-cp", "-cd", "--resolve", "-p", "-sc", "--run", "--multirun"),
    *("--experimental-rerun=x", "--package=x", "--config-name=nowhere", "--config-dir=/nowhere", "-m", "-i", "-r"),
)


def keys(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a configuration, including groups."""
    for key, value in values.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


OF_RUNS = sorted({*keys(asdict(RunConfig(model=ResNetConfig()))), *keys(asdict(RunConfig(model=DenseNetConfig())))})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces slow work, so that accepted requests do nothing."""

    def nothing(*_: object, **__: object) -> Any:
        return []

    monkeypatch.syspath_prepend(ROOT)
    for slow in (
        *("launching.launch", "drawing.draw_all", "drawing.draw_theory", "drawing.write", "figures.draw"),
        *("theory.atlas.measure_all", "theory.atlas.write", "figures.draw_atlas", "report.page.draw_theory"),
        *("report.page.claims.judge_all", "dashboards.publish.publish"),
    ):
        monkeypatch.setattr(f"scalefree.{slow}", nothing)
    monkeypatch.setattr("scalefree.report.page.figures_section", lambda *_: "")
    monkeypatch.setattr("scalefree.records.environment.manifest", lambda _: None)  # so that nothing is packed
    monkeypatch.setattr("scalefree.launching.test_error", lambda _: 0.5)
    monkeypatch.setattr("benchmarks.suite.run", lambda *_, **__: {})
    monkeypatch.setattr("benchmarks.table.write", nothing)
    monkeypatch.setattr("benchmarks.table.page", lambda _: "")


Ask = Callable[..., int]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], quick: None) -> Ask:
    """Runs a script in an almost empty folder with its own home, and checks how it ended."""
    work, home = tmp_path / "work", tmp_path / "home"
    home.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    (work / "file").write_text("in the way")

    def ask(script: str, arguments: list[str], fine: set[int], lines: int = 1) -> int:
        before = set(work.rglob("*"))
        code = call(script, arguments, monkeypatch)
        out, err = capfd.readouterr()
        where = f"{script} {arguments} -> {code}: {err[:400]}"
        assert code in {0, 2, *fine}, where
        assert all(character.isprintable() or character in "\n\t" for character in out), where
        if code == 2:
            said = err.splitlines()
            assert 1 <= len(said) <= lines and all(line.startswith("error: ") for line in said), where
            assert all(line.isprintable() for line in said), where
            assert set(work.rglob("*")) == before, where
        return code

    return ask


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_do_or_refuse_random_arguments(script: str, ask: Ask) -> None:
    of_script, fine = SCRIPTS[script]
    draw = random.Random(script)
    codes = []
    for _ in range(40):
        chosen = [draw.choice(of_script.split()) for _ in range(draw.choice((0, 1, 1, 1, 2, 3)))]
        arguments = [f"{key}{draw.choice(('=', '=', '=', ''))}{draw.choice(NASTY)}" for key in chosen]
        if draw.random() < 0.2 or script in ("merge.py", "import_wandb.py"):
            arguments.insert(0, draw.choice(NASTY))
        if script == "defect.py":
            arguments.append("page=page.md")  # the default is a page of this repository
        if script == "gpu_session.py":
            arguments.append("profile=smoke experiment=seeds")
        codes.append(ask(script, arguments, fine))
    assert codes.count(2) > 10


def test_control_characters_in_a_folders_name_are_escaped(ask: Ask) -> None:
    Path("\x1b[31m", "runs").mkdir(parents=True)
    results = "results_dir=\x1b[31m"
    for script, arguments in (("status.py", [results]), ("merge.py", ["\x1b[31m", results]), ("sync.py", [results])):
        assert ask(script, arguments, set()) == 0
    assert ask("dashboard_offline.py", [results], {1}) == 1


@pytest.mark.parametrize("multirun", [False, True], ids=["one run", "multirun"])
def test_train_does_or_refuses_random_arguments(multirun: bool, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(f"train {multirun}")
    asked: list[RunConfig] = []
    ended = types.SimpleNamespace(name="run", test_error=0.5)
    monkeypatch.setattr("scalefree.training.run", lambda config: asked.append(config) or (ended, True))
    monkeypatch.setattr("scalefree.records.describe_outcome", lambda _: "test error 0.5")
    codes = []
    for _ in range(60):
        key = draw.choice((*OF_RUNS, *OF_RUNS, *OF_HYDRA))
        how = f"{draw.choice(('', '', '', '', '+', '++', '~'))}{key}{draw.choice(('=', '=', '=', '=', '', '@x='))}"
        arguments = [draw.choice(SENSIBLE) if draw.random() < 0.1 else how + draw.choice(NASTY)]
        if draw.random() < 0.2:
            arguments.append(f"{draw.choice(OF_RUNS)}={draw.choice(NASTY)}")
        if draw.random() < 0.15:
            arguments.insert(0, draw.choice(FLAGS))
        if multirun:
            arguments.insert(0, "-m")
        codes.append(ask("train.py", arguments, set(), lines=3 if multirun else 1))
    assert codes.count(2) > 20 and codes.count(0) >= 4
    assert multirun or len(asked) >= 2


# Python values for keys, as a grid in a YAML file or a caller may pass them: of every type, and of none that fits.
OF_KIND: dict[type, list[Any]] = {
    bool: [True, False],
    int: [-1, 0, 1, 2, 3, 7, 8, 14, 40, 10**9, 2**31, 2**63 - 1, 2**63, 10**400, -(10**400)],
    float: [
        *(0.0, -0.0, 0.1, 0.5, 0.999, 1.0, 1.5, -1.0, 1e-46, 1e-40, 1e30, 1e39, 1e308),
        *(float("nan"), float("inf"), -float("inf")),
    ],
    str: [
        *("", " ", "adamw", "adaml2", "digits", "image_folder", "resnet", "densenet", "cosine", "bf16", "tf32", "none"),
        *("plain", "fast", "fixup", "zero_last", "x" * 300, "a\nb", "\ud800", "\0", "é", "~", "/dev/null", "1e-3"),
    ],
    list: [[], [1], [0.5, 0.5], [0, 0.9], [1.0, 1.0], [None], ["a"], [[1]], ["t" * 65], [10**400], [float("nan"), 0.5]],
}
ANY = [*(value for values in OF_KIND.values() for value in values), None, {}, {"a": 1}, (1, 2), object()]
DEFAULTS = {**asdict(RunConfig(model=DenseNetConfig())), **asdict(RunConfig(model=ResNetConfig()))}
# Numbers of epochs that are merely slow.
LONG = (10**9, 40)


def some_value(key: str, draw: random.Random) -> Any:
    default: Any = DEFAULTS
    for part in key.split("."):
        default = default.get(part) if isinstance(default, dict) else None
    return draw.choice(ANY if draw.random() < 0.3 else OF_KIND.get(type(default), ANY))


def test_random_configurations_are_refused_or_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One or two keys of a tiny run at a time; an accepted run ends with a result."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(2022)
    trained = refused = 0
    for _ in range(400):
        values: dict[str, Any] = {**TINY, "training.epochs": 1, "results_dir": str(tmp_path / "results")}
        for key in draw.sample(OF_RUNS, k=draw.choice((1, 1, 2))):
            value = some_value(key, draw)
            if key != "training.epochs" or value not in LONG:
                values[key] = value
        try:
            finished = run(run_config(values))
        except ValueError as error:  # exit code 2
            assert isinstance(error, ConfigError) or "dataset" in str(error), (values, error)
            refused += 1
            continue
        assert finished.record.outcome.is_result, (values, finished)
        trained += 1
    assert trained > 50 and refused > 150
