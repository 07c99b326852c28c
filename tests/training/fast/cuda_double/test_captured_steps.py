"""A captured step under torch's real CUDA dispatch: what it launches, and that it does not need the host.

Runs without a GPU, with a double of CUDA's runtime whose kernels compute nothing (runtime.c). So no values are
tested, but every call that torch makes to CUDA, cuBLAS and cuDNN in the warm-up, the capture and the replays.
"""

from typing import Any

import pytest

from training.fast.cuda_double.conftest import Ask
from training.fast.test_capturable import NETWORKS
from training.test_runners import NETWORKS as SHAPES

SCALED = {"optimizer": "adam_scaled_l2"}
RULES: dict[str, dict[str, Any]] = {
    "adamw": {"optimizer": "adamw"},
    "adaml2": {"optimizer": "adaml2"},
    "adamprox": {"optimizer": "adamprox"},
    "metric prox": {"optimizer": "adam_metric_prox"},
    **{f"scaled l2 by {g}": {**SCALED, "optimizer.granularity": g} for g in ("coordinate", "layer", "network")},
}
KINDS: dict[str, dict[str, Any]] = {
    **NETWORKS,
    **{f"{name}, {p}": {**values, "precision": p} for name, values in SHAPES.items() for p in ("tf32", "bf16")},
    "zero last, bn, bf16": {"model.initialization": "zero_last", "model.batch_norm": True, "precision": "bf16"},
    **RULES,
    **{f"{name}, eps 0": {**values, "optimizer.eps": 0} for name, values in RULES.items()},
}


# Kernels per step, counted with torch 2.14, and the factor by which another version may exceed them.
KERNELS = {
    "resnet": 95,
    "resnet, bn": 116,
    "fixup": 135,
    "densenet": 105,
    "densenet, bn": 132,
    "adaml2, cosine": 95,
    "adamprox": 95,
    "metric prox, eps 0": 107,
    "bf16, bn": 149,
    "long epoch": 95,
    "one batch": 95,
    "scaled l2 by layer": 168,
    "unbalanced decays": 287,
    "unbalanced gradients": 96,
    "no decay": 95,
    "explodes": 608,
    "residual.cu": 62,
    "add_relu.cu": 128,
    "add_relu.cu, tf32": 128,
    "residual.cu, layers apart": 254,
    "bf16": 99,
    "tf32": 95,
    "scaled l2 of the network": 160,
    "zero last": 95,
    "resnet, tf32": 95,
    "resnet, bf16": 99,
    "resnet, bn, tf32": 116,
    "resnet, bn, bf16": 149,
    "fixup, tf32": 135,
    "fixup, bf16": 168,
    "densenet, tf32": 105,
    "densenet, bf16": 109,
    "densenet, bn, tf32": 132,
    "densenet, bn, bf16": 173,
    "zero last, bn, bf16": 149,
    "adamw": 95,
    "adaml2": 95,
    "metric prox": 104,
    "scaled l2 by coordinate": 105,
    "scaled l2 by network": 160,
    "adamw, eps 0": 97,
    "adaml2, eps 0": 97,
    "adamprox, eps 0": 97,
    "scaled l2 by coordinate, eps 0": 107,
    "scaled l2 by layer, eps 0": 186,
    "scaled l2 by network, eps 0": 178,
}
MARGIN = 1.1


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_captured_and_replayed_without_the_host(kind: str, ask: Ask) -> None:
    found = ask("captured_steps", KINDS[kind])
    assert "error" not in found, found
    for capture in found["captures"]:
        assert not capture["refused"] and not capture["beside"]
        assert not capture["waits"] and not capture["host_copies"]
        assert 0 < sum(capture["kernels"].values()) <= MARGIN * KERNELS[kind]
    replays = found["replays"]
    assert len(replays.pop("replays")) == found["steps"]
    assert not any(replays.values()), "nothing else happens between the first and the last replay of an epoch"


def test_residual_cu_replaces_all_convolutions(ask: Ask) -> None:
    """Compiled by the real NVRTC for the architecture that the double claims to have; only loading it is faked."""
    found = ask("captured_steps", NETWORKS["residual.cu"])
    assert found["native"] == "residual.cu"
    for capture in found["captures"]:
        assert not [name for name in capture["kernels"] if "cudnn" in name]
        assert capture["kernels"]["row_forward"] == capture["kernels"]["row_backward"] == 3


def test_the_plain_loop_launches_every_kernel_from_the_host(ask: Ask) -> None:
    """On images of CIFAR-10's size; all of the host's copies are for the epoch's plan."""
    found = ask("price", {"model.width": 16, "model.depth": 20, "training.batch_size": 128})
    plain, graph = found["plain"], found["fast"]
    assert len(plain["host_copies"]) == len(plain["waits"]) == 4 and not graph["host_copies"]
    launches = [sum(of["kernels"].values()) for of in (plain, graph)]
    assert launches[1] < launches[0] <= MARGIN * 190
    assert graph["bytes"] <= 1.01 * plain["bytes"] <= MARGIN * 1.36e9
