"""There is a loadable checkpoint at any moment, and anything else is refused by name."""

import errno
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Make
from scalefree.optim.schedules import set_eta
from scalefree.training import checkpoint
from scalefree.training.checkpoint import CheckpointError
from scalefree.training.trainer import Trainer, steps
from training.reference import trainer_of


def after_steps(trainer: Trainer, count: int) -> Trainer:
    """Takes the first steps of the first epoch."""
    for _, loss in zip(range(count), steps(trainer.task, 0, 0), strict=False):
        trainer.progress.losses[trainer.progress.step] = loss
        trainer.progress.step += 1
    return trainer


def save(trainer: Trainer) -> None:
    checkpoint.save(trainer.checkpoint_path, trainer.identity, trainer.task, trainer.progress)


class Malicious:
    """Unpickling this would call a function."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, ("executed",)


@pytest.fixture
def path(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sound checkpoint after three steps."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "checkpoint.pt"
    save(after_steps(trainer_of(tiny(), path), 3))
    return path


def test_without_a_checkpoint_a_run_starts_from_the_beginning(tiny: Make, tmp_path: Path) -> None:
    assert trainer_of(tiny(), tmp_path / "checkpoint.pt").steps_taken == 0


def test_a_sound_checkpoint_is_loaded_without_pickle(tiny: Make, path: Path) -> None:
    assert trainer_of(tiny(), path).steps_taken == 3
    content = torch.load(path, weights_only=True)
    assert content["format"] == checkpoint.CHECKPOINT_FORMAT and content["progress"]["step"] == 3


def damaged(path: Path) -> dict[str, bytes]:
    whole = path.read_bytes()
    return {
        "empty": b"",
        "truncated": whole[: len(whole) // 2],
        "without its last byte": whole[:-1],
        "text": b"no checkpoint",
        "one byte": b"0",
        "pickle": pickle.dumps({"format": 1}),
        "pickled code": pickle.dumps(Malicious()),
    }


def test_damaged_and_pickled_files_are_refused_by_name(tiny: Make, path: Path) -> None:
    for kind, content in damaged(path).items():
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"checkpoint\.pt is n.*remove it") as caught:
            trainer_of(tiny(), path)
        assert "\n" not in str(caught.value), kind
    assert not Path("executed").exists()


def test_pickled_code_inside_a_checkpoint_is_refused(tiny: Make, path: Path) -> None:
    torch.save({"format": 1, "model": Malicious()}, path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is not a readable checkpoint.*remove it"):
        trainer_of(tiny(), path)
    assert not Path("executed").exists()


def leaves(content: Any, place: str = "") -> dict[str, Any]:
    """Every value of a checkpoint by its place, in a form that `==` compares bit for bit."""
    if isinstance(content, torch.Tensor):
        return {place: (content.dtype, content.shape, content.numpy().tobytes())}
    if not isinstance(content, dict | list | tuple):
        return {place: repr(content)}
    items = content.items() if isinstance(content, dict) else enumerate(content)
    return {name: leaf for key, value in items for name, leaf in leaves(value, f"{place}/{key}").items()}


def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(path: Path) -> None:
    """Bits outside the values (padding, times) may flip; torch itself would load nearly all of these files."""
    whole, device = path.read_bytes(), torch.device("cpu")
    expected = leaves(checkpoint._read(path, device))
    rng = random.Random(2022)
    refused = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        try:
            found = checkpoint._read(path, device)
        except CheckpointError as error:
            assert "checkpoint.pt is no" in str(error) and "remove it" in str(error)
            refused += 1
        else:
            assert leaves(found) == expected
    assert refused > 250


@pytest.mark.parametrize(
    "content",
    [{"format": 99}, {"format": checkpoint.CHECKPOINT_FORMAT}, {"weights": 1}, [1, 2], torch.zeros(3)],
    ids=str,
)
def test_files_of_another_kind_or_version_are_refused(tiny: Make, path: Path, content: Any) -> None:
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt is not a checkpoint of this version.*remove it"):
        trainer_of(tiny(), path)


def test_another_runs_checkpoint_is_refused(tiny: Make, path: Path) -> None:
    other = tiny({"seed": 1})
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt belongs to the run [0-9a-f]{12}, not to"):
        trainer_of(other, path)


@pytest.mark.parametrize(("saved", "asked", "named"), [("plain", "fast", "plain"), ("fast", "plain", "fast")])
def test_another_runners_checkpoint_is_refused(saved: str, asked: str, named: str, tiny: Make, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(after_steps(trainer_of(tiny({"runner": saved}), path), 2))
    with pytest.raises(CheckpointError, match=f"runner={named}"):
        trainer_of(tiny({"runner": asked}), path)
    assert trainer_of(tiny({"runner": saved}), path).steps_taken == 2


def test_another_memory_layout_is_refused(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a run starts on CUDA and resumes on a CPU: the moments would belong to other weights."""
    path = tmp_path / "checkpoint.pt"
    save(after_steps(trainer_of(tiny(), path), 2))
    monkeypatch.setattr(
        "scalefree.training.fast.speedups.memory_format", lambda config, device: torch.contiguous_format
    )
    with pytest.raises(CheckpointError, match="another kind of device"):
        trainer_of(tiny(), path)


