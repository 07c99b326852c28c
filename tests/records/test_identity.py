"""A run's identity: every scientific key changes it, no machine key does, and it never changes by accident."""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from scalefree.compose import compose_tree, run_config, to_run_config
from scalefree.config import MACHINE_KEYS, DenseNetConfig, RunConfig, with_values
from scalefree.records import cell_identity, cell_slug, run_identity, run_label, run_name, scientific_config
from scalefree.records.identity import ADDED, identities_of_values, identity_of_values, with_added_keys


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key of a configuration with its value."""
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if dataclasses.is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value


def other(value: Any) -> Any:
    """Another value of the same type; validity does not matter here."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, dict):
        return {**value, "another": 1.0}
    if isinstance(value, list):
        return [*value, other(value[0]) if value else "another"]
    if value is None:
        return 1
    return value + "x" if isinstance(value, str) else value * 2 + 1


def changed(config: RunConfig, key: str) -> RunConfig:
    """A copy with one leaf changed, whatever its type is declared to be."""
    copy = with_values(config, {})
    *parents, leaf = key.split(".")
    node: Any = copy
    for parent in parents:
        node = getattr(node, parent)
    setattr(node, leaf, other(getattr(node, leaf)))
    return copy


def is_machine_key(key: str) -> bool:
    return any(key == machine or key.startswith(f"{machine}.") for machine in MACHINE_KEYS)


@pytest.mark.parametrize("config", [RunConfig(), RunConfig(model=DenseNetConfig())], ids=["resnet", "densenet"])
def test_every_scientific_key_and_no_machine_key_changes_the_identity(config: RunConfig) -> None:
    identities = {"": run_identity(config)}
    machine = set()
    for key, _ in leaves(config):
        identity = run_identity(changed(config, key))
        if is_machine_key(key):
            assert identity == identities[""], f"{key} is a machine key"
            machine.add(key)
        else:
            assert identity not in identities.values(), f"{key} does not change the identity"
            identities[key] = identity
    assert {"device", "runner", "results_dir", "dataset.root", "tracking.mode", "tracking.group"} <= machine
    assert {
        "seed",
        "precision",
        "optimizer.eps",
        "training.loss_multiplier",
        "schedule.name",
    } <= identities.keys()


def test_the_identities_of_the_default_run_and_a_paper_run_have_not_changed() -> None:
    """If these literals change, all earlier records are lost: change an identity format only on purpose."""
    assert run_identity(RunConfig()) == "2b329baab201"
    paper = {
        "dataset": "cifar10",
        "model.depth": 110,
        "model.batch_norm": False,
        "optimizer.weight_decay": 1e-4,
    }
    assert run_identity(run_config(paper)) == "49892aeade24"


def test_the_identity_does_not_depend_on_how_a_number_is_written() -> None:
    def identity(*overrides: str) -> str:
        return run_identity(to_run_config(compose_tree("config", overrides)))

    assert identity("optimizer.weight_decay=0") == identity("optimizer.weight_decay=0.0") == identity()
    assert identity("optimizer.weight_decay=1e-4") == identity("optimizer.weight_decay=0.0001")
    assert identity("optimizer.lr=1") == identity("optimizer.lr=1.0") == identity("optimizer.lr=1e0")
    assert identity("optimizer.betas=[0,0.5]") == identity("optimizer.betas=[0.0,5e-1]")
    assert identity("training.loss_multiplier=100") == run_identity(run_config({"training.loss_multiplier": 100}))
    assert identity("optimizer.betas=[0,0.5]") == run_identity(run_config({"optimizer.betas": [0, 0.5]}))
    assert identity("optimizer.weight_decay=1e-4") != identity("optimizer.weight_decay=1.0000000001e-4")


def test_identity_survives_json() -> None:
    config = run_config({"model": "densenet", "optimizer.lr": 5e-5, "optimizer.weight_decay": 0.1 + 0.2})
    values = scientific_config(config)
    assert identity_of_values(json.loads(json.dumps(values))) == run_identity(config)
    shuffled = dict(reversed(values.items()))
    assert identity_of_values(shuffled) == run_identity(config)


