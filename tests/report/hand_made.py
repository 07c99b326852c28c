"""A small store with runs in every state, and verdicts of every kind."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scalefree.claims import Question, Verdict
from scalefree.claims.verdict import Measured
from scalefree.config import RunConfig, with_values
from scalefree.experiments import load_experiment, runs_of
from scalefree.experiments.intervals import Interval
from scalefree.records import Outcome, Record, Store, run_identity, run_name, scientific_config

ENVIRONMENT = {
    "packages": {"torch": "2.15.0", "numpy": "2.3.1"},
    "python": "3.12.4",
    "platform": "Linux",
    "commit": "0123456789abcdef",
    "uncommitted_changes": False,
    "device": "cpu: <a processor> & more",
    "runner": "plain",
}
FINGERPRINTS = {"train": "aa11" * 16, "test": "bb22" * 16}
HELD_OUT = {"validation": "cc33" * 16}
PARAMETERS = 1000
# A failure's reason is a traceback; nothing in it may become markup.
TRACEBACK = 'Traceback:\n  File "secret.py"\nRuntimeError: <img src=x onerror=alert(1)>'
# The runs of EXPERIMENT in the smoke profile are five of a shallow network and five of a deeper one: the store gets
# them in these states, in order.
EXPERIMENT = "corners"
STATES = ("completed", "completed", "diverged", "failed", "partial", *["missing"] * 5)


def record(config: RunConfig, error: float | None = 0.25, **changes: Any) -> Record:
    """A completed run with this test error, or a diverged run if None; `changes` are made last."""
    validated = config.dataset.validation_fraction > 0
    made = Record(
        identity=run_identity(config),
        name=run_name(config),
        config=scientific_config(config),
        outcome=Outcome("completed", 100) if error is not None else Outcome("diverged", 17, "training loss nan"),
        environment=ENVIRONMENT,
        fingerprints={**FINGERPRINTS, **(HELD_OUT if validated else {})},
        final_metrics={
            "final_test_error": error,
            "lowest_test_error": error,
            **({"final_validation_error": error} if validated else {}),
        },
        update_scale={"network": {}} if error is not None else {},
        timing={"wall_seconds": 60.0},
        parameters=PARAMETERS,
    )
    return dataclasses.replace(made, **changes)


def put(store: Store, made: Record) -> Path:
    """Writes a record with curves that fall to its errors, and a histogram of the last epoch."""
    completed = made.outcome.status == "completed"
    epochs: int = made.config["training"]["epochs"]
    ends = {name.removeprefix("final_"): made.final_metrics[name] for name in made.final_metrics if "final" in name}
    curves = {name: np.linspace(0.9, 0.8 if end is None else end, epochs) for name, end in ends.items()}
    rows = np.zeros((int(completed), 34), dtype=np.int64)
    rows[:, 20] = made.parameters
    histograms = {
        "epoch": np.full(len(rows), epochs),
        "log2_lower_edge": np.arange(-27, 4),
        "counts/network": rows,
    }
    return store.write(made, curves, histograms)


def smoke_runs() -> dict[str, RunConfig]:
    """The runs of EXPERIMENT in the smoke profile, by name."""
    return {name: config for name, (config, _) in runs_of([load_experiment(EXPERIMENT, "smoke")]).items()}


def fill(store: Store) -> Mapping[str, str]:
    """Writes runs in STATES and a completed run that no experiment needs; returns all states by name."""
    expected = dict(zip(smoke_runs(), STATES, strict=True))
    for (name, config), state in zip(smoke_runs().items(), STATES, strict=True):
        if state == "completed":
            put(store, record(config))
        elif state == "diverged":
            put(store, record(config, None))
        elif state == "failed":
            failed = record(config, None, outcome=Outcome("failed", 0, TRACEBACK))
            put(store, failed)
        elif state == "partial":
            store.directory(name).mkdir(parents=True)
            (store.directory(name) / "checkpoint.pt").write_bytes(b"")
    other = with_values(next(iter(smoke_runs().values())), {"seed": 77})
    put(store, record(other, 0.5))
    return {**expected, run_name(other): "completed"}


T = "Student's t"


def verdict(number: str = "4b", **changes: Any) -> Verdict:
    """A supported claim of three points with an interval; `changes` are made last."""
    question = Question(
        number, "advantage", "AdamW is better & <b>bolder</b>.", "mean difference", "points", "above", 0.5
    )
    made = Verdict(
        question=question,
        where="resnet80w8-nobn",
        planned=True,
        verdict="supported",
        reason="the whole interval lies above +0.5 points",
        measured=Measured(3.0, Interval(1.5, 4.5, 5, "seeds", T), chance=0.01, signed_rank=0.0625),
        notes=("the <i>cells</i>",),
        scope="digits, profile smoke",
        adjusted=0.031,
    )
    return dataclasses.replace(made, **changes)


def verdicts() -> list[Verdict]:
    """One verdict of each kind, the last of them exploratory and an equivalence."""
    below = Measured(-2.0, Interval(-3.0, -1.0, 5, "seeds", T))
    little = Measured(0.1, Interval(-0.2, 0.4, 5, "seeds", T))
    wide = Measured(0.1, Interval(-2.0, 2.2, 2, "seeds", T), Interval(-1.5, 1.7, 2, "seeds", T, 0.9))
    nothing = Measured(problem="no records")
    return [
        verdict("4a"),
        verdict("4b", verdict="contradicted", measured=below),
        verdict("4c", verdict="not judged", reason="no records", measured=nothing, adjusted=None),
        verdict("5b", verdict="negligible", measured=little),
        verdict("8", verdict="inconclusive", measured=wide, planned=False, adjusted=None),
    ]
