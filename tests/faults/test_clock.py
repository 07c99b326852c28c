"""A clock that goes backwards, as when it is corrected: no result, checkpoint or order depends on it."""

import signal
import time
from collections.abc import Iterator
from itertools import count

import pytest

from conftest import Make
from faults.journals import files_of, result, whole
from scalefree.records import Store
from scalefree.training import Interrupted, run, trainer
from training.disturbed import after_save


@pytest.fixture
def backwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each reading of the wall clock is an hour earlier than the last."""
    began, looks = time.time(), count(1)

    def clock() -> float:
        return began - 3600.0 * next(looks)

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", clock)
        patch.setattr(time, "time_ns", lambda: int(clock() * 1e9))
        yield


def test_a_run_is_checkpointed_and_resumed_while_the_clock_goes_backwards(
    tiny: Make, backwards: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = tiny({"results_dir": tiny().results_dir + "-undisturbed"})
    run(expected)
    config = tiny()
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_SECONDS", -1.0)
        after_save(patch, 5, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Interrupted):
            run(config)
    with caplog.at_level("INFO"):
        assert run(config).trained
    assert "resumes after step 6" in caplog.text, "the signal is handled after the next step"
    assert result(config) == result(expected)
    assert files_of(config.results_dir) == whole(config)
    assert not run(config).trained and len(Store(config.results_dir).records()) == 1
    assert time.time() > time.time(), "the clock goes backwards"
    timing = Store(config.results_dir).records()[result(config)["identity"]].timing
    assert timing["wall_seconds"] > 0 and timing["images_per_second"] > 0