def test_labels_say_what_differs_from_the_usual_protocol() -> None:
    values = {"dataset": "cifar10", "model.depth": 56, "model.batch_norm": False, "optimizer.lr": 5e-4}
    assert run_label(run_config(values)) == "cifar10-resnet56-nobn-adamw-lr5e-4-wd0-seed0"
    unusual = {
        "dataset": "cifar100",
        "model": "densenet",
        "model.growth_rate": 24,
        "optimizer": "adaml2",
        "optimizer.weight_decay": 0.00012,
        "optimizer.eps": 0,
        "seed": 3,
        "schedule": "cosine",
        "training.loss_multiplier": 10,
        "precision": "bf16",
    }
    said = "cifar100-densenet100k24-bn-adaml2-lr1e-3-wd1.2e-4-seed3-cosine-loss10-eps0-bf16"
    assert run_label(run_config(unusual)) == said
    fixup = {"model.width": 8, "model.batch_norm": False, "model.initialization": "fixup"}
    assert run_label(run_config(fixup)).startswith("digits-resnet20w8-nobn-fixup-adamw-")


def test_a_name_is_label_and_identity_and_is_safe_as_a_file_name() -> None:
    config = run_config({"model": "densenet", "schedule": "cosine", "optimizer": "adam_metric_prox"})
    assert run_name(config) == f"{run_label(config)}-{run_identity(config)}"
    assert len(run_identity(config)) == 12 and set(run_identity(config)) <= set("0123456789abcdef")
    assert set(run_name(config)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._") and len(run_name(config)) < 128


ADDED_BY_NAME = {
    "replica": (0, 2),
    "dataset.resolution": (32, 16),
    "optimizer.granularity": ("coordinate", "layer"),
    "optimizer.decay_unbalance": (0, 1.5),
    "training.gradient_unbalance": (0.0, 1.5),
}


# Keys that only torch optimizers have.
OF_TORCH = ("optimizer.target", "optimizer.arguments", "optimizer.decay")


@pytest.mark.parametrize("key", sorted(ADDED.keys() - set(OF_TORCH)))
def test_keys_added_later_do_not_change_older_identities(key: str) -> None:
    usual, other = ADDED_BY_NAME[key]
    optimizer = "adam_scaled_l2" if key == "optimizer.granularity" else "adamw"
    base = {"dataset": "cifar10", "optimizer": optimizer}
    config = run_config(base)
    older = scientific_config(config)
    *parents, leaf = key.split(".")
    node = older
    for parent in parents:
        node = node[parent]
    del node[leaf]
    assert identity_of_values(older) == run_identity(config) == run_identity(run_config({**base, key: usual}))
    assert with_added_keys(older) == scientific_config(config)
    assert run_identity(run_config({**base, key: other})) != run_identity(config)
    assert run_label(run_config({**base, key: other})) != run_label(config)


@pytest.mark.parametrize("optimizer", ["adamw", "adam_scaled_l2"])
def test_records_from_before_torch_optimizers_keep_their_identities(optimizer: str) -> None:
    config = run_config({"dataset": "cifar10", "optimizer": optimizer})
    older = scientific_config(config)
    for key in OF_TORCH:
        del older["optimizer"][key.removeprefix("optimizer.")]
    assert identity_of_values(older) == run_identity(config)
    completed = with_added_keys(older)
    assert completed == scientific_config(config)
    completed["optimizer"]["arguments"]["changed"] = 1
    assert ADDED["optimizer.arguments"] == ({},)


def nadam(**values: Any) -> RunConfig:
    return run_config({"optimizer": "torch", "optimizer.target": "torch.optim.NAdam", **values})


def test_target_and_arguments_are_part_of_identity_and_name() -> None:
    plain = nadam()
    assert run_label(plain) == "digits-resnet20-bn-NAdam-lr1e-3-wd0-seed0"
    decayed = nadam(**{"optimizer.arguments": {"momentum_decay": 4e-3, "betas": [0.9, 0.99]}})
    assert run_label(decayed) == "digits-resnet20-bn-NAdam-lr1e-3-wd0-seed0-betas0.9_0.99-momentum_decay4e-3"
    converted = nadam(**{"optimizer.decay": "lambda", "optimizer.arguments": {"decoupled_weight_decay": True}})
    assert run_label(converted).endswith("-seed0-decay_lambda-decoupled_weight_decaytrue")
    others = [nadam(**{"optimizer.target": target}) for target in ("torch.optim.RAdam", "other.NAdam")]
    assert len({run_identity(config) for config in (plain, decayed, converted, *others)}) == 5
    assert run_identity(plain) == "164aaa8458c3", "a literal: it must never change"


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"k": 5, "b": [1, 0.5]}, {"b": [1.0, 0.5], "k": 5.0}),
        ({"k": 0.0}, {"k": -0.0}),
        ({"k": {"y": 1, "x": 2}}, {"k": {"x": 2, "y": 1}}),
    ],
)
def test_equal_arguments_are_the_same_run(one: dict[str, Any], same: dict[str, Any]) -> None:
    first, second = (nadam(**{"optimizer.arguments": arguments}) for arguments in (one, same))
    assert run_name(first) == run_name(second)


