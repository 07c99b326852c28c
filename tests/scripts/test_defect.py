"""defect.py: for one optimizer, for all of them, and what it refuses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scalefree.theory import atlas, atlas_subjects
from scalefree.theory.atlas_subjects import Subject, named
from scripts.entry import call, start

OWN = """
import torch

class Own(torch.optim.SGD):
    def __init__(self, params, lr=0.25, weight_decay=0.0):
        super().__init__(params, lr=lr, weight_decay=weight_decay, momentum=0.5)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_optimizer_can_be_measured_with_arguments(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(atlas, "CONDITIONS", {})
    assert (
        call("defect.py", ["target=torch.optim.Adam", "arguments={weight_decay: 1e-4, betas: [0.5, 0.9]}"], monkeypatch)
        == 0
    )
    out, err = capfd.readouterr()
    head, *lines = out.splitlines()
    assert head.startswith("torch.optim.Adam ") and err == ""
    said = {line[2:23].strip(): line[23:51].strip() for line in lines}
    assert "weight_decay=0.0001, betas=(0.5, 0.9)" in out
    row = atlas.measure(named("torch.optim.Adam").with_arguments({"weight_decay": 1e-4, "betas": (0.5, 0.9)}))
    assert float(said["with decay"]) == pytest.approx(row.defect_decay, rel=0.01)
    assert said["decay"] == "coupled" and said["if decoupled"] == "decoupled, lambda lr_t"
    assert "lambda x is added to the gradient" in out


def test_an_optimizer_from_the_current_folder_can_be_measured(folder: Path) -> None:
    (folder / "mine.py").write_text(OWN)
    done = start(folder, "defect.py", "target=mine.Own")
    assert done.returncode == 0 and done.stderr == ""
    assert (
        done.stdout.startswith("mine.Own: not scale-free, with weight decay (coupled) or without\n")
        and "coupled" in done.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["target=torch.optim.Nope"], "target=torch.optim.Nope cannot be imported"),
        (["target=math.sqrt"], "target=math.sqrt is not an optimizer"),
        (["target=torch.optim.Adam", "arguments={weigth_decay: 1}"], "torch.optim.Adam has no argument 'weigth_decay'"),
        (["target=torch.optim.Adam", "arguments={lr: -1}"], "cannot be measured: Invalid learning rate: -1"),
        (["target=torch.optim.Adam", "arguments={lr: fast}"], "torch.optim.Adam cannot be measured: TypeError"),
        (["target=torch.optim.SparseAdam"], "cannot be measured: takes sparse gradients only"),
        (["target=torch.optim.SGD", "arguments={lr: 1e300}"], "cannot be measured: the optimizer diverges"),
        (["target=torch.optim.Adam", "arguments=[1"], "arguments=[1 cannot be read"),
        (["target=torch.optim.Adam", "arguments=5"], "arguments=5 cannot be read"),
        (["target=torch.optim.Adam", "arguments={lr: }"], "arguments={lr: } is not a mapping of names to values"),
        (["target=torch.optim.Adam", "arguments={lr: ${lr}}"], "arguments={lr: ${lr}} cannot be read"),
        (["arguments={lr: 1}"], "arguments= needs target="),
        (["jobs=0"], "jobs=0 is impossible"),
        (["page=3"], "page=3 is not a path"),
        (["targe=torch.optim.Adam"], "unknown argument 'targe=torch.optim.Adam'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nonsense_is_refused_in_one_line_with_exit_code_2(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call("defect.py", arguments, monkeypatch) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.startswith("error: ") and said in err and len(err.splitlines()) == 1


def few(package: str) -> Iterator[Subject]:
    wanted = {"torch.optim": ["torch.optim.Rprop", "torch.optim.SparseAdam"]}
    yield from map(named, wanted.get(package, []))


def test_all_optimizers_are_written_to_a_table_a_page_and_a_figure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(atlas_subjects, "subjects", few)
    assert call("defect.py", ["results_dir=mine", "page=pages/atlas.md"], monkeypatch) == 0
    out, _ = capfd.readouterr()
    assert "1 of 2  torch.optim.Rprop: defect 0\n" in out
    assert "2 of 2  torch.optim.SparseAdam: takes sparse gradients only\n" in out
    rows = atlas.read(Path("mine/atlas.csv"))
    assert [row.name for row in rows] == ["torch.optim.Rprop", "torch.optim.SparseAdam"]
    assert "| torch.optim | Rprop |" in Path("pages/atlas.md").read_text()
    assert {path.name for path in Path("mine/figures/theory").iterdir()} == {"atlas.png", "atlas.pdf"}
    assert "mine/atlas.csv" in out and "pages/atlas.md" in out


def test_without_pytorch_optimizer_the_script_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def missing(package: str) -> Iterator[Subject]:
        if package == "pytorch_optimizer":
            raise ModuleNotFoundError("No module named 'pytorch_optimizer'", name="pytorch_optimizer")
        return few("")

    monkeypatch.setattr(atlas_subjects, "subjects", missing)
    assert call("defect.py", [], monkeypatch) == 1
    assert capfd.readouterr().err == "error: pytorch_optimizer is not installed; make atlas installs it\n"
