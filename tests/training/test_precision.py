"""Precisions: bf16 computes in bfloat16 and keeps float32 weights; tf32 is refused if it does not exist."""

from pathlib import Path

import pytest
import torch

from conftest import Make
from scalefree.config import ConfigError
from scalefree.training import run
from scalefree.training.device import choose_device, set_precision
from scalefree.training.task import build_task, load_data
from training.reference import train, trainer_of


@pytest.mark.parametrize("batch_norm", [False, True])
def test_bf16_trains_close_to_fp32_and_keeps_float32_weights(batch_norm: bool, tiny: Make, tmp_path: Path) -> None:
    values = {"model.batch_norm": batch_norm}
    exact, _ = train(tiny(values), tmp_path / "fp32.pt")
    rough, outcome = train(tiny({**values, "precision": "bf16"}), tmp_path / "bf16.pt")
    assert outcome.status == "completed"
    assert {value.dtype for value in rough.task.model.parameters()} == {torch.float32}
    expected, found = exact.progress.curves["batch_loss"], rough.progress.curves["batch_loss"]
    assert found != expected, "bf16 has computed in float32"
    assert found == pytest.approx(expected, rel=0.05)


def test_under_bf16_the_forward_pass_is_bfloat16_and_the_loss_float32(tiny: Make, tmp_path: Path) -> None:
    trainer = trainer_of(tiny({"precision": "bf16", "training.epochs": 1}), tmp_path / "checkpoint.pt")
    seen = set()
    trainer.task.model.get_submodule("stage1").register_forward_hook(
        lambda module, inputs, output: seen.add(output.dtype)
    )
    trainer.train()
    assert torch.bfloat16 in seen and torch.float32 not in seen
    assert trainer.progress.losses.dtype == torch.float32


def test_tf32_is_refused_on_a_cpu_and_nothing_is_written(tiny: Make) -> None:
    config = tiny({"precision": "tf32"})
    with pytest.raises(ConfigError, match=r"precision=tf32 .*precision=fp32"):
        run(config)
    assert not Path(config.results_dir).exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_is_refused_if_there_is_none(tiny: Make) -> None:
    with pytest.raises(ConfigError, match="device=cuda"):
        run(tiny({"device": "cuda"}))
    assert choose_device("auto") == choose_device("cpu") == torch.device("cpu")


def test_tf32_is_for_convolutions_only_as_by_torchs_default() -> None:
    for precision, expected in (("tf32", True), ("fp32", False), ("tf32", True), ("bf16", False)):
        set_precision(precision)
        assert torch.backends.cudnn.allow_tf32 is expected
        assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.get_float32_matmul_precision() == "highest"


def test_building_a_task_sets_the_precision(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise torch would use tf32, and kernels whose sums depend on the order of threads."""
    for name, default in (("allow_tf32", True), ("deterministic", False), ("benchmark", True)):
        monkeypatch.setattr(torch.backends.cudnn, name, default)
    config = tiny()
    build_task(config, load_data(config.dataset), torch.device("cpu"))
    cudnn = torch.backends.cudnn
    assert (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark) == (False, True, False)
