"""The verdict on a record that was trained again, on made-up pairs with known answers."""

import copy
import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from records.made_up import CURVES, HISTOGRAMS, counts, record
from records.made_up import diverged as made_up_diverged
from scalefree.compose import run_config
from scalefree.records import Record
from scalefree.records.verification import LEAST_PAIRS, Whole, counted, replica_differences, verify

ENVIRONMENT: dict[str, Any] = {
    "device": "cpu: A",
    "threads": 1,
    "runner": "fast",
    "commit": "a" * 40,
    "platform": "Linux-6.1.0-x86_64-with-glibc2.36",
    "packages": {"scalefree": "0.1.0", "torch": "2.15.0", "numpy": "2.4.6", "wandb": "0.31.0"},
    "earlier_sessions": [],
}
IMAGES = 400


def made(seed: int = 0, replica: int = 0, test_error: float | None = 0.125, **changes: Any) -> Record:
    config = run_config({"seed": seed, "replica": replica})
    given = {"environment": ENVIRONMENT, "split_sizes": {"train": 1000, "test": IMAGES}, **changes}
    return record(config, test_error, **given)


def whole(of: Record, **curves: Any) -> Whole:
    return of, {**CURVES, "test_error": np.array([np.nan, of.test_error]), **curves}, HISTOGRAMS


def environment(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ENVIRONMENT), **changes}


def replicas(*differences: float, at: float = 0.25) -> list[Record]:
    """Pairs of records and replicas whose errors differ by these amounts, and records without a pair in this cell."""
    pairs = [made(10 + seed, test_error=at) for seed in range(len(differences))]
    pairs += [made(10 + seed, 1, at + difference) for seed, difference in enumerate(differences)]
    deeper = run_config({"seed": 10, "replica": 1, "model.depth": 56})
    return [*pairs, made(99, 1, 0.9), made(98, 0, 0.9), record(deeper, 0.9)]


def test_an_identical_result_is_equal_whatever_the_device_and_timing() -> None:
    again = made(environment=environment(commit="b" * 40, device="cuda: B"), timing={"wall_seconds": 99.0})
    verdict = verify(whole(made()), whole(again, training_seconds=np.array([7.0, 8.0])), [])
    assert (verdict.name, verdict.verdict) == (made().name, "equal")


def test_additional_measurements_are_not_a_difference_but_missing_ones_are() -> None:
    old = made(update_scale={"network": {"iqr": 1.5}}, split_sizes={})
    new = made(update_scale={"network": {"iqr": 1.5, "entropy": 2.0}, "stem": {"iqr": 1.0}})
    committed, again = whole(old), whole(new, eta=np.array([1.0, 1.0]))
    assert verify(committed, again, []).verdict == "equal"
    verdict = verify(again, committed, [])
    assert verdict.verdict == "different"
    assert all(name in verdict.detail for name in ("curves/eta", "split_sizes", "update_scale"))


NEXT = np.nextafter(2.5, 3.0)
OTHER: dict[str, Whole] = {
    "curves/train_loss": whole(made(), train_loss=np.array([NEXT, 0.1 + 0.2])),
    "final_metrics": whole(made(test_error=0.375)),
    "update_scale": whole(made(update_scale={"network": {"iqr": float(np.nextafter(1.5, 2))}})),
    "histograms/counts/network": (*whole(made())[:2], {**HISTOGRAMS, "counts/network": counts(20, 22)}),
    "outcome": whole(made_up_diverged(environment=ENVIRONMENT)),
    "fingerprints": whole(made(fingerprints={"train": "12" * 32, "test": "cd" * 32})),
    "parameters": whole(made(parameters=1235)),
}


@pytest.mark.parametrize("what", OTHER)
def test_one_bit_on_the_same_device_and_build_is_a_difference(what: str) -> None:
    many = replicas(*[0.5] * 20)  # however much replicas differ
    verdict = verify(whole(made()), OTHER[what], many)
    assert verdict.verdict == "different" and what in verdict.detail and "same device and build" in verdict.detail


def test_another_commit_or_kernel_does_not_excuse_a_difference() -> None:
    kernel = "Linux-6.18.44-fc-v657-x86_64-with-glibc2.36"
    packages = {**ENVIRONMENT["packages"], "wandb": "0.31.1", "scalefree": "0.2.0"}
    other = environment(commit="b" * 40, uncommitted_changes=True, platform=kernel, packages=packages, cpu_count=64)
    verdict = verify(whole(made()), whole(made(test_error=0.25, environment=other)), replicas(*[0.5] * 20))
    assert verdict.verdict == "different"
    assert "test error 0.1250, now test error 0.2500" in verdict.detail
    assert f"commit {'a' * 12}, this is {'b' * 12}" in verdict.detail


