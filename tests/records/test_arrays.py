"""Curves and histograms must match their record in names, types, shapes and values."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from records.made_up import CURVES, EPOCHS, HISTOGRAMS, NO_HISTOGRAMS, PARAMETERS, Arrays, counts, diverged, put, record
from scalefree.compose import run_config
from scalefree.records import Record, RecordError, Store
from scalefree.records.arrays import check_curves, check_histograms

ERRORS = CURVES["test_error"]
MOVED = counts(20, 21)


def test_matching_arrays_are_accepted() -> None:
    check_curves(record(), CURVES)
    check_histograms(record(), HISTOGRAMS)
    for rows in (0, 1, 2):
        check_curves(diverged(), {"train_loss": np.full(rows, np.inf), "eta": np.ones(rows)})
    check_curves(diverged(), {})
    check_histograms(diverged(), NO_HISTOGRAMS)


def test_non_finite_values_are_accepted_where_they_can_occur() -> None:
    """Losses may overflow, and epochs without an evaluation have NaN; JSON has null for both."""
    final = {**record().final_metrics, "final_test_loss": None, "final_batch_loss": None}
    curves = {**CURVES, "test_loss": np.array([np.nan, np.inf]), "batch_loss": np.array([np.inf, np.nan])}
    check_curves(record(final_metrics=final), curves)


WRONG_CURVES: dict[str, Arrays] = {
    "none": {},
    "no error curve": {"train_loss": CURVES["train_loss"]},
    "another name": {**CURVES, "surprise": ERRORS},
    "another type": {**CURVES, "test_error": ERRORS.astype(np.float32)},
    "whole numbers": {**CURVES, "eta": np.array([1, 1])},
    "two axes": {**CURVES, "eta": np.ones((2, 1))},
    "one row too few": {name: curve[1:] for name, curve in CURVES.items()},
    "one row too many": {name: np.append(curve, curve[-1]) for name, curve in CURVES.items()},
    "rows of two lengths": {**CURVES, "eta": np.ones(1)},
    "an error above 1": {**CURVES, "test_error": np.array([1.5, 0.125])},
    "a negative loss": {**CURVES, "train_loss": np.array([-1.0, 0.1 + 0.2])},
    "a negative time": {**CURVES, "training_seconds": np.array([-1.0, 1.0])},
    "an infinite time": {**CURVES, "training_seconds": np.array([np.inf, 1.0])},
    "another final value": {**CURVES, "train_loss": np.array([2.5, 0.25])},
    "a final NaN": {**CURVES, "test_error": np.array([0.125, np.nan])},
    "an earlier lower error": {**CURVES, "test_error": np.array([0.1, 0.125])},
    "a loss that the record lacks": {**CURVES, "test_loss": np.array([1.0, 1.0])},
}


@pytest.mark.parametrize("kind", WRONG_CURVES)
def test_curves_of_another_run_are_refused(kind: str) -> None:
    with pytest.raises(ValueError):
        check_curves(record(), WRONG_CURVES[kind])


def test_a_diverged_runs_curves_have_equal_lengths_of_at_most_its_epochs() -> None:
    for curves in ({"train_loss": np.ones(3)}, {"train_loss": np.ones(1), "eta": np.ones(2)}):
        with pytest.raises(ValueError, match="rows for 2 epochs"):
            check_curves(diverged(), curves)


def histograms(**changes: Any) -> dict[str, Any]:
    return {**HISTOGRAMS, **{name.replace("__", "/"): value for name, value in changes.items()}}


WRONG_HISTOGRAMS: dict[str, Arrays] = {
    "none": {},
    "no epochs": {name: array for name, array in HISTOGRAMS.items() if name != "epoch"},
    "no counts": NO_HISTOGRAMS,
    "another name": histograms(surprise=np.array([1, 2])),
    "not a group": histograms(**{"counts/<img>": MOVED}),
    "a group that the record lacks": histograms(counts__head=MOVED),
    "floats": histograms(counts__network=MOVED.astype(float)),
    "one axis": histograms(counts__network=MOVED[0]),
    "one row too few": histograms(counts__network=MOVED[1:]),
    "one bin too few": histograms(counts__network=MOVED[:, 1:]),
    "edges with a gap": histograms(log2_lower_edge=2 * HISTOGRAMS["log2_lower_edge"]),
    "too many edges": histograms(log2_lower_edge=np.arange(100_000)),
    "epochs backwards": histograms(epoch=np.array([2, 1])),
    "an epoch too late": histograms(epoch=np.array([2, 3])),
    "not the last epoch": histograms(epoch=np.array([1, 1])),
    "negative counts": histograms(counts__network=MOVED + np.eye(1, 34, 20, dtype=int) - np.eye(1, 34, 5, dtype=int)),
    "another number of coordinates": histograms(counts__network=2 * MOVED),
    "gradients in the wrong bins": histograms(gradient_log2_lower_edge=np.arange(40), gradient_counts__stem=MOVED),
    "another number of gradient coordinates": histograms(gradient_counts__network=2 * MOVED),
}


@pytest.mark.parametrize("kind", WRONG_HISTOGRAMS)
def test_histograms_of_another_run_are_refused(kind: str) -> None:
    with pytest.raises(ValueError):
        check_histograms(record(), WRONG_HISTOGRAMS[kind])


def test_the_records_shares_must_match_the_last_counts() -> None:
    half = MOVED.copy()
    half[-1] = 0
    half[-1, [0, 20, -1]] = PARAMETERS // 2, PARAMETERS - PARAMETERS // 2 - 4, 4

    def having(**scalars: float) -> Record:
        return record(update_scale={"network": scalars})

    sound = having(share_underflow=(PARAMETERS // 2) / PARAMETERS, share_not_finite=4 / PARAMETERS)
    check_histograms(sound, histograms(counts__network=half))
    for wrong in (having(share_underflow=0.4), having(share_not_finite=0.5), having(share_underflow=0.0)):
        with pytest.raises(ValueError, match=r"update_scale\.network\.share"):
            check_histograms(wrong, histograms(counts__network=half))


def test_measurements_of_later_versions_are_accepted() -> None:
    later = histograms(
        step=np.array([7, 14]),
        effective_decay_log2_lower_edge=np.arange(MOVED.shape[1] - 3),
        effective_decay_counts__network=MOVED,
        drown_out_share__network=np.array([np.nan, 0.5]),
        gradient_log2_lower_edge=np.arange(40),
        gradient_counts__stem=np.pad(MOVED, ((0, 0), (0, 43 - MOVED.shape[1]))),
    )
    check_histograms(record(), later)
    final = {**record().final_metrics, "final_augmented_train_loss": 0.5}
    check_curves(record(final_metrics=final), {**CURVES, "augmented_train_loss": np.array([1.0, 0.5])})


def test_arrays_swapped_between_two_runs_are_refused(tmp_path: Any) -> None:
    store = Store(tmp_path)
    first, second = (record(run_config({"seed": seed}), 0.125 + 0.25 * seed) for seed in range(2))
    wider = dataclasses.replace(second, parameters=2 * PARAMETERS)
    put(store, first, {**CURVES, "test_error": np.array([np.nan, 0.375])}, histograms(counts__network=2 * MOVED))
    put(store, wider, CURVES, HISTOGRAMS)
    assert store.records() == {}
    for each in (first, wider):
        with pytest.raises(RecordError, match=f"{each.name}/curves.npz is .*another record's"):
            store.read(each.name)
        with pytest.raises(RecordError, match=f"{each.name}/histograms.npz is .*another record's"):
            store.histograms(each)


def distribution() -> tuple[dict[str, float], npt.NDArray[np.int64]]:
    """Scalars and counts of one measurement, computed with NumPy."""
    logs = np.sort(np.random.default_rng(0).normal(-6, 2, PARAMETERS))
    q05, q25, q50, q75, q95 = np.quantile(logs, [0.05, 0.25, 0.5, 0.75, 0.95])
    interior = np.histogram(logs, np.arange(-27, 5))[0]
    shares = interior[interior > 0] / PARAMETERS
    scalars = {
        **{"share_underflow": 0.0, "share_not_finite": 0.0, "peak_share": np.sort(interior)[-4:].sum() / PARAMETERS},
        **{"q05": q05, "q25": q25, "q50": q50, "q75": q75, "q95": q95, "iqr": q75 - q25, "std": logs.std()},
        "entropy": -(shares * np.log2(shares)).sum(),
    }
    return {name: float(value) for name, value in scalars.items()}, np.array([[0, *interior, 0, 0]] * EPOCHS)


@pytest.mark.parametrize("group", ["network", "stem"])
def test_every_scalar_of_a_record_must_match_its_counts(group: str) -> None:
    scalars, counts = distribution()
    arrays = histograms(counts__network=counts, counts__stem=counts)
    both = {"network": scalars, "stem": scalars}
    check_histograms(record(update_scale=both), arrays)
    for name, value in scalars.items():
        wrong = {**both, group: {**scalars, name: value + 1.1}}
        with pytest.raises(ValueError, match=rf"update_scale\.{group}\.({name}|iqr) is "):
            check_histograms(record(update_scale=wrong), arrays)
    for moved in (np.roll(counts, 2, axis=1), counts[:, [0, *range(31, 0, -1), 32, 33]]):
        with pytest.raises(ValueError, match="and its counts say something else"):
            check_histograms(record(update_scale=both), {**arrays, "counts/network": moved, "counts/stem": moved})
    with pytest.raises(ValueError, match="and its counts say something else"):
        check_histograms(record(update_scale=both), {**arrays, "log2_lower_edge": np.arange(-20, 11)})


QUANTITIES = ["counts", "gradient_counts", "parameter_counts", "effective_decay_counts"]


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_layer_groups_must_add_up_to_the_network(quantity: str) -> None:
    _, counts = distribution()
    stem = counts // 3
    parts = {"network": counts, "stem": stem, "head": counts - stem}
    names = parts if quantity == "counts" else ["network"]
    made = record(update_scale={name: {} for name in names})
    sound = {**HISTOGRAMS, "counts/network": counts, **{f"{quantity}/{name}": part for name, part in parts.items()}}
    sound["effective_decay_log2_lower_edge"] = sound["log2_lower_edge"]
    check_histograms(made, sound)
    for wrong in (stem + 1, np.roll(stem, 1, axis=1), np.full_like(stem, 2**62)):
        with pytest.raises(ValueError, match=f"{quantity}/<group> do not add up to {quantity}/network"):
            check_histograms(made, {**sound, f"{quantity}/stem": wrong})
