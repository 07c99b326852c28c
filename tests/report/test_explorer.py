"""The explorer's data: every curve and histogram of the store, read back from the page independently."""

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from report.hand_made import fill, put, record, smoke_runs
from report.reading import read
from scalefree.bins import counts_name
from scalefree.config import RunConfig, with_values
from scalefree.experiments import load_experiment
from scalefree.experiments.evidence import gather
from scalefree.records import Record, Store, scientific_config
from scalefree.report import explorer
from scalefree.report.explorer import CURVES, explorer_section, packed
from scalefree.report.facets import facets
from scalefree.report.packing import HISTOGRAM_STEPS, LOSS_STEPS, linear_codes, log_codes
from scalefree.report.runs import list_runs

Arrays = dict[str, np.ndarray[Any, Any]]


def unpacked(text: str) -> tuple[dict[str, Any], list[int]]:
    """The header and all codes of the packed data."""
    data = zlib.decompress(base64.b64decode(text, validate=True))
    (length,) = struct.unpack_from("<I", data)
    planes = data[4 + length :]
    half = len(planes) // 2
    return json.loads(data[4 : 4 + length]), [planes[i] * 256 + planes[half + i] for i in range(half)]


def of_store(store: Store) -> str:
    records = store.records()
    runs = list_runs([load_experiment("corners", "smoke")], store, records)
    return packed([run for run in runs if run.state in ("completed", "diverged")], gather("smoke", store, records))


def decoded(code: int, steps: int) -> float:
    return 0.0 if code == 0 else 2.0 ** ((code - 1) / steps - 40)


def test_codes_are_precise_enough_for_a_plot() -> None:
    shares = np.array([0.0, 1e-4, 0.0731, 0.5, 1.0])
    assert linear_codes(shares) / 65535 == pytest.approx(shares, abs=1e-5)
    losses = np.array([1e-9, 3.2e-4, 0.7, 2.302585, 1e5])
    assert [decoded(int(code), LOSS_STEPS) for code in log_codes(losses, LOSS_STEPS)] == pytest.approx(losses, rel=5e-4)
    # One coordinate in a billion is not zero.
    tiny = np.array([1e-9, 0.25, 1.0])
    codes = log_codes(tiny, HISTOGRAM_STEPS)
    assert [decoded(int(code), HISTOGRAM_STEPS) for code in codes] == pytest.approx(tiny, rel=1.5e-3)
    assert log_codes(np.array([0.0, 1e300]), LOSS_STEPS).tolist() == [0, 65535]


