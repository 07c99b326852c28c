"""Wrong configurations are refused by name before any work."""

import dataclasses
from typing import Any

import pytest
from omegaconf import OmegaConf

from scalefree.compose import compose_tree, run_config, to_run_config
from scalefree.config import (
    ConfigError,
    DenseNetConfig,
    ResNetConfig,
    RunConfig,
    validate,
    with_values,
)
from scalefree.depths import check_densenet_depth, check_resnet_depth


def from_command_line(*overrides: str) -> RunConfig:
    return to_run_config(compose_tree("config", overrides))


def test_the_defaults_are_a_valid_run() -> None:
    config = from_command_line()
    assert (config.dataset.name, config.model.name, config.optimizer.name) == ("digits", "resnet", "adamw")
    assert (config.schedule.name, config.tracking.mode, config.precision) == ("constant", "offline", "fp32")
    assert config.training.epochs == 300 and config.training.batch_size == 128


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("optimizer.weight_dekay=0", "weight_dekay"),
        ("modle=resnet", "modle"),
        ("model.growth_rate=12", "growth_rate"),
        ("+optimizer.momentum=0.9", "momentum"),
        ("+foo=1", "foo"),
        ("model=vgg", "model/vgg"),
        ("optimizer=sgd", "optimizer/sgd"),
        ("~model", "model"),
        ("optimizer.lr=abc", "optimizer.lr"),
        ("optimizer.lr=null", "lr"),
        ("training.epochs=1.5", "training.epochs"),
        ("model.batch_norm=2.5", "model.batch_norm"),
        ("optimizer.betas=0.9", "optimizer.betas"),
        ("seed=first", "seed"),
        ("optimizer.lr", "optimizer.lr"),
        (
            "optimizer=null",
            "optimizer=null is not a valid choice; optimizer takes one name of adam_metric_prox, adam_s",
        ),
        ("tracking=3", "tracking=3 is not a valid choice"),
        ("schedule=", "schedule= is not a valid choice"),
        ("dataset=true", "dataset=true is not a valid choice"),
        ("optimizer=[adamw,adaml2]", r"optimizer=\[adamw,adaml2\] is not a valid choice"),
        ("+dataset=null", "dataset=null is not a valid choice"),
        (
            "hydra/launcher=null",
            "hydra/launcher=null is not a valid choice; .* takes one name of gpu, local, slurm",
        ),
        (f"optimizer.lr={'9' * 400}", "optimizer.lr"),
        (f"seed={'9' * 400}", "seed"),
        (f"seed={'9' * 5000}", "seed=9.*too many digits"),
        ("seed=[1", "seed"),
    ],
)
def test_unknown_keys_and_choices_and_wrong_types_are_refused_by_name(override: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        from_command_line(override)
    assert "\n" not in str(caught.value)


IMPOSSIBLE = {
    "dataset.crop_padding": -1,
    "dataset.validation_fraction": 1.0,
    "dataset.per_class": 0,
    "model.depth": 21,
    "model.width": 0,
    "model.initialization": "xavier",
    "model.name": "densenet",
    "optimizer.name": "sgd",
    "optimizer.lr": 0.0,
    "optimizer.weight_decay": -1e-4,
    "optimizer.eps": -1e-8,
    "optimizer.betas": [0.9, 1.0],
    "training.epochs": 0,
    "training.batch_size": 0,
    "training.loss_multiplier": 0.0,
    "training.evaluate_every": 0,
    "training.histogram_epochs": [0],
    "seed": -1,
    "precision": "fp16",
    "device": "tpu",
    "runner": "turbo",
    "dataset.fingerprint": "00",
}


@pytest.mark.parametrize("key", IMPOSSIBLE)
def test_impossible_values_are_refused_by_key_and_value(key: str) -> None:
    value = IMPOSSIBLE[key]
    config = with_values(RunConfig(), {key: value})
    with pytest.raises(ConfigError) as caught:
        validate(config)
    said = str(caught.value)
    assert key in said and "\n" not in said
    if not isinstance(value, list) and key != "dataset.fingerprint":
        assert f"{key}={value:g}" in said if isinstance(value, float) else f"{key}={value}" in said


TOO_LARGE = {
    "dataset.crop_padding": 1025,
    "dataset.per_class": 2**31,
    "model.depth": 6 * 10**4 + 2,
    "model.width": 4097,
    "training.epochs": 2**31,
    "training.batch_size": 10**399,
    "training.evaluate_every": 2**31,
    "training.histogram_epochs": [2**31],
    "seed": 2**63,
}


@pytest.mark.parametrize("key", TOO_LARGE)
def test_numbers_that_are_too_large_are_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        validate(with_values(RunConfig(), {key: TOO_LARGE[key]}))


def test_an_empty_dataset_root_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.root is empty"):
        validate(with_values(RunConfig(), {"dataset.root": " "}))


def test_a_number_too_large_for_a_float_is_refused_by_key() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr is larger"):
        run_config({"optimizer.lr": 10**400})


def test_a_configuration_that_is_not_a_run_is_refused() -> None:
    with pytest.raises(ConfigError, match="begin its defaults list with"):
        to_run_config(compose_tree("experiments", []))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("key", ["optimizer.lr", "optimizer.weight_decay", "optimizer.eps", "training.loss_multiplier"])
def test_numbers_that_are_not_finite_are_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match=key):
        from_command_line(f"{key}={value}")


