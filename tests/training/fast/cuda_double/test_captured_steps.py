"""A captured step under torch's real CUDA dispatch: what it launches, and that it asks the host for nothing.

On a machine without a GPU, by a double of CUDA's runtime whose kernels compute nothing (runtime.c). So no value is
tested here, but every call that torch makes of CUDA, cuBLAS and cuDNN in the warm-up, the capture and the replays.
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_captured_and_replayed_without_the_host(kind: str, ask: Ask) -> None:
    found = ask("captured_steps", KINDS[kind])
    print("BOUND", repr(kind), [sum(c["kernels"].values()) for c in found["captures"]])
    assert "error" not in found, found
    for capture in found["captures"]:
        assert not capture["refused"] and not capture["beside"]
        assert not capture["waits"] and not capture["host_copies"]
    replays = found["replays"]
    assert len(replays["replays"]) == found["steps"]
    replays["replays"] = []
    assert not any(replays.values()), "between the first and the last replay of an epoch nothing else happens"
