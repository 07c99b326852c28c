"""Every number in every verdict about errors, recomputed with NumPy and SciPy from the records' documents.

None of the judging code is used: runs are found by the raw values of their configuration, statistics are written
out again, intervals and p values are SciPy's.
"""

import re
from typing import Any

import numpy as np
import pytest
from scipy import stats

from claims.made import Made, chance, evidence, judged, seed_shift
from experiments.made import CELLS, WITHOUT, Loaded
from scalefree.claims.verdict import adjusted
from scalefree.config import RunConfig
from scalefree.records import Record

Errors = dict[int, float]


def varied(config: RunConfig) -> Made:
    """Runs that differ by method, with a few collapsed seeds and some that diverged."""
    model, optimizer = config.model, config.optimizer
    what = (optimizer.name, optimizer.granularity, optimizer.eps, optimizer.decay_unbalance, model.batch_norm)
    level = 20 + 12 * chance("level", *what, model.depth) + seed_shift(config)
    noise = 3 * chance("noise", config) * (0.3 if model.depth == 20 else 1)
    luck = chance("luck", config)
    if model.depth > 20 and luck > 0.49:
        return Made(None)
    return Made(level + noise + 40 * (luck > 0.4 and model.depth > 38))


class Records:
    """Finds errors, in points, by seed."""

    def __init__(self, records: list[Record]) -> None:
        self.documents = [record.document() for record in records]

    def __call__(
        self,
        method: str,
        depth: int,
        at: str = "",
        times: float = 1.0,
        bn: bool = False,
        init: str = "kaiming",
        **key: Any,
    ) -> Errors:
        """`at` names the method whose cell is used; `key` says what is unusual: `training__loss_multiplier=100`."""
        name, _, granularity = method.partition("_by_")
        lr, decay = {**CELLS, "no_decay": WITHOUT}[at or method]
        wanted = {
            "model.depth": depth,
            "model.batch_norm": bn,
            "model.initialization": init,
            "optimizer.name": name,
            "optimizer.granularity": granularity or "coordinate",
            "optimizer.lr": lr,
            "optimizer.weight_decay": round(decay * times, 9),
            "optimizer.eps": 1e-8,
            "optimizer.decay_unbalance": 0,
            "training.loss_multiplier": 1,
            "training.gradient_unbalance": 0,
            "schedule.name": "constant",
            **{name.replace("__", "."): value for name, value in key.items()},
        }
        found: Errors = {}
        for document in self.documents:
            config = document["config"]
            if config["replica"] or any(
                config[group][leaf] != value for (group, leaf), value in ((k.split("."), v) for k, v in wanted.items())
            ):
                continue
            assert config["seed"] not in found, "one run per seed"
            error = document["final_metrics"]["final_test_error"]
            found[config["seed"]] = 100.0 if document["outcome"]["status"] == "diverged" else 100 * error
        assert found, wanted
        return found


def contrast(*terms: tuple[float, Errors]) -> Errors:
    seeds = sorted(set.intersection(*(set(errors) for _, errors in terms)))
    return {seed: sum(factor * errors[seed] for factor, errors in terms) for seed in seeds}


def minus(a: Errors, b: Errors) -> Errors:
    return contrast((1, a), (-1, b))


