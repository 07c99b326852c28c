"""The fast path is used only if it is equal: deliberate faults are found, and one line says why it is not used."""

import logging
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from conftest import Make
from scalefree.data.augmentation import EpochPlan
from scalefree.training import run
from scalefree.training.fast import captured, proven, speedups
from scalefree.training.fast.captured import CapturedSteps
from scalefree.training.fast.cast_once import CastOnce
from scalefree.training.fast.equality import ALLOWED, Distances, distances
from scalefree.training.fast.flat import FlatParameters
from scalefree.training.fast.proven import why_not
from scalefree.training.fast.whole_device import WholeDevice
from scalefree.training.step import take_step
from scalefree.training.task import Task, load_data
from training.reference import train
from training.test_runners import DEVICES, NETWORKS, OPTIMIZERS, assert_same_bits

CPU = torch.device("cpu")
# Short epochs, so that the short batch is both before and after others, and one longer than the comparison.
KINDS: dict[str, dict[str, Any]] = {
    **NETWORKS,
    **OPTIMIZERS,
    "bf16, bn": {"precision": "bf16", "model.batch_norm": True},
    "long epoch": {"training.batch_size": 5},
    "one batch": {"training.batch_size": 1000},
    "scaled l2 by layer": {"optimizer": "adam_scaled_l2", "optimizer.granularity": "layer"},
    "unbalanced decays": {"optimizer": "adamw", "optimizer.decay_unbalance": 1.0},
    "unbalanced gradients": {"training.gradient_unbalance": 1.0, "optimizer": "adaml2"},
    "no decay": {"optimizer.weight_decay": 0},
    "explodes": {"model.depth": 110},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate user cache for the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "scalefree" / "equality"


def asked(tiny: Make, values: dict[str, Any] | None = None) -> str:
    """Why the fast path of a tiny run may not be used; empty if it may."""
    config = tiny(values)
    return why_not(config, load_data(config.dataset), torch.device(config.device))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_fast_path_is_equal_for_every_kind_of_run(kind: str, device: str, tiny: Make) -> None:
    assert asked(tiny, {**KINDS[kind], "device": device}) == ""


def louder(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """A kernel whose gradient is one per cent too large."""
    task.config.training.loss_multiplier *= 1.01
    loss = take_step(task, inputs, labels)
    task.config.training.loss_multiplier /= 1.01
    return loss / 1.01


def stale(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """A kernel that reads another batch's labels."""
    return take_step(task, inputs, labels.roll(1))


def larger(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """An optimizer whose step is a thousandth too large."""
    before = [p.detach().clone() for p in task.optimized()]
    loss = take_step(task, inputs, labels)
    for p, old in zip(task.optimized(), before, strict=True):
        p.data.add_(p.data - old, alpha=1e-3)
    return loss


def not_a_number(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
    """A kernel that reads uninitialised memory."""
    return take_step(task, inputs, labels) * torch.nan


@pytest.mark.parametrize(
    ("wrong", "told"), [(louder, "gradient"), (stale, "loss"), (larger, "update"), (not_a_number, "loss inf")]
)
def test_a_wrong_kernel_is_found(wrong: Any, told: str, tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captured, "take_step", wrong)
    assert told in asked(tiny)


def test_a_wrong_short_batch_is_found(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    right = CapturedSteps._step

    def wrong(self: CapturedSteps, size: int) -> None:
        if size < self.task.batches.batch_size:
            self.place.sub_(1)
        right(self, size)

    monkeypatch.setattr(CapturedSteps, "_step", wrong)
    assert "loss" in asked(tiny, {"training.batch_size": 6})


def test_wrong_batch_norm_buffers_are_found(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(task: Task, inputs: Tensor, labels: Tensor) -> Tensor:
        loss = take_step(task, inputs, labels)
        for name, buffer in task.model.named_buffers():
            if name.endswith("running_var"):
                buffer.mul_(1.01)
        return loss

    monkeypatch.setattr(captured, "take_step", wrong)
    assert asked(tiny, {"model.batch_norm": True}).startswith("buffers")


def test_a_gradient_that_lacks_a_layer_is_found(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    right = FlatParameters.gather_gradient

    def wrong(self: FlatParameters) -> None:
        right(self)
        assert self.vector.grad is not None
        self.vector.grad[:30] = 0

    monkeypatch.setattr(FlatParameters, "gather_gradient", wrong)
    assert "gradient" in asked(tiny)


def test_shifted_images_are_found(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    right = CapturedSteps._load

    def wrong(self: CapturedSteps, plan: EpochPlan, place: int) -> None:
        right(self, plan, place)
        self.images[:, :, :, 0] = self.images[:, :, :, 1].clone()

    monkeypatch.setattr(CapturedSteps, "_load", wrong)
    assert "loss" in asked(tiny)


def test_a_stale_copy_of_the_weights_is_found(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    right = CastOnce.__call__

    def wrong(self: CastOnce, x: Tensor) -> Tensor:
        now = self.flat.vector.detach().clone()
        self.flat.vector.data.copy_(getattr(self, "before", now))
        try:
            return right(self, x)
        finally:
            self.flat.vector.data.copy_(now)
            self.before = now  # type: ignore[attr-defined]

    assert asked(tiny, {"precision": "bf16"}) == ""
    monkeypatch.setattr(CastOnce, "__call__", wrong)
    assert "loss" in asked(tiny, {"precision": "bf16", "optimizer.eps": 1e-7, "optimizer.lr": 0.1})


def test_a_wrong_update_rule_is_found(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    right = WholeDevice.__torch_dispatch__

    def wrong(self: WholeDevice, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if operation.__name__.startswith("_foreach_lerp_"):
            return right(self, operation, types, (args[0], args[1], 0.2), kwargs)
        return right(self, operation, types, args, kwargs)

    monkeypatch.setattr(speedups, "captures", lambda config, device: config.runner != "plain")
    assert asked(tiny) == ""
    monkeypatch.setattr(WholeDevice, "__torch_dispatch__", wrong)
    assert asked(tiny, {"seed": 5, "optimizer.eps": 1e-7}).startswith("update")


def failing(error: Exception) -> Any:
    """Replaces a method by one that raises and counts its calls."""

    def fail(*arguments: object) -> None:
        fail.calls += 1  # type: ignore[attr-defined]
        raise error

    fail.calls = 0  # type: ignore[attr-defined]
    return fail


def test_a_failed_capture_is_remembered(tiny: Make, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail = failing(RuntimeError("operation not permitted\nwhen stream is capturing"))
    monkeypatch.setattr(CapturedSteps, "_captured", fail)
    expected = "RuntimeError: operation not permitted when stream is capturing"
    assert [asked(tiny), asked(tiny, {"seed": 1, "optimizer.lr": 3e-4})] == [expected] * 2
    assert fail.calls == 1 and len(list(cache.iterdir())) == 1
    assert asked(tiny, {"optimizer": "adaml2"}) == expected
    assert fail.calls == 2, "another kind of run is compared again"


def test_running_out_of_memory_is_not_remembered(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(CapturedSteps, "_warm_up", failing(torch.OutOfMemoryError("CUDA out of memory")))
        assert asked(tiny) == "OutOfMemoryError: CUDA out of memory"
    assert asked(tiny) == ""


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"reason": 3}'])
def test_a_damaged_remembered_answer_is_ignored(
    content: str, tiny: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(tiny) == ""
    (answer,) = cache.iterdir()
    answer.write_text(content)
    monkeypatch.setattr(proven, "distances", failing(RuntimeError("asked again")))
    assert asked(tiny) == "RuntimeError: asked again"


@pytest.mark.parametrize("fact", ["device", "driver", "torch", "code"])
def test_another_machine_or_version_is_compared_again(
    fact: str, tiny: Make, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked(tiny) == ""
    right = proven.kind
    monkeypatch.setattr(proven, "kind", lambda *arguments: {**right(*arguments), fact: "another"})
    assert asked(tiny) == "" and len(list(cache.iterdir())) == 2


def test_a_run_uses_the_plain_loop_if_the_fast_path_is_wrong(
    tiny: Make, everywhere: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(captured, "take_step", stale)
    with caplog.at_level(logging.WARNING):
        found = run(tiny()).record
    (line,) = caplog.messages
    assert line.startswith("using runner=plain instead of runner=auto on this device: loss ") and "\n" not in line
    assert found.environment["runner"] == "plain"
    expected = run(tiny({"runner": "plain", "results_dir": str(tmp_path / "plain")})).record
    assert found.final_metrics == expected.final_metrics


def test_a_run_uses_the_fast_path_if_it_is_equal(
    tiny: Make, everywhere: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert run(tiny()).record.environment["runner"] == "fast"
    assert not caplog.messages


@pytest.mark.parametrize("method", ["_warm_up", "_captured"])
def test_without_memory_for_a_graph_steps_are_taken_one_by_one(
    method: str,
    tiny: Make,
    tmp_path: Path,
    everywhere: None,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The steps that were started leave no trace."""
    right = CapturedSteps._step

    def broken(self: CapturedSteps, size: int) -> Any:
        inputs = self.task.batches.normalization(self.images[self.offsets[:size]])
        self.task.forward(inputs).sum().backward()  # type: ignore[no-untyped-call]
        raise torch.OutOfMemoryError("CUDA out of memory")

    config = tiny({"model.batch_norm": True, "optimizer": "adam_scaled_l2"})
    expected, _ = train(config, tmp_path / "expected.pt")
    assert CapturedSteps._step is right
    monkeypatch.setattr(CapturedSteps, method, broken)
    with caplog.at_level(logging.WARNING):
        found, _ = train(config, tmp_path / "found.pt")
    assert caplog.messages == [
        "a step could not be captured as a graph (CUDA out of memory); steps are launched one by one"
    ]
    assert_same_bits(found, expected)


def test_the_median_and_the_largest_distance_have_separate_tolerances() -> None:
    found = Distances()
    for value in (1e-6, 1e-6, 2e-2):
        found.add("gradient", value)
    assert found.too_large("fp32") == ""
    found.add("gradient", 2e-2)
    found.add("gradient", 2e-2)
    assert found.too_large("fp32").startswith("gradient 2e-02 to 2e-02")


class Rough:
    """Convolutions that round their input at random, to about as many digits as tf32 has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fast: float, plain: float) -> None:
        """`fast` and `plain` are the relative errors of the two runners."""
        self.errors, self.is_fast = {True: fast, False: plain}, False
        self.drawn = torch.Generator().manual_seed(0)
        self.convolve = nn.Conv2d.forward
        monkeypatch.setattr(nn.Conv2d, "forward", lambda *arguments: self.forward(*arguments))
        monkeypatch.setattr(captured, "take_step", self.take_step)

    def forward(self, conv: nn.Conv2d, x: Tensor) -> Tensor:
        if x.dtype == torch.float64:
            return self.convolve(conv, x)
        errors = self.errors[self.is_fast] * torch.randn(x.shape, generator=self.drawn)
        return self.convolve(conv, x * (1 + errors))

    def take_step(self, *arguments: Any) -> Tensor:
        self.is_fast = True
        loss = take_step(*arguments)
        self.is_fast = False
        return loss


@pytest.mark.parametrize("network", ["resnet, bn", "densenet, bn"])
@pytest.mark.parametrize(
    ("fast", "plain", "equal"), [(3e-4, 3e-4, True), (1e-4, 3e-4, True), (3e-4, 0, False), (3e-3, 3e-4, False)]
)
def test_the_fast_path_may_round_no_worse_than_the_plain_loop(
    fast: float, plain: float, equal: bool, network: str, tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients beyond the tolerance count as rounding only if the plain loop's are equally far from float64."""
    config = tiny(NETWORKS[network])
    Rough(monkeypatch, fast, plain)
    found = distances(config, load_data(config.dataset), CPU)
    half, _ = ALLOWED["gradient"]["fp32"]
    assert statistics.median(found.seen["gradient"]) > half, "there is something to decide"
    found.seen["loss"], found.seen["buffers"] = [], []  # which have their own tolerances
    assert (found.too_large("fp32") == "") is equal


def test_gradients_with_huge_rounding_errors_prove_nothing() -> None:
    found = Distances()
    found.add("gradient", 0.6)
    found.add_rounding(0.6, 0.6)
    assert found.too_large("fp32").startswith("gradient 6e-01")


def test_the_exact_gradient_matches_the_plain_loop(tiny: Make) -> None:
    """Including the multipliers of the loss and of every layer."""
    values = {"training.gradient_unbalance": 1.0, "training.loss_multiplier": 10.0, "optimizer": "adaml2"}
    config = tiny(values)
    found = distances(config, load_data(config.dataset), CPU)
    assert 0 < statistics.median(found.rounding["plain"]) < 1e-4


def test_a_step_that_explodes_in_both_is_not_a_difference(tiny: Make) -> None:
    config = tiny({"optimizer.lr": 1e6})
    found = distances(config, load_data(config.dataset), CPU)
    assert found.too_large("fp32") == ""