TORCH = ("optimizer=torch", "optimizer.target=torch.optim.NAdam")


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (TORCH[:1], r"needs optimizer\.target=CLASS, for example torch\.optim\.NAdam"),
        ((*TORCH[:1], "optimizer.target=NAdam"), r"optimizer\.target=NAdam is not the full name of a class"),
        ((*TORCH[:1], "'optimizer.target=os.system(1)'"), "not the full name of a class|optimizer.target"),
        (
            (*TORCH, "optimizer.betas=[0.8,0.9]"),
            r"optimizer\.betas is not passed .*optimizer\.arguments={betas: \.\.\.}",
        ),
        ((*TORCH, "optimizer.eps=0"), r"optimizer\.eps is not passed"),
        ((*TORCH, "optimizer.decay=coupled"), r"optimizer\.decay=coupled is unknown; choose one of own, lambda"),
        ((*TORCH, "optimizer.arguments={lr: 1}"), r"has lr; set optimizer\.lr"),
        ((*TORCH, "optimizer.arguments={weight_decay: 1}"), r"has weight_decay; set optimizer\.weight_decay"),
        ((*TORCH, "optimizer.arguments={params: 1}"), "'params', which cannot be the name of an argument"),
        ((*TORCH, "optimizer.arguments={a-b: 1}"), "'a-b', which cannot be the name of an argument"),
        ((*TORCH, "optimizer.arguments={k: inf}"), "contains inf, which is not a finite number"),
        ((*TORCH, "optimizer.arguments={k: [{l: nan}]}"), "contains nan"),
        ((*TORCH, "optimizer.arguments={k: {k: {k: {k: {k: 1}}}}}"), "is nested more than 4 levels deep"),
        ((*TORCH, f"optimizer.arguments={{k: {'x' * 1001}}}"), "has a string of 1,001 characters"),
        ((*TORCH, f"optimizer.arguments={{k: {2**53 + 1}}}"), "an integer beyond 2"),
        ((*TORCH, "optimizer.arguments=3"), "optimizer.arguments=3"),
        ((*TORCH[:1], "optimizer.target=torch.optim.SGD", "optimizer.decay=lambda"), r"not known how .*SGD"),
        (
            (
                *TORCH[:1],
                "optimizer.target=timm.optim.AdamWLegacy",
                "optimizer.arguments={corrected_weight_decay: true}",
                "optimizer.decay=lambda",
                "schedule=cosine",
            ),
            "does not follow schedule=cosine",
        ),
        ((*TORCH, "optimizer.lr=-1"), r"optimizer\.lr=-1"),
        (("optimizer.target=torch.optim.NAdam",), "optimizer.target is only for optimizer=torch, not for adamw"),
    ],
)
def test_impossible_torch_optimizers_are_refused(overrides: tuple[str, ...], named: str) -> None:
    with pytest.raises(ConfigError, match=named) as caught:
        from_command_line(*overrides)
    assert "\n" not in str(caught.value)


def test_optimizer_arguments_are_the_same_from_yaml_and_python() -> None:
    arguments = {"a": 4e-3, "b": [0.9, 0.99], "c": True, "d": None, "e": "text, and more", "f": {"g": 1}}
    written = "{a: 4e-3, b: [0.9, 0.99], c: true, d: null, e: 'text, and more', f: {g: 1}}"
    found = from_command_line(*TORCH, f"optimizer.arguments={written}")
    assert found.optimizer.arguments == arguments and type(found.optimizer.arguments["f"]) is dict
    values = {"optimizer": "torch", "optimizer.target": "torch.optim.NAdam", "optimizer.arguments": arguments}
    config = run_config(values)
    assert config == found
    arguments["b"].append(1)  # type: ignore[attr-defined]
    assert config == found, "the arguments are copied"
    assert from_command_line(*TORCH, "optimizer.arguments.a=4e-3").optimizer.arguments == {"a": 4e-3}
    for wrong in ({1: 2}, {"k": (1, 2)}, {"k": object()}):
        with pytest.raises(ConfigError, match=r"optimizer\.arguments"):
            run_config({**values, "optimizer.arguments": wrong})


