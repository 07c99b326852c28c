"""Equal, or not used, from end to end: on a device that refuses a captured step, a training takes the plain loop.

The double computes nothing, so the fast path's zeros equal the plain loop's: what is compared is tested on a CPU
(test_proven.py). Here is what a CPU cannot refuse.
"""

import pytest

from training.fast.cuda_double.conftest import Ask


@pytest.mark.parametrize("width", [4, 8])
def test_a_training_is_replays(width: int, ask: Ask) -> None:
    found = ask("whole_training", {"model.width": width})
    assert (found["runner"], found["captured"], found["warnings"]) == ("auto", True, [])
    assert found["compared"] > 0 and found["replays"] == found["steps"] > 0


@pytest.mark.parametrize("planted", ["reads", "copies in", "allocates"])
def test_what_cuda_refuses_costs_speed_and_no_run(planted: str, ask: Ask) -> None:
    found = ask("whole_training", {}, planted)
    assert (found["runner"], found["captured"], found["replays"]) == ("plain", False, 0)
    assert found["steps"] > 0
    (line,) = found["warnings"]
    assert line.startswith("using runner=plain instead of runner=auto on this device: ") and "\n" not in line


def test_after_a_refused_capture_the_next_training_is_captured(ask: Ask) -> None:
    """In the same process, whose streams and allocator have seen the failure."""
    ask("whole_training", {}, "reads")
    assert ask("whole_training", {})["captured"]
