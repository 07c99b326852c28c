"""An optimizer's state: saved, copied, and refused if it is another rule's."""

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch

from optim.paired import SHAPES, assert_same, build, feed, params_of
from optim.reference import RULES


@pytest.mark.parametrize("rule", RULES)
def test_state_survives_a_file_bit_for_bit(rule: str) -> None:
    whole, first = build(rule), build(rule)
    feed(whole, 10, seed=1)
    whole.param_groups[0]["lr"] = 3e-3
    feed(whole, 10, seed=2)

    feed(first, 10, seed=1)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = build(rule, lr=1.0, weight_decay=0.0, eps=1.0)
    with torch.no_grad():
        for p, q in zip(params_of(second), params_of(first), strict=True):
            p.copy_(q)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert second.param_groups[0]["initial_lr"] == 1e-2
    second.param_groups[0]["lr"] = 3e-3
    feed(second, 10, seed=2)
    assert_same(whole, second)
    assert second.state[params_of(second)[0]]["step"].dtype == torch.float64


def test_loading_copies_the_state() -> None:
    first, second = build("adamw"), build("adamw")
    feed(first, 3, seed=1)
    saved = {k: v.clone() for k, v in first.state[params_of(first)[0]].items()}
    second.load_state_dict(first.state_dict())
    feed(second, 3, seed=2)
    for key, value in first.state[params_of(first)[0]].items():
        assert torch.equal(value, saved[key])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
@pytest.mark.parametrize("rule", RULES)
def test_copies_continue_like_the_original(rule: str, duplicate: Callable[[Any], Any]) -> None:
    original = build(rule)
    feed(original, 5, seed=1)
    twin = duplicate(original)
    feed(original, 5, seed=2)
    feed(twin, 5, seed=2)
    assert_same(original, twin)


@pytest.mark.parametrize("rule", RULES)
def test_another_rules_state_is_refused(rule: str) -> None:
    optimizer = build(rule)
    feed(optimizer, 2, seed=1)
    before = copy.deepcopy(optimizer.state_dict())
    for other in RULES:
        if other != rule:
            donor = build(other)
            feed(donor, 1, seed=1)
            with pytest.raises(ValueError, match=f"saved by {other}, not by {rule}"):
                optimizer.load_state_dict(donor.state_dict())
    foreign = torch.optim.AdamW([torch.nn.Parameter(torch.ones(s)) for s in SHAPES])
    with pytest.raises(ValueError, match=f"saved by another optimizer, not by {rule}"):
        optimizer.load_state_dict(foreign.state_dict())
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    assert all(torch.equal(after["state"][0][k], v) for k, v in before["state"][0].items())