Content = dict[str, Any]


def group(content: Content) -> dict[str, Any]:
    found: dict[str, Any] = content["optimizer"]["param_groups"][0]
    return found


def moments(content: Content) -> dict[str, Any]:
    found: dict[str, Any] = content["optimizer"]["state"][0]
    return found


OTHER_CONTENT: dict[str, Callable[[Content], Any]] = {
    "lr": lambda content: group(content).update(lr=0.5),
    "initial_lr": lambda content: group(content).update(initial_lr=0.5),
    "betas": lambda content: group(content).update(betas=(0.5, 0.999)),
    "eps": lambda content: group(content).update(eps=0.5),
    "weight_decay": lambda content: group(content).update(weight_decay=0.5),
    "rule": lambda content: group(content).update(rule="adaml2"),
    "momentum": lambda content: group(content).update(momentum=0.5),
    "groups of parameters": lambda content: content["optimizer"]["param_groups"].append(dict(group(content))),
    "4 steps": lambda content: moments(content)["step"].add_(1),
    "exp_avg of shape": lambda content: moments(content).update(exp_avg=torch.zeros(3)),
    "exp_avg_sq of shape": lambda content: moments(content).update(exp_avg_sq=torch.zeros(())),
    "epoch 2": lambda content: content["progress"].update(epoch=2),
    "epoch -1": lambda content: content["progress"].update(epoch=-1),
    "step 8": lambda content: content["progress"].update(step=8),
    "losses of shape": lambda content: content["progress"].update(losses=torch.zeros(6)),
    "curves of": lambda content: content["progress"].update(curves={"test_error": [0.5]}),
    "unexpected keyword": lambda content: content["progress"].update(lr=0.5),
    "progress": lambda content: content.update(progress=None),
    "Missing key": lambda content: content["model"].popitem(),
    "size mismatch": lambda content: content["model"].update({next(iter(content["model"])): torch.zeros(3)}),
    "sessions": lambda content: content["progress"].update(sessions=["here"]),
}


@pytest.mark.parametrize("runner", ["fast", "plain"])
@pytest.mark.parametrize("named", OTHER_CONTENT)
def test_content_that_does_not_match_the_configuration_is_refused_by_name(
    named: str, runner: str, tiny: Make, tmp_path: Path
) -> None:
    """Otherwise a checkpoint could change the step size and decay of its run."""
    config, path = tiny({"runner": runner, "schedule": "cosine"}), tmp_path / "checkpoint.pt"
    save(after_steps(trainer_of(config, path), 3))
    content = torch.load(path, weights_only=True)
    OTHER_CONTENT[named](content)
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt does not match its run .*remove it") as caught:
        trainer_of(config, path)
    assert (named in str(caught.value) or named == "progress") and "\n" not in str(caught.value)


@pytest.mark.parametrize("runner", ["fast", "plain"])
def test_after_loading_the_optimizer_has_the_configured_settings(runner: str, tiny: Make, tmp_path: Path) -> None:
    """Even in the second epoch of a schedule, and if a captured step had turned numbers into tensors."""
    config = tiny({"runner": runner, "schedule": "cosine", "optimizer.betas": [0.8, 0.9], "optimizer.eps": 1e-6})
    trainer = trainer_of(config, tmp_path / "none.pt")
    expected = {k: v for k, v in trainer.task.optimizer.param_groups[0].items() if k not in ("params", "lr")}
    set_eta(trainer.task.optimizer, 0.5)
    after_steps(trainer, 7)
    trainer.progress.epoch, trainer.progress.step = 1, 0
    trainer.checkpoint_path = tmp_path / "checkpoint.pt"
    found = trainer.task.optimizer.param_groups[0]
    found["lr"], found["weight_decay"] = (torch.tensor(found[k], dtype=torch.float64) for k in ("lr", "weight_decay"))
    save(trainer)
    (loaded,) = trainer_of(config, tmp_path / "checkpoint.pt").task.optimizer.param_groups
    assert {k: v for k, v in loaded.items() if k not in ("params", "lr")} == expected
    assert loaded["lr"] == config.optimizer.lr / 2 and isinstance(loaded["lr"], float)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    "error", [Killed(), OSError(errno.ENOSPC, "No space left on device")], ids=["killed", "full disk"]
)
@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_crash_during_a_save_keeps_the_previous_checkpoint(
    when: str, error: BaseException, tiny: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise error

    trainer = after_steps(trainer_of(tiny({"seed": 0}), path.with_name("none.pt")), 5)
    trainer.checkpoint_path = path
    monkeypatch.setattr(os, when, end)
    with pytest.raises(type(error)):
        save(trainer)
    monkeypatch.undo()
    assert trainer_of(tiny(), path).steps_taken == 3
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]
    save(trainer)
    assert trainer_of(tiny(), path).steps_taken == 5