def statistics(of: Records, profile: str) -> dict[str, Errors]:
    """docs/analysis_plan.md written out again: the statistic by seed of every claim about errors, by place."""
    shallow, middle, deepest = (20, 38, 80) if profile == "digits" else (20, 56, 110)
    digits = profile == "digits"
    probe, ladder = (shallow, deepest) if digits else (middle, middle)
    l2, w, scaled, metric = "adaml2", "adamw", "adam_scaled_l2", "adam_metric_prox"
    layer, network = f"{scaled}_by_layer", f"{scaled}_by_network"
    found = {
        f"1-{probe}": minus(of("adamprox", probe, at=w), of(w, probe)),
        f"4a-{middle}": minus(of(l2, middle, at=w, bn=True), of(w, middle, bn=True)),
        **{f"4b-{depth}": minus(of(l2, depth), of(w, depth)) for depth in (shallow, middle, deepest)},
        f"4c-{deepest}": contrast(
            (1, of(l2, deepest)), (-1, of(w, deepest)), (-1, of(l2, shallow)), (1, of(w, shallow))
        ),
        f"6b-adamw-{probe}": minus(of(w, probe, training__loss_multiplier=100), of(w, probe)),
        f"6b-adaml2-{probe}": minus(of(l2, probe, times=100, training__loss_multiplier=100), of(l2, probe)),
        f"7-{ladder}": minus(of(w, ladder, optimizer__eps=1e-3), of(w, ladder)),
        f"8-{ladder}-fixup": minus(of(l2, ladder, init="fixup"), of(w, ladder, init="fixup")),
        f"16-{ladder}-fixup": contrast(
            (1, of(l2, ladder)),
            (-1, of(w, ladder)),
            (-1, of(l2, ladder, init="fixup")),
            (1, of(w, ladder, init="fixup")),
        ),
        f"9-{deepest}": minus(of(metric, deepest), of(w, deepest)),
        f"12a-{ladder}": minus(of(layer, ladder), of(scaled, ladder)),
        f"12c-{ladder}": minus(of(l2, ladder), of(layer, ladder)),
        f"13-2-{ladder}": minus(of(w, ladder, optimizer__decay_unbalance=2), of(w, ladder)),
        **{
            f"17-{rule}-{ladder}": minus(of(w, ladder, at="no_decay"), of(rule, ladder))
            for rule in (l2, w, scaled, metric)
        },
    }
    for depth in (middle, deepest):
        four = of(metric, depth), of(w, depth), of(l2, depth), of(scaled, depth)
        for number, factors in {
            "11a": (0.5, -0.5, 0.5, -0.5),
            "11b": (-0.5, -0.5, 0.5, 0.5),
            "11c": (-1, 1, 1, -1),
            "11d": (1, 0, 0, -1),
        }.items():
            found[f"{number}-{depth}"] = contrast(*zip(factors, four, strict=True))
    if digits:
        found |= {
            f"6c-adamw-{shallow}": minus(of(w, shallow, training__gradient_unbalance=1.5), of(w, shallow)),
            f"6c-scaled-{shallow}": minus(of(scaled, shallow, training__gradient_unbalance=1.5), of(scaled, shallow)),
            f"6d-{deepest}": minus(of(l2, deepest, training__gradient_unbalance=1.5), of(l2, deepest)),
            f"8-{deepest}-zero_last": minus(of(l2, deepest, init="zero_last"), of(w, deepest, init="zero_last")),
            f"12b-{deepest}": minus(of(network, deepest), of(scaled, deepest)),
            f"13-1-{deepest}": minus(of(w, deepest, optimizer__decay_unbalance=1), of(w, deepest)),
            **{
                f"17-{rule}-{deepest}-fixup": minus(
                    of(w, deepest, at="no_decay", init="fixup"), of(rule, deepest, init="fixup")
                )
                for rule in (l2, w)
            },
        }
    return found


DECAYS = {"17-adamw", "17-adaml2", "17-adam_scaled_l2", "17-adam_metric_prox"}
WITHIN, ABOVE, BELOW, BEYOND = (
    {"1", "4a", "6b-adamw", "6b-adaml2", "6c-adamw", "6c-scaled", "8"},
    {"4b", "4c", "7", "9", "11a", "11b", "11d", "12a", "12b", "12c", "16", *DECAYS},
    {"13-1", "13-2"},
    {"6d", "11c"},
)


