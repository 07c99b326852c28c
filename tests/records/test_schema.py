"""Every entry of a record is checked when it is read: a wrong one is refused by name and costs no other record."""

import copy
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from records.made_up import CURVES, HISTOGRAMS, put, record
from scalefree.compose import run_config
from scalefree.config import RunConfig
from scalefree.optimizers import BY_CHANGE, OPTIMIZERS
from scalefree.records import Outcome, RecordError, Store, run_name
from scalefree.records.archive import sound_archives
from scalefree.records.identity import identity_of_values
from scalefree.records.reading import LARGEST_DOCUMENT
from scalefree.records.record import from_document

SCRIPT = "<script>alert(1)</script>"
HUGE = 10**400
NAN, INFINITY = float("nan"), float("inf")

# Dotted entries, and values that they must not have.
WRONG: dict[str, list[Any]] = {
    "format": [True, 1.0, 2, "1", None, [1]],
    "identity": [None, 5, "0" * 12, "../../x"],
    "name": [None, 5, "", "zzz", "../..", "/tmp/x", "\x1b[31mred", "a\nerror: b", SCRIPT, "x" * 300, "a\0b"],
    "config": [None, [1], {}, "x"],
    "config.dataset": [None, {}, [], "digits", {"name": "digits"}],
    "config.dataset.name": [SCRIPT, None, 5, "image_folder"],
    "config.dataset.validation_fraction": [None, "0.1", -1, 2, True, 0.1],
    "config.dataset.root": [None, "/data"],
    "config.model": [None, {}, "resnet"],
    "config.model.name": ["vit", "densenet", None, {}],
    "config.model.depth": ["20", None, 21, HUGE, 20.0, True],
    "config.model.batch_norm": ["maybe", None, 1],
    "config.optimizer.name": ["lion", None, ["adamw"]],
    "config.optimizer.lr": ["fast", None, -1.0, 0, HUGE, 1],
    "config.optimizer.betas": [[0.9], [0.9, 2.0], "x", None, [[0.9, 0.999]]],
    "config.optimizer.momentum": [0.9],
    "config.optimizer.target": ["torch.optim.NAdam", 5, SCRIPT],
    "config.optimizer.arguments": [{"a": 1}, None, [], {"a": {"b": {"c": {"d": {"e": 1}}}}}, {"a": NAN}, {"a": HUGE}],
    "config.optimizer.decay": ["lambda", None],
    "config.training": [None, {}, []],
    "config.training.epochs": [0, "2", None, 2.0, HUGE],
    "config.training.histogram_epochs": [None, [0], ["1"], 5, [[1]]],
    "config.seed": ["x", None, -1, 0.0, HUGE, True],
    "config.device": ["cuda"],
    "config.tracking": [{}, {"mode": "none"}],
    "outcome": [None, [], "completed", {}],
    "outcome.status": [None, "finished", ["completed"], {}, "failed", "diverged", True],
    "outcome.step": ["3", -1, None, 1.5, True, HUGE, 1],
    "outcome.reason": [None, 5, ["x"], "x" * 200_000],
    "outcome.when": ["now"],
    "environment": [None, [], "x"],
    "environment.packages": [None, ["torch"], {"torch": 2}, {"torch": ["2"]}],
    "environment.commit": [{"a": 1}, 5, ["x"], "x" * 2000],
    "environment.uncommitted_changes": ["no", 0, {}],
    "environment.device": ["x" * 2000, NAN, {"a": {"b": {"c": {"d": 1}}}}],
    "fingerprints": [None, ["a"], {}, {"train": "ab" * 32}],
    "fingerprints.train": [5, None, "ab", "AB" * 32, "ab" * 33, SCRIPT],
    "fingerprints.validation": ["ef" * 32],
    "final_metrics": [None, [], {}],
    "final_metrics.final_test_error": [NAN, INFINITY, -INFINITY, True, HUGE, "0.1", [0.1], -0.1, 1.1, None, 0.125001],
    "final_metrics.final_train_loss": ["x", -1, NAN, [1], None, 0.3],
    "final_metrics.final_validation_error": ["abc", NAN, -3.0, 7, [1], INFINITY, 0.5],
    "final_metrics.lowest_test_error": ["x", 2, NAN, 0.1],
    "final_metrics.surprise": [0.5],
    "update_scale": [None, {}, [], 3],
    "update_scale.network": [None, [], "x"],
    "update_scale.network.iqr": ["x", NAN, -1, None, 1e308],
    "update_scale.network.q05": [INFINITY, "x"],
    "update_scale.network.share_underflow": [2, -1],
    "update_scale.<img>": [{}],
    "update": [None, 5, "x", BY_CHANGE],
    "timing": [None, {}, [], "x"],
    "timing.wall_seconds": ["x", NAN, -5, INFINITY, 1e308, None, True],
    "timing.images_per_second": ["x", NAN, -1],
    "parameters": ["x", None, 0, -1, 1.5, True, HUGE],
    "checksum": [None, 5, "ab", "0" * 64],
    "array_checksums": [None, [], {}, {"curves": "0" * 64}, {"curves": "0" * 64, "histograms": "0" * 64}],
    "surprise": [1, None],
}
CASES = [(place, value) for place, values in WRONG.items() for value in values]
# With an identity and a name that match the edited configuration, as in a record of another version.
CONSISTENT = [(place, value) for place, value in CASES if place.startswith("config")]