def random_arrays(made: Record, seed: int) -> tuple[Record, Arrays, Arrays]:
    """This run with all curves, evaluated after every third and the last epoch, and all histograms."""
    draw = np.random.default_rng(seed)
    epochs = made.config["training"]["epochs"]
    curves: Arrays = {}
    for name in (
        "batch_loss",
        "train_loss",
        "train_error",
        "validation_loss",
        "validation_error",
        "test_loss",
        "test_error",
    ):
        values = draw.uniform(0, 1, epochs) if name.endswith("error") else draw.lognormal(0, 2, epochs)
        if name != "batch_loss":
            values[(np.arange(epochs) + 1) % 3 != 0] = np.nan
            values[-1] = 0.5
        curves[name] = values
    ends = {f"final_{name}": float(values[-1]) for name, values in curves.items()}
    final = {**made.final_metrics, **ends, "lowest_test_error": float(np.nanmin(curves["test_error"]))}
    histograms: Arrays = {
        "epoch": np.array([1, 2, epochs]),
        "log2_lower_edge": np.arange(-27, 4),
        "gradient_log2_lower_edge": np.arange(-40, 10),
    }
    for counts, bins in (("counts", 34), ("gradient_counts", 53), ("parameter_counts", 34)):
        stem, head = (
            draw.multinomial(of, draw.dirichlet(np.ones(bins)), 3)
            for of in (made.parameters // 3, made.parameters - made.parameters // 3)
        )
        for group, of in (("network", stem + head), ("stem", stem), ("head", head)):
            histograms[f"{counts}/{group}"] = of
    changed = {"final_metrics": final, "update_scale": {group: {} for group in ("network", "stem", "head")}}
    return record(with_values(_config(made), {}), **changed), curves, histograms


def _config(made: Record) -> RunConfig:
    return next(config for config in smoke_runs().values() if scientific_config(config) == made.config)


def sequence(header: dict[str, Any]) -> Iterator[tuple[int, str, Any, int]]:
    """(run, name, epochs or (quantity, group, measurement), number of codes) in the order of the codes."""
    for run, (*_, curves, histograms) in enumerate(header["runs"]):
        for curve, grid in zip(curves[::2], curves[1::2], strict=True):
            yield run, header["curves"][curve][0], header["grids"][grid], len(header["grids"][grid])
        for quantity, layout, when, groups in zip(*(histograms[i::4] for i in range(4)), strict=True):
            name, bins = header["histograms"][quantity][0], header["layouts"][layout][1]
            for row in range(len(header["when"][when])):
                yield run, name, ("network", row), bins
            for group in header["groups"][groups]:
                yield run, name, (group, -1), bins


def test_every_value_of_the_store_is_in_the_packed_data(tmp_path: Path) -> None:
    store = Store(tmp_path)
    written = []
    for seed, config in enumerate(list(smoke_runs().values())[:3]):
        made, curves, histograms = random_arrays(record(config), seed)
        store.write(made, curves, histograms)
        written.append((curves, histograms))
    header, codes = unpacked(of_store(store))
    offset, seen = 0, []
    for run, name, at, length in sequence(header):
        curves, histograms = written[run]
        own, offset = codes[offset : offset + length], offset + length
        seen.append((run, name, at if isinstance(at, tuple) else "curve"))
        if isinstance(at, tuple):
            rows = histograms[counts_name(name, at[0])][at[1]]
            assert [decoded(code, HISTOGRAM_STEPS) for code in own] == pytest.approx(rows / rows.sum(), rel=1.5e-3)
        else:
            assert at == (1 + np.flatnonzero(np.isfinite(curves[name]))).tolist()
            expected = curves[name][np.array(at) - 1]
            got = [code / 65535 if name.endswith("_error") else decoded(code, LOSS_STEPS) for code in own]
            assert got == pytest.approx(expected, rel=5e-4, abs=1e-5)
    assert offset == len(codes)
    # Seven curves; three quantities with three measurements of the network and the last ones of two groups.
    assert len(seen) == len(set(seen)) == 3 * (7 + 3 * 5)
    assert header["layouts"] == [[-27, 34], [-40, 53]] and len(header["grids"]) == 2


def test_a_long_curve_is_thinned_but_keeps_its_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(explorer, "MOST_POINTS", 3)
    config = with_values(next(iter(smoke_runs().values())), {"training.epochs": 9})
    put(Store(tmp_path), record(config))
    header, _ = unpacked(of_store(Store(tmp_path)))
    assert header["grids"] == [[1, 5, 9]]


def test_the_packed_data_are_small(tmp_path: Path) -> None:
    """Less than 2.5 kB per result with noisy curves and full histograms, so 5 MB for 2,000."""
    store = Store(tmp_path)
    for seed, config in enumerate(smoke_runs().values()):
        store.write(*random_arrays(record(config), seed))
    assert len(of_store(store)) < 2500 * len(smoke_runs())


def test_damaged_histograms_cost_only_themselves(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second, *_ = smoke_runs().values()
    for config in (first, second):
        put(store, record(config))
    records = store.records()
    runs = list_runs([load_experiment("corners", "smoke")], store, records)
    (store.directory(runs[0].name) / "histograms.npz").write_bytes(b"nothing")
    header, _ = unpacked(packed([run for run in runs if run.record], gather("smoke", store, records)))
    (*_, curves, lost), (*_, whole) = header["runs"]
    assert curves and not lost and whole


def test_facets_are_the_varying_keys_in_readable_words() -> None:
    base = next(iter(smoke_runs().values()))
    changes: list[dict[str, Any]] = [
        {"optimizer.lr": 1e-2, "seed": 3},
        {"optimizer.lr": 5e-4, "seed": 20},
        {"optimizer.lr": 1e-3, "model.batch_norm": True},
    ]
    configs = [scientific_config(with_values(base, change)) for change in changes]
    varying, same = facets(configs)
    found = {facet.label: facet for facet in varying}
    assert list(found) == ["BatchNorm", "Step size", "Seed"]
    assert found["Step size"].values == ("5e-4", "1e-3", "1e-2") and found["Step size"].at == (2, 0, 1)
    assert found["Seed"].values == (str(base.seed), "3", "20") and found["Seed"].ordered
    assert found["BatchNorm"].values == ("no", "yes") and not found["BatchNorm"].ordered
    assert same["Data"] == "Digits 8x8" and same["Optimizer"] == "AdamW" and "Growth rate" not in same


def test_values_that_are_abbreviated_alike_stay_distinct() -> None:
    base = scientific_config(next(iter(smoke_runs().values())))
    target = {"target": "torch.optim.NAdam", "name": "torch", "decay": "own"}
    configs = []
    for middle in "ab":
        long = {"arguments": {"text": f"{'x' * 300}{middle}{'x' * 300}"}}
        configs.append({**base, "optimizer": {**base["optimizer"], **target, **long}})
    (facet,), _ = facets(configs)
    assert len(set(facet.values)) == 2 and facet.at == (0, 1) and all(len(value) < 100 for value in facet.values)


def test_without_javascript_the_section_says_that_it_is_needed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    evidence = gather("smoke", store, {})
    assert "no run has ended" in read(explorer_section([], evidence)).text
    fill(store)
    records = store.records()
    runs = list_runs([load_experiment("corners", "smoke")], store, records)
    section = read(explorer_section(runs, gather("smoke", store, records)))
    assert "hidden" in section.one("div", id="explorer").attributes
    assert "needs JavaScript" in section.one("p", id="explorer-needs").text
    header, _ = unpacked(section.one("script", id="explorer-data").text)
    states = [run[2] for run in header["runs"]]
    assert len(states) == sum(run.record is not None and run.record.outcome.is_result for run in runs)
    assert states.count(None) == 3 and 17 in states
    assert [name for name, _ in header["curves"]] == list(CURVES)
    assert not re.search(r"[<&]", section.one("script", id="explorer-data").text)
