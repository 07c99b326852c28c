"""Any torch optimizer by name: which are refused, and how the others are built, train, resume and are measured."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from conftest import Make
from scalefree.config import ConfigError, OptimizerConfig
from scalefree.optim.schedules import cosine, set_eta
from scalefree.optimizers import BY_CHANGE
from scalefree.records import Store
from scalefree.training import Interrupted, run
from scalefree.training.any_torch import build, try_out
from training.disturbed import at_steps
from training.reference import train, train_by_the_book, trainer_of
from training.test_resume import assert_same, result

NADAM: dict[str, Any] = {
    "optimizer": "torch",
    "optimizer.target": "torch.optim.NAdam",
    "optimizer.arguments": {"momentum_decay": 4e-3},
}


def of(target: str, **values: Any) -> OptimizerConfig:
    return OptimizerConfig(name="torch", target=target, **values)


def odd(name: str, **values: Any) -> OptimizerConfig:
    return of(f"training.odd_optimizers.{name}", **values)


REFUSED: dict[str, tuple[OptimizerConfig, str]] = {
    "no such package": (of("no_such_package.Lion"), "cannot be imported: No module named 'no_such_package'"),
    "no such class": (of("torch.optim.Nadam"), "cannot be imported: .*'Nadam'"),
    "a function": (odd("not_a_class"), r"is not a subclass of torch\.optim\.Optimizer"),
    "another class": (of("collections.OrderedDict"), r"is not a subclass of torch\.optim\.Optimizer"),
    "the base class": (of("torch.optim.Optimizer"), "does not take lr"),
    "one of ours": (of("scalefree.optim.AdamProx"), "choose it with optimizer=adamprox"),
    "unknown argument": (
        of("torch.optim.NAdam", arguments={"momentum": 0.9}),
        "does not take momentum; it takes .*eps",
    ),
    "wrong argument": (of("torch.optim.SGD", arguments={"momentum": -1}), "Invalid momentum value: -1"),
    "dropped argument": (odd("DropsUnknownArguments", arguments={"betaz": 1}), "does not take betaz"),
    "no weight decay": (of("torch.optim.Rprop", weight_decay=0.1), "does not take weight_decay"),
    "a weight decay of its own": (odd("DecaysBehindTheBack"), "has its own decay"),
    "closure": (of("torch.optim.LBFGS"), "needs a closure"),
    "sparse": (of("torch.optim.SparseAdam"), "does not support dense gradients"),
    "matrices": (of("torch.optim.Muon"), "only supports 2D parameters"),
    "no lr": (odd("HasNoLr"), "keeps no lr"),
    "modes": (odd("WantsItsModes"), r"train\(\) and eval\(\)"),
    "second step": (odd("RaisesInItsSecondStep"), "cannot take a step: one step is enough"),
    "hidden state": (odd("KeepsStateElsewhere"), "does not continue bit for bit"),
    "random": (odd("DrawsAtRandom"), "does not continue bit for bit"),
    "objects": (odd("KeepsAnObject"), "without pickle"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_optimizers_that_cannot_train_are_refused_in_one_line(why: str) -> None:
    chosen, said = REFUSED[why]
    before = torch.random.get_rng_state()
    with pytest.raises(ConfigError, match=said) as refused:
        try_out(chosen)
    assert "\n" not in str(refused.value) and str(chosen.target) in str(refused.value)
    assert torch.equal(torch.random.get_rng_state(), before)


TORCHS = ("ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop")
ACCEPTED = {
    **{name: of(f"torch.optim.{name}") for name in TORCHS},
    "SGD": of("torch.optim.SGD"),
    "decoupled": of("torch.optim.NAdam", arguments={"decoupled_weight_decay": True}, weight_decay=1e-3, decay="lambda"),
    "lists": of("torch.optim.Adam", arguments={"betas": [0.8, 0.99], "amsgrad": True, "foreach": None}),
    "doubles": odd("KeepsDoublesAndIntegers"),
    "arguments through its base": odd("Descent", arguments={"anything": 3}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_optimizers_that_can_train_are_accepted(name: str) -> None:
    try_out(ACCEPTED[name])


@pytest.mark.parametrize("chosen", [REFUSED["closure"][0], REFUSED["no such package"][0]], ids=["closure", "package"])
def test_a_run_is_refused_before_anything_is_written(chosen: OptimizerConfig, tiny: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(chosen.target)):
        run(tiny({"optimizer": "torch", "optimizer.target": chosen.target, "optimizer.weight_decay": 0}))
    assert list(tmp_path.iterdir()) == []


def test_a_finished_record_does_not_need_its_optimizers_package(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny({**NADAM, "training.epochs": 1})
    record = run(config).record
    monkeypatch.delattr(torch.optim, "NAdam")
    assert run(config).record == record


def parameters(count: int = 2) -> list[nn.Parameter]:
    draw = torch.Generator().manual_seed(3)
    return [nn.Parameter(torch.randn(3, 2, generator=draw, dtype=torch.float64)) for _ in range(count)]


def test_settings_and_arguments_are_passed_to_the_optimizer() -> None:
    chosen = of("torch.optim.NAdam", lr=0.01, weight_decay=0.02, arguments={"momentum_decay": 1, "betas": [0.5, 0.9]})
    (group,) = build(chosen, parameters()).param_groups
    assert (group["lr"], group["initial_lr"], group["weight_decay"]) == (0.01, 0.01, 0.02)
    assert (group["momentum_decay"], group["betas"], group["eps"]) == (1, [0.5, 0.9], 1e-8)
    group["betas"].append(7)
    assert chosen.arguments["betas"] == [0.5, 0.9], "the configuration is not changed"
    # torch's default is 0.01, and the configuration says 0.
    assert build(of("torch.optim.AdamW"), parameters()).param_groups[0]["weight_decay"] == 0


@pytest.mark.parametrize("target", ["AdamW", "Adam", "NAdam", "RAdam", "Adafactor"])
def test_a_converted_decay_follows_the_papers_rule_under_a_schedule(target: str) -> None:
    """x <- (1 - lambda eta) x before the step without decay; moments do not include the decay."""
    flagged = target in ("Adam", "NAdam", "RAdam")
    arguments = {"decoupled_weight_decay": True} if flagged else {}
    decay, alpha = 0.3, 0.02
    chosen = of(f"torch.optim.{target}", lr=alpha, arguments=arguments)
    (x,), (plain,) = parameters(1), parameters(1)
    decayed = build(of(f"torch.optim.{target}", lr=alpha, arguments=arguments, weight_decay=decay, decay="lambda"), [x])
    without = build(chosen, [plain])
    draw = torch.Generator().manual_seed(4)
    for step in range(5):
        eta = cosine(step, 5)
        set_eta(decayed, eta)
        set_eta(without, eta)
        gradient = torch.randn(x.shape, generator=draw, dtype=torch.float64)
        x.grad, plain.grad = gradient.clone(), gradient.clone()
        before = x.detach().clone()
        with torch.no_grad():
            plain.copy_(x)
        decayed.step()
        without.step()
        step_alone = plain.detach() - before
        torch.testing.assert_close(x.detach(), (1 - decay * eta) * before + step_alone, rtol=1e-12, atol=1e-12)


def test_schedules_set_lr_as_torchs_do() -> None:
    ours, theirs = parameters(), parameters()
    optimizer = build(of("torch.optim.NAdam", lr=0.01), ours)
    other = torch.optim.NAdam(theirs, lr=0.01)
    scheduler = CosineAnnealingLR(other, T_max=6)
    draw = torch.Generator().manual_seed(5)
    for epoch in range(6):
        set_eta(optimizer, cosine(epoch, 6))
        assert optimizer.param_groups[0]["lr"] == pytest.approx(other.param_groups[0]["lr"], rel=1e-12)
        for p, q in zip(ours, theirs, strict=True):
            p.grad = torch.randn(p.shape, generator=draw, dtype=torch.float64)
            q.grad = p.grad.clone()
        optimizer.step()
        other.step()
        scheduler.step()
    for p, q in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-12, atol=0)


@pytest.mark.parametrize("runner", ["plain", "fast"])
def test_a_training_equals_the_reference(runner: str, tiny: Make, tmp_path: Path) -> None:
    """The reference's own loop with torch.optim.AdamW at lambda / alpha."""
    config = tiny({"optimizer.weight_decay": 1e-3, "optimizer.lr": 1e-4, "schedule": "cosine", "runner": runner})
    expected = train_by_the_book(config)
    values = {"optimizer": "torch", "optimizer.target": "torch.optim.AdamW", "optimizer.decay": "lambda"}
    trainer, outcome = train(
        tiny({**values, "optimizer.lr": 1e-4, "schedule": "cosine", "runner": runner}), tmp_path / "checkpoint.pt"
    )
    assert outcome.status == "completed" and trainer.task.fast.flat is None
    theirs = expected.model.state_dict()
    for name, p in trainer.task.model.state_dict().items():
        torch.testing.assert_close(p, theirs[name], rtol=1e-4, atol=1e-6)
    assert trainer.progress.curves["test_error"] == expected.test_error