def expected(number: str, x: np.ndarray) -> tuple[str, float]:
    """The verdict and p."""
    d = 1.0 if number in WITHIN else 0.5
    ci = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    above, above_minus = (float(stats.ttest_1samp(x, limit, alternative="greater").pvalue) for limit in (d, -d))
    below, below_minus = (float(stats.ttest_1samp(x, limit, alternative="less").pvalue) for limit in (d, -d))
    if number in WITHIN:
        p = max(above_minus, below)  # two one-sided tests
        return "supported" if p < 0.05 else "contradicted" if ci.low > d or ci.high < -d else "inconclusive", p
    if number in BELOW:
        p = min(1, 2 * below)
        return "supported" if ci.high < d else "contradicted" if ci.low > d else "inconclusive", p
    inside = -d < ci.low and ci.high < d
    if number in ABOVE:
        p = min(1, 2 * above)
        if ci.low > d:
            return "supported", p
        return "negligible" if inside else "contradicted" if ci.high < 0 else "inconclusive", p
    p = min(1, 2 * min(above, below_minus))
    return "supported" if ci.low > d or ci.high < -d else "negligible" if inside else "inconclusive", p


@pytest.mark.parametrize("profile", ["digits", "cifar16"])
def test_every_claim_about_errors_matches_scipy(profile: str, profiles: dict[str, Loaded]) -> None:
    found = evidence(profiles[profile], varied)
    records = {r.record.identity: r.record for results in found.results.values() for r in results if r.record}
    verdicts = {
        f"{verdict.question.number}-{re.sub('resnet|w8-(no)?bn', '', verdict.where)}": verdict
        for verdict in judged(profiles[profile], varied).values()
    }
    known = statistics(Records(list(records.values())), profile)
    assert known.keys() == {
        place for place, v in verdicts.items() if v.question.number not in ("5a", "5b", "6a", "14", "15")
    }
    decisions = set()
    for place, values in known.items():
        verdict, x = verdicts[place], np.array(list(values.values()))
        number, measured = verdict.question.number, verdict.measured
        assert number in WITHIN | ABOVE | BELOW | BEYOND
        assert x.std(ddof=1) > 0.1, "otherwise the minimum spread applies"
        assert measured.values == pytest.approx(values), place
        assert verdict.effect == pytest.approx(x.mean())
        ci = stats.ttest_1samp(x, 0).confidence_interval(0.95)
        assert verdict.interval is not None
        assert (verdict.interval.low, verdict.interval.high) == pytest.approx((ci.low, ci.high), rel=1e-9)
        decision, p = expected(number, x)
        decisions.add(decision)
        assert verdict.verdict == decision, place
        assert measured.chance == pytest.approx(p, rel=1e-6, abs=1e-12), place
        assert (measured.narrow is not None) == (number in WITHIN)
        if measured.narrow is not None:
            narrow = stats.ttest_1samp(x, 0).confidence_interval(0.90)
            assert (measured.narrow.low, measured.narrow.high) == pytest.approx((narrow.low, narrow.high), rel=1e-9)
        assert measured.signed_rank == pytest.approx(stats.wilcoxon(np.round(x, 9)).pvalue)
    assert len(decisions) >= 3, "the records should lead to several kinds of verdict"
    assert any(record.outcome.status == "diverged" for record in records.values())


def test_holm_adjusts_over_the_planned_claims(digits: Loaded) -> None:
    verdicts = adjusted(list(judged(digits, varied).values()))
    tested = [verdict for verdict in verdicts if verdict.verdict != "not judged"]
    assert all(verdict.adjusted is None for verdict in verdicts if verdict.verdict == "not judged")
    left = sorted((verdict for verdict in tested if verdict.planned), key=lambda verdict: verdict.measured.chance)
    planned = sum(verdict.planned for verdict in verdicts)
    assert planned > len(left) or len(tested) == len(verdicts)
    largest = 0.0
    for rank, verdict in enumerate(left):
        largest = max(largest, min(1, (planned - rank) * verdict.measured.chance))
        assert verdict.adjusted == pytest.approx(largest)
