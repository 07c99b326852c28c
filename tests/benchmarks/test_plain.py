"""The plain script trains on the folder's images: the programs that are compared do the same work."""

from pathlib import Path

import pytest
import torch

from benchmarks.pictures import make_folder, read_folder
from benchmarks.plain import PlainScript
from benchmarks.stages import CPU_STAGES, CUDA_STAGES, FAST, prepare, stages_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("images") / "made", 40, 20, None)


def test_a_folder_holds_the_same_number_of_images_per_class(folder: Path) -> None:
    dataset = read_folder(folder)
    assert torch.bincount(dataset.train.labels).tolist() == [4] * 10
    assert torch.bincount(dataset.test.labels).tolist() == [2] * 10
    assert dataset.train.images.shape == (40, 3, 32, 32)
    assert len(read_folder(folder, per_class=2).train) == 20


def test_the_plain_script_trains_and_evaluates(folder: Path) -> None:
    script = PlainScript(read_folder(folder), 8, 16, torch.device("cpu"))
    before = [p.detach().clone() for p in script.model.parameters()]
    losses = list(script.steps())
    assert len(losses) == 3 and all(loss > 0 for loss in losses)
    assert not any(torch.equal(p, value) for p, value in zip(script.model.parameters(), before, strict=True))
    assert all(0 <= error <= 1 for error in script.evaluate())


def test_evaluation_images_are_normalized_as_in_the_package(folder: Path) -> None:
    dataset = read_folder(folder)
    script = PlainScript(dataset, 8, 20, torch.device("cpu"))
    ((inputs, labels),) = script.evaluation_loaders[1]
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (dataset.mean, dataset.std))
    torch.testing.assert_close(inputs, (dataset.test.images / 255 - mean) / std, rtol=1e-5, atol=1e-5)
    assert torch.equal(labels, dataset.test.labels)


@pytest.mark.parametrize("stage", CPU_STAGES[1:], ids=lambda stage: stage.name)
def test_every_cpu_stage_trains(stage: object, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.stages.keep_freed_memory", lambda: None)  # this process is not the benchmark's
    chosen = next(one for one in CPU_STAGES if one == stage)
    measure, model = prepare(chosen, folder, 8, 16, torch.device("cpu"))
    before = [p.detach().clone() for p in model.parameters()]
    assert measure(2) > 0
    assert not any(torch.equal(p, value) for p, value in zip(model.parameters(), before, strict=True))


def test_stages_start_with_the_plain_script_and_include_the_fast_runner() -> None:
    for device, stages in (("cpu", CPU_STAGES), ("cuda", CUDA_STAGES)):
        assert stages[0].runner == "script" and FAST[device] in stages
        assert stages_of(torch.device(device))[: len(stages)] == stages  # only named: nothing runs there
        assert len({stage.name for stage in stages}) == len(stages)