@pytest.mark.parametrize("other", [{"k": 1}, {"k": "1"}, {"k": None}, {"k": [True]}, {"k": False}, {}, {"K": True}])
def test_different_arguments_are_different_runs(other: dict[str, Any]) -> None:
    assert run_identity(nadam(**{"optimizer.arguments": other})) != run_identity(
        nadam(**{"optimizer.arguments": {"k": True}})
    )


def test_any_argument_gives_a_safe_name() -> None:
    """Slashes, spaces, unusual letters, and more characters than fit into a file name."""
    arguments = {"mode": "../a b/\u00e9\n", "long": ["x" * 200], "deep": {"a": [None, True, 1e-12]}}
    name = run_name(nadam(**{"optimizer.arguments": arguments}))
    assert re.fullmatch(r"[A-Za-z0-9._+-]+", name) and len(name) < 200


def test_minus_zero_is_zero() -> None:
    for key in ("optimizer.weight_decay", "optimizer.eps", "dataset.validation_fraction", "optimizer.decay_unbalance"):
        minus = run_config({key: -0.0})
        assert run_name(minus) == run_name(run_config({key: 0.0}))
        assert "-0.0" not in json.dumps(scientific_config(minus))
    assert run_name(run_config({"optimizer.betas": [-0.0, 0.5]})) == run_name(run_config({"optimizer.betas": [0, 0.5]}))
    assert run_name(to_run_config(compose_tree("config", ["optimizer.eps=-0.0"]))) == run_name(
        run_config({"optimizer.eps": 0})
    )


def test_densenets_of_earlier_versions_are_other_runs_but_stay_readable() -> None:
    """Their linear layer started 2.4 times too large; their records keep the identity that they had."""
    config = run_config({"model": "densenet"})
    values = scientific_config(config)
    newest, before = identities_of_values(values)
    assert newest == run_identity(config) != before == identity_of_values(values, 1)
    assert identities_of_values(scientific_config(run_config({}))) == [run_identity(run_config({}))]


def test_every_scientific_key_except_the_seed_changes_the_cell() -> None:
    config = RunConfig()
    for key, value in leaves(config):
        machine = any(key == known or key.startswith(f"{known}.") for known in MACHINE_KEYS)
        same = cell_identity(changed(config, key)) == cell_identity(config)
        assert same == (machine or key == "seed"), (key, value)


def test_a_cells_name_is_its_runs_label_without_the_seed() -> None:
    config = with_values(RunConfig(), {"optimizer.eps": 1e-3, "seed": 7})
    assert run_label(config) == "digits-resnet20-bn-adamw-lr1e-3-wd0-seed7-eps1e-3"
    assert cell_slug(config) == f"digits-resnet20-bn-adamw-lr1e-3-wd0-eps1e-3-{cell_identity(config)}"
    assert cell_slug(with_values(config, {"seed": 8})) == cell_slug(config)