MACHINES: dict[str, dict[str, Any]] = {
    "device": {"device": "cpu: B"},
    "threads": {"threads": 2},
    "runner": {"runner": "plain"},
    "convolutions": {"convolutions": "torch"},
    "platform": {"platform": "Linux-6.1.0-x86_64-with-glibc2.40"},
    "torch": {"packages": {**ENVIRONMENT["packages"], "torch": "2.14.1"}},
    "numpy": {"packages": {**ENVIRONMENT["packages"], "numpy": "2.3.0"}},
    "cuda": {"cuda": "13.0"},
}


@pytest.mark.parametrize("what", MACHINES)
def test_another_device_or_build_is_judged_by_replicas(what: str) -> None:
    def again(error: float) -> Whole:
        return whole(made(test_error=error, environment=environment(**MACHINES[what])))

    spread = replicas(*[0.02, -0.04] * 5)
    limit = 3 * math.sqrt((0.02**2 + 0.04**2) / 2)
    committed = whole(made(), train_loss=np.array([NEXT, 0.1 + 0.2]))
    for difference, expected in ((0.0, "close"), (limit - 1e-6, "close"), (limit + 1e-6, "different")):
        for error in (0.125 + difference, 0.125 - difference):
            verdict = verify(committed, again(error), spread)
            assert verdict.verdict == expected and f"different {what};" in verdict.detail
            assert "10 pairs of replicas differ by 0.0316" in verdict.detail


def test_if_replicas_are_equal_a_difference_of_one_image_is_close() -> None:
    there = environment(device="cpu: B")
    same = replicas(*[0.0] * 8)
    for images, expected in ((1, "close"), (2, "different")):
        again = whole(made(test_error=0.125 + images / IMAGES, environment=there))
        assert verify(whole(made()), again, same).verdict == expected


def test_a_run_that_diverges_elsewhere_counts_as_the_worst_error() -> None:
    again = whole(made_up_diverged(environment=environment(device="cpu: B")))
    assert verify(whole(made()), again, replicas(*[0.1] * 8)).verdict == "different"
    assert verify(whole(made()), again, replicas(*[0.5] * 8)).verdict == "close"


@pytest.mark.parametrize("pairs", [0, LEAST_PAIRS - 1, LEAST_PAIRS])
def test_without_replicas_closeness_is_not_judged(pairs: int) -> None:
    again = whole(made(test_error=0.975, environment=environment(device="cpu: B")))
    verdict = verify(whole(made()), again, replicas(*[0.01] * pairs))
    assert verdict.verdict == ("not judged" if pairs < LEAST_PAIRS else "different")
    assert f"{pairs} pairs of replicas" in verdict.detail
    assert "test error 0.1250, now test error 0.9750" in verdict.detail


def test_a_run_that_was_resumed_on_another_build_is_not_judged() -> None:
    resumed = environment(earlier_sessions=[environment(device="cpu: B")])
    verdict = verify(whole(made(environment=resumed)), whole(made(test_error=0.25)), [])
    assert verdict.verdict == "not judged" and "build in earlier sessions" in verdict.detail


def test_replicas_are_found_whatever_version_recorded_them() -> None:
    """Records of earlier versions have their keys in another order, and lack those that are newer."""

    def earlier(of: Record) -> Record:
        values = {key: of.config[key] for key in reversed(of.config)}
        del values["optimizer"]["decay_unbalance"]
        return dataclasses.replace(of, config=values)

    pairs = [each if index % 2 else earlier(copy.deepcopy(each)) for index, each in enumerate(replicas(0.01, -0.02))]
    assert sorted(replica_differences(made(3), pairs)) == pytest.approx([0.01, 0.02])


def test_replicas_are_paired_by_cell_and_seed() -> None:
    found = replica_differences(made(3), replicas(0.01, -0.02, 0.03))
    assert found == pytest.approx([0.01, 0.02, 0.03])
    assert replica_differences(made(3, 1), replicas(0.01)) == pytest.approx([0.01])
    assert replica_differences(made(3), [made(1, 0, 0.25), made(1, 1, 0.5), made(1, 2, 0.125)]) == [0.25, 0.125]
    other = run_config({"optimizer.weight_decay": 0.1})
    assert replica_differences(record(other), replicas(0.01)) == []


def test_verdicts_are_counted_by_kind() -> None:
    verified = [verify(whole(made()), whole(made(test_error=error)), []) for error in (0.125, 0.5)]
    assert counted(verified) == {"equal": 1, "close": 0, "not judged": 0, "different": 1}