def test_incompatible_values_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.root"):
        from_command_line("dataset=image_folder")
    with pytest.raises(ConfigError, match="fixup"):
        from_command_line("model.initialization=fixup")
    from_command_line("model.initialization=fixup", "model.batch_norm=false")


def test_refusals_on_the_command_line_and_in_a_grid_are_the_same() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr=-1 is impossible"):
        from_command_line("optimizer.lr=-1")
    with pytest.raises(ConfigError, match=r"optimizer\.lr=-1 is impossible"):
        run_config({"optimizer.lr": -1})
    with pytest.raises(ConfigError, match=r"optimizer\.weight_dekay"):
        run_config({"optimizer.weight_dekay": 0})
    with pytest.raises(ConfigError, match="vgg"):
        run_config({"model": "vgg"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.lr", "1e-3"),
        ("optimizer.lr", True),
        ("training.epochs", 2.0),
        ("model.batch_norm", 1),
        ("dataset.per_class", "ten"),
        ("optimizer.betas", 0.9),
        ("optimizer.betas", [0.9, "high"]),
        ("training.histogram_epochs", [1.5]),
        ("dataset.root", 3),
        ("model", "resnet"),
        ("optimizer.lr.x", 1),
    ],
)
def test_with_values_refuses_wrong_types_by_key(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=key):
        with_values(RunConfig(), {key: value})


def test_with_values_does_not_change_the_original() -> None:
    config = RunConfig()
    before = dataclasses.asdict(config)
    changed = with_values(
        config, {"optimizer.lr": 1, "model.depth": 56, "tracking.tags": ["a"], "dataset.per_class": 5}
    )
    assert dataclasses.asdict(config) == before
    assert changed.model.depth == 56 and changed.tracking.tags == ["a"] and changed.dataset.per_class == 5
    assert type(changed.optimizer.lr) is float
    assert with_values(changed, {"dataset.per_class": None}).dataset.per_class is None


def test_run_config_and_the_command_line_give_the_same() -> None:
    values = {
        "dataset": "cifar10",
        "model": "densenet",
        "schedule": "cosine",
        "optimizer": "adaml2",
        "optimizer.lr": 1e-2,
    }
    assert run_config(values) == from_command_line(*(f"{key}={value}" for key, value in values.items()))
    assert isinstance(run_config({"model": "densenet"}).model, DenseNetConfig)
    assert isinstance(run_config({"model": "resnet"}).model, ResNetConfig)


def test_a_grid_may_give_the_root_of_an_image_folder() -> None:
    assert run_config({"dataset": "image_folder", "dataset.root": "images"}).dataset.root == "images"


def test_configurations_do_not_share_mutable_values() -> None:
    first, second = run_config({"model": "resnet"}), run_config({"model": "resnet"})
    first.optimizer.lr = 7.0
    first.tracking.group = "changed"
    assert second.optimizer.lr == 1e-3 and second.tracking.group is None


def test_composed_configurations_are_typed() -> None:
    config = from_command_line("optimizer.weight_decay=0", "optimizer.betas=[0,1e-1]")
    assert type(config.optimizer.weight_decay) is float
    assert [type(beta) for beta in config.optimizer.betas] == [float, float]
    assert dataclasses.is_dataclass(config.model)
    assert not OmegaConf.is_config(config.training.histogram_epochs)


@pytest.mark.parametrize(("depth", "nearest"), [(21, "20, 26"), (109, "104, 110"), (3, "8"), (-4, "8"), (2, "8")])
def test_an_impossible_resnet_depth_names_the_nearest(depth: int, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"depth={depth} .*nearest: {nearest}$"):
        check_resnet_depth(depth)


@pytest.mark.parametrize(("depth", "nearest"), [(101, "100, 106"), (4, "10"), (11, "10, 16")])
def test_an_impossible_densenet_depth_names_the_nearest(depth: int, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"depth={depth} .*nearest: {nearest}$"):
        check_densenet_depth(depth)


def test_possible_depths_give_their_n() -> None:
    assert [check_resnet_depth(depth) for depth in (8, 20, 44, 56, 110, 218)] == [1, 3, 7, 9, 18, 36]
    assert check_densenet_depth(100) == 16