def names_of(cases: list[tuple[str, Any]]) -> list[str]:
    return [f"{place}-{number}" for number, (place, _) in enumerate(cases)]


def edited(document: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(document)
    *parents, leaf = place.split(".")
    node: Any = made
    for parent in parents:
        node = node.setdefault(parent, {})
    node[leaf] = value
    return made


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return record().document()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the record to edit, which `store` restores afterwards, and a sound one."""
    found = Store(tmp_path_factory.mktemp("shared"))
    for seed in range(2):
        found.write(record(run_config({"seed": seed})), CURVES, HISTOGRAMS)
    return found


@pytest.fixture
def store(shared: Store, document: dict[str, Any]) -> Iterator[Store]:
    yield shared
    (shared.directory(record().name) / "record.json").write_text(json.dumps(document))


def assert_refused(store: Store, text: str, caplog: pytest.LogCaptureFixture, name: str | None = None) -> str:
    """Asserts that reading names the file in one short line and still finds the other record."""
    sound, victim = record(run_config({"seed": 1})), name or record().name
    path = store.directory(record().name).rename(store.directory(victim))
    try:
        (path / "record.json").write_text(text)
        with caplog.at_level(logging.WARNING):
            assert list(store.records()) == [sound.identity]
    finally:
        path.rename(store.directory(record().name))
    (said,) = [entry.getMessage() for entry in caplog.records]
    assert str(path / "record.json") in said or str(path / "curves.npz") in said
    assert said.isprintable() and len(said) < 3000
    return said


@pytest.mark.parametrize(("place", "value"), CASES, ids=names_of(CASES))
def test_an_impossible_entry_is_refused(
    place: str, value: Any, document: dict[str, Any], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    said = assert_refused(store, json.dumps(edited(document, place, value)), caplog)
    if place.startswith(("environment", "timing", "parameters")) and "NaN" not in said and "Infinity" not in said:
        assert place.split(".")[-1] in said, "the entry is named"


def forged_identity(values: Any) -> str:
    """The identity of a configuration; anything that is not one is hashed as it is."""
    try:
        return identity_of_values(values)
    except (AttributeError, KeyError, TypeError):
        text = json.dumps([1, values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


@pytest.mark.parametrize(("place", "value"), CONSISTENT, ids=names_of(CONSISTENT))
def test_an_impossible_configuration_is_refused_even_if_its_name_matches(
    place: str, value: Any, document: dict[str, Any], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    made = edited(document, place, value)
    made["identity"] = forged_identity(made["config"])
    made["name"] = made["name"].replace(document["identity"], made["identity"])
    if place == "config.optimizer.lr" and value == 1:
        made["name"] = run_name(run_config({"optimizer.lr": 1.0, "training.epochs": 2}))[:-12] + made["identity"]
    assert_refused(store, json.dumps(made), caplog, made["name"])


@pytest.mark.parametrize("place", ["config", "outcome", "environment", "fingerprints", "final_metrics", "update_scale"])
@pytest.mark.parametrize("key", ["\x1b[2J", SCRIPT, "", "x" * 1_000_000], ids=["escape", "markup", "empty", "long"])
def test_a_strange_key_is_refused_or_harmless(
    place: str, key: str, document: dict[str, Any], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    made = copy.deepcopy(document)
    made[place][key] = "x"
    if place == "environment" and len(key) <= 100 and key.isprintable():
        assert from_document(made, "here").environment[key] == "x", "shown as text, and escaped in the report"
    else:
        assert_refused(store, json.dumps(made), caplog)


RAW: dict[str, Callable[[str], str]] = {
    "deep list": lambda text: "[" * 200_000,
    "deep mapping": lambda text: '{"a":' * 100_000,
    "a deep value": lambda text: text[:-1] + ', "environment": ' + "[" * 900 + "]" * 900 + "}",
    "a repeated key": lambda text: text[:-1] + ', "outcome": {"status": "completed", "step": 24, "reason": ""}}',
    "a repeated inner key": lambda text: text.replace('"step": 24', '"step": 24, "step": 24'),
    "NaN": lambda text: text.replace('"wall_seconds": 2.5', '"wall_seconds": NaN'),
    "Infinity": lambda text: text.replace('"wall_seconds": 2.5', '"wall_seconds": Infinity'),
    "a number that overflows": lambda text: text.replace('"wall_seconds": 2.5', '"wall_seconds": 1e999'),
    "a number of 5,000 digits": lambda text: text.replace('"parameters": 1234', '"parameters": ' + "9" * 5000),
    "a byte order mark": lambda text: "\ufeff" + text,
    "trailing text": lambda text: text + "x",
    "a trailing zero byte": lambda text: text + "\0",
    "a lone surrogate as a key": lambda text: text.replace('"format"', '"\\ud800": 1, "format"'),
    "too large": lambda text: text + " " * LARGEST_DOCUMENT,
}


@pytest.mark.parametrize("kind", RAW)
def test_text_that_is_not_plain_json_is_refused(
    kind: str, document: dict[str, Any], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps(document)
    assert RAW[kind](text) != text
    assert_refused(store, RAW[kind](text), caplog)


def test_other_encodings_are_refused(document: dict[str, Any], store: Store) -> None:
    path = store.directory(record().name) / "record.json"
    for encoding in ("utf-16", "utf-32"):
        path.write_bytes(json.dumps(document).encode(encoding))
        with pytest.raises(RecordError, match=r"record\.json is damaged"):
            store.read(record().name)


def test_a_second_record_of_a_run_is_an_error_that_names_both(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Even if its name ends with the identity: only the configuration decides the name."""
    store, mine = Store(tmp_path), record()
    store.write(mine, CURVES, HISTOGRAMS)
    shadow = record(name=f"zzz-{mine.identity}", test_error=0.0)
    put(store, shadow, CURVES, HISTOGRAMS)
    with caplog.at_level(logging.WARNING):
        found = store.records()
    assert found == {mine.identity: mine}
    assert shadow.name in caplog.text and mine.name in caplog.text and "second record of that run" in caplog.text


def test_a_completed_run_must_have_the_errors_that_its_configuration_requires(tmp_path: Path) -> None:
    store = Store(tmp_path)
    config = run_config({"dataset.validation_fraction": 0.1})
    put(store, record(config), CURVES, HISTOGRAMS)
    with pytest.raises(RecordError, match="completed with final_validation_error None"):
        store.read(record(config).name)


def test_a_failure_may_have_an_empty_or_very_long_reason(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for seed, reason in enumerate(["", "   \n  \n", "x" * 100_000, "\x1b[2J\udce9"], start=5):
        failed = record(run_config({"seed": seed}), None, outcome=Outcome("failed", 0, reason), update_scale={})
        store.write(failed, {}, {})
        assert store.read(failed.name) == failed


def test_entries_of_later_versions_may_be_missing(document: dict[str, Any]) -> None:
    assert from_document(document, "here") == record()
    old = {key: value for key, value in document.items() if key not in ("update_scale", "timing", "update")}
    failed = {**old, "outcome": {"status": "failed", "step": 0}, "final_metrics": {}, "parameters": 0}
    assert from_document(failed, "here").timing == {}


def test_committed_records_are_readable() -> None:
    """All of them with their arrays, even those of the first versions."""
    here = Path(__file__).resolve()
    for store, count in ((Store(here.parents[2] / "results"), 200), (Store(here.parent / "earlier"), 4)):
        found = store.records()
        here = {path.parent.name for path in store.root.glob("runs/*/record.json")}
        here.update(*(archive.names() for archive in sound_archives(store.archives)))
        assert len(found) >= count and {each.name for each in found.values()} == here
        for each in found.values():
            assert "counts/network" in store.histograms(each)


def test_every_kind_of_configuration_is_read_back() -> None:
    values: list[dict[str, Any]] = [
        {"model": "densenet", "model.growth_rate": 24, "schedule": "cosine"},
        {"model.initialization": "fixup", "model.batch_norm": False, "model.width": 4, "precision": "bf16"},
        {"dataset": "cifar100", "dataset.per_class": 5, "optimizer": "adam_metric_prox", "optimizer.eps": 0},
        {"optimizer.weight_decay": 0.1 + 0.2, "training.loss_multiplier": 100, "training.histogram_epochs": []},
        {
            "optimizer": "torch",
            "optimizer.target": "torch.optim.NAdam",
            "optimizer.arguments": {"betas": [0.9, 0.99], "a": {"b": [{"c": None}], "d": "x" * 1000}, "e": {}},
        },
        {"device": "cuda", "runner": "plain", "tracking": "online", "results_dir": "elsewhere"},
    ]
    for chosen in values:
        config = run_config(chosen)
        made = record(config, update=OPTIMIZERS[config.optimizer.name].update)
        assert from_document(json.loads(json.dumps(made.document())), "here") == made
    folder = RunConfig()
    folder.dataset.name, folder.dataset.fingerprint = "image_folder", "ab" * 6 + "-" + "cd" * 6
    assert from_document(record(folder).document(), "here") == record(folder)
    with pytest.raises(RecordError, match="other images than its fingerprints"):
        from_document(record(folder, fingerprints={"train": "0" * 64, "test": "cd" * 32}).document(), "here")


SIZES = {"train": 1438, "test": 359}  # 12 batches of 128 per epoch


@pytest.mark.parametrize(
    ("outcome", "sizes"),
    [
        (Outcome("completed", 24), {"train": 1438}),
        (Outcome("completed", 24), {**SIZES, "validation": 5}),
        (Outcome("completed", 24), {"train": 1600, "test": 359}),
        (Outcome("completed", 23), SIZES),
        (Outcome("completed", 2**63 - 1), SIZES),
        (Outcome("completed", 1), {}),
        (Outcome("diverged", 25), SIZES),
        (Outcome("diverged", 0), SIZES),
        (Outcome("diverged", 0), {}),
    ],
)
def test_splits_and_steps_must_match_the_configuration(outcome: Outcome, sizes: dict[str, int]) -> None:
    def read(outcome: Outcome, sizes: dict[str, int]) -> None:
        metrics = record(test_error=0.125 if outcome.status == "completed" else None).final_metrics
        made = record(outcome=outcome, split_sizes=sizes, final_metrics=metrics)
        from_document(json.loads(json.dumps(made.document())), "here")

    read(Outcome(outcome.status, 24), SIZES)
    read(Outcome(outcome.status, 24), {})
    with pytest.raises(RecordError, match=r"split_sizes|steps|at step"):
        read(outcome, sizes)


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 10**400, float("inf"), float("nan")])
@pytest.mark.parametrize("place", ["environment", "nested", "loss"])
def test_a_number_that_does_not_fit_into_64_bits_is_refused(value: float, place: str) -> None:
    document = json.loads(json.dumps(record().document()))
    from_document(document, "here")
    if place == "loss":
        document["final_metrics"]["final_test_loss"] = value
    else:
        document["environment"]["threads"] = value if place == "environment" else {"of": [value]}
    with pytest.raises(RecordError, match="not a finite number of"):
        from_document(document, "here")
