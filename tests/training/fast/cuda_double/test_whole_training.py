"""The fast path is equal or not used: on a device that refuses a captured step, a training uses the plain loop.

The double computes nothing, so the fast path's zeros equal the plain loop's; the comparison is tested on a CPU
(test_proven.py), and here what a CPU cannot refuse.
"""

import pytest

from training.fast.cuda_double.conftest import Ask


@pytest.mark.parametrize("width", [4, 8])
def test_a_training_consists_of_replays(width: int, ask: Ask) -> None:
    found = ask("whole_training", {"model.width": width})
    assert (found["runner"], found["captured"], found["warnings"]) == ("auto", True, [])
    assert found["compared"] > 0 and found["replays"] == found["steps"] > 0


@pytest.mark.parametrize("planted", ["reads", "copies in", "allocates"])
def test_if_cuda_refuses_the_capture_the_run_uses_the_plain_loop(planted: str, ask: Ask) -> None:
    found = ask("whole_training", {}, planted)
    assert (found["runner"], found["captured"], found["replays"]) == ("plain", False, 0)
    assert found["steps"] > 0
    (line,) = found["warnings"]
    assert line.startswith("using runner=plain instead of runner=auto on this device: ") and "\n" not in line


def test_after_a_refused_capture_the_next_training_is_captured(ask: Ask) -> None:
    """In the same process, whose streams and allocator went through the failure."""
    ask("whole_training", {}, "reads")
    assert ask("whole_training", {})["captured"]