RESUMED = {
    "NAdam": NADAM,
    "SGD": {"optimizer.target": "torch.optim.SGD", "optimizer.arguments": {"momentum": 0.9, "nesterov": True}},
    "Adafactor": {"optimizer.target": "torch.optim.Adafactor"},
    "doubles": {"optimizer.target": "training.odd_optimizers.KeepsDoublesAndIntegers", "optimizer.weight_decay": 0},
}


@pytest.mark.parametrize("runner", ["plain", "fast"])
@pytest.mark.parametrize("name", RESUMED)
def test_an_interrupted_and_resumed_training_equals_an_uninterrupted_one(
    name: str, runner: str, tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny({"optimizer": "torch", **RESUMED[name], "schedule": "cosine", "runner": runner})
    expected, outcome = train(config, tmp_path / "uninterrupted.pt")
    at_steps(monkeypatch, dict.fromkeys([1, 6, 8], signal.SIGTERM))
    for _ in range(3):
        with pytest.raises(Interrupted):
            train(config, tmp_path / "checkpoint.pt")
    resumed, again = train(config, tmp_path / "checkpoint.pt")
    assert again == outcome
    assert_same(resumed, expected)
    for theirs, ours in zip(expected.task.optimizer.state.values(), resumed.task.optimizer.state.values(), strict=True):
        assert {key: getattr(value, "dtype", None) for key, value in ours.items()} == {
            key: getattr(value, "dtype", None) for key, value in theirs.items()
        }


def test_an_interrupted_run_ends_with_the_record_of_an_uninterrupted_one(
    tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = result(tiny({**NADAM, "results_dir": str(tmp_path / "uninterrupted")}))
    at_steps(monkeypatch, {9: signal.SIGTERM})
    with pytest.raises(Interrupted):
        run(tiny(NADAM))
    assert result(tiny(NADAM)) == expected


def test_a_checkpoint_of_another_runner_is_refused(tiny: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both work on the same list of parameters, but sum gradients in a different order."""
    at_steps(monkeypatch, {2: signal.SIGTERM})
    with pytest.raises(Interrupted):
        train(tiny({**NADAM, "runner": "plain"}), tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="runner=plain"):
        trainer_of(tiny({**NADAM, "runner": "fast"}), tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("runner", ["plain", "fast"])
def test_the_update_is_the_change_of_the_parameters_over_alpha(runner: str, tiny: Make, tmp_path: Path) -> None:
    """Including decay and schedule, at each epoch's first step."""
    values = {**NADAM, "optimizer.lr": 2e-3, "optimizer.weight_decay": 0.1, "schedule": "cosine", "runner": runner}
    trainer = trainer_of(tiny(values), tmp_path / "checkpoint.pt")
    model, at = trainer.task.model, []

    def remember(*_: object) -> None:
        at.append(torch.cat([p.detach().reshape(-1).clone() for p in model.parameters()]))

    trainer.task.optimizer.register_step_pre_hook(remember)
    trainer.train()
    progress = trainer.progress
    assert progress.histogram_steps == [1, 8]
    for measured, step in enumerate((0, 7)):
        moved = ((at[step + 1] - at[step]) / 2e-3).abs().numpy()
        moving = np.log2(moved[moved > 1e-8].astype(np.float64))
        scalars = progress.scalars["update_scale/network"][measured]
        assert scalars["q50"] == pytest.approx(np.quantile(moving, 0.5), abs=1e-6)
        assert scalars["std"] == pytest.approx(moving.std(), rel=1e-5)
    assert not progress.scalars_of("effective_decay"), "unknown for torch optimizers"


def test_the_record_describes_the_optimizer(tiny: Make) -> None:
    config = tiny(NADAM)
    record = run(config).record
    assert record.outcome.status == "completed" and record.update == BY_CHANGE and not record.effective_decay
    assert record.config["optimizer"]["target"] == "torch.optim.NAdam"
    assert record.config["optimizer"]["arguments"] == {"momentum_decay": 4e-3}
    assert record.name.startswith("digits-resnet8w4-nobn-NAdam-lr1e-3-wd1e-3-seed0-momentum_decay4e-3-")
    assert Store(config.results_dir).read(record.name) == record


def test_layer_gradients_are_multiplied_for_torch_optimizers_too(tiny: Make, tmp_path: Path) -> None:
    sgd = {"optimizer": "torch", "optimizer.target": "torch.optim.SGD", "optimizer.weight_decay": 0}
    trainer = trainer_of(tiny({**sgd, "training.gradient_unbalance": 2.0}), tmp_path / "checkpoint.pt")
    plain = trainer_of(tiny(sgd), tmp_path / "checkpoint.pt")
    next(iter(trainer.steps(0, 0)))
    next(iter(plain.steps(0, 0)))
    ratios = [
        float(g.norm() / h.norm())
        for g, h in zip(trainer.task.gradients().values(), plain.task.gradients().values(), strict=True)
    ]
    assert min(ratios) == pytest.approx(1e-2, rel=1e-3) and max(ratios) == pytest.approx(1e2, rel=1e-3)
