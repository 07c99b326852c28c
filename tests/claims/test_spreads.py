"""The claims about update scales and effective decays, in every outcome, with their numbers worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from claims.made import Made, Model, Runs, alike, chance, judged, scattered, seed_shift, shifted
from experiments.made import CELLS, Loaded, load, made_cells
from scalefree.claims.verdict import Verdict
from scalefree.config import RunConfig

DEEP = "80w8-nobn"
PEAK, PAIRED, MOVED, ORDER = f"5a-resnet{DEEP}", f"5b-resnet{DEEP}", "6a-resnet20w8-nobn", f"14-resnet{DEEP}"


def verdict_of(place: str, loaded: Loaded, model: Model) -> Verdict:
    return judged(loaded, model, place.split("-")[0])[place]


@pytest.mark.parametrize(
    ("mean", "size", "expected"),
    [
        (0.3, 0.05, "supported"),
        (0.0, 0.02, "negligible"),
        (-0.3, 0.05, "contradicted"),
        (0.1, 0.1, "inconclusive"),
    ],
)
def test_outcomes_of_the_peak_claim(mean: float, size: float, expected: str, digits: Loaded) -> None:
    verdict = verdict_of(PEAK, digits, shifted(alike, Runs(DEEP, "adamw"), scattered(mean, size, 20), "peak"))
    assert verdict.verdict == expected and verdict.effect == pytest.approx(mean)


# Bins of the first and last median, and the number of bins; the last but one holds all larger values.
@pytest.mark.parametrize(
    ("method", "gradients", "bins", "said"),
    [
        ("adamw", (12, 13), 131, ""),
        ("adamw", (0, 0), 131, ""),
        ("adamw", (16, 15), 131, "AdamW's v needs about 1,386 steps to forget the start, but the runs have only 1,117"),
        ("adaml2", (20, 10), 131, "Adam-l2's v needs about 13,863 steps"),
        ("adaml2", (90, 10), 131, "Adam-l2's v needs about 110,904 steps"),
        ("adamw", (129, 129), 131, "AdamW's v needs at least 0 steps"),
        ("adaml2", (129, 29), 131, "Adam-l2's v needs at least 138,629 steps"),
        ("adaml2", (32, 12), 131, "Adam-l2's v needs about 27,726 steps"),
        ("adaml2", (32, 12), 34, "Adam-l2's v needs at least 27,726 steps"),
        ("adaml2", (16, 16), 34, ""),
        ("adamw", None, 131, "AdamW has no gradient histograms"),
    ],
)
def test_a_peak_is_not_judged_while_v_remembers_the_start(
    method: str, gradients: tuple[int, int] | None, bins: int, said: str, digits: Loaded
) -> None:
    """One method is enough: each is judged by its own seeds, not by a mixture of both."""
    peaked = shifted(alike, Runs(DEEP, "adamw"), scattered(0.3, 0.05, 20), "peak")

    def model(config: RunConfig) -> Made | None:
        made = peaked(config)
        assert made is not None
        changed = Made(**{**vars(made), "gradients": gradients, "bins": bins})
        return changed if Runs(DEEP, method).has(config) else made

    verdict = verdict_of(PEAK, digits, model)
    assert verdict.verdict == ("not judged" if said else "supported") and said in verdict.reason
    assert verdict.effect == pytest.approx(0.3), "still shown"
    if said:
        assert verdict.measured.chance == 1


def test_v_has_forgotten_when_half_the_seeds_say_so(digits: Loaded) -> None:
    """The time is the median over the seeds."""
    for slow, expected in ((9, "supported"), (11, "not judged")):

        def model(config: RunConfig, slow: int = slow) -> Made:
            peaks = {"adamw": 0.6, "adaml2": 0.3}
            gradients = (20, 10) if config.seed < slow else (12, 12)
            return Made(30.0, peak=peaks.get(config.optimizer.name, 0.3), gradients=gradients)

        assert verdict_of(PEAK, digits, model).verdict == expected


def test_the_middle_cifar16_network_is_judged_on_its_peak_too(cifar16: Loaded) -> None:
    """Where its v has forgotten the start and the deepest network's has not, it alone is judged."""

    def model(config: RunConfig) -> Made:
        peak = 0.6 if config.optimizer.name == "adamw" else 0.3
        return Made(30.0, peak=peak, gradients=(12, 12) if config.model.depth == 56 else (80, 12))

    verdicts = {place: verdict.verdict for place, verdict in judged(cifar16, model, "5a").items()}
    assert verdicts == {"5a-resnet56w8-nobn": "supported", "5a-resnet110w8-nobn": "not judged"}


def test_v_needs_1386_steps_to_halve_its_root() -> None:
    """v of a coordinate whose gradients have stopped: sqrt(v) halves in 1,386 steps."""
    steps = 0
    v = 1.0
    while math.sqrt(v) > 0.5:
        v, steps = 0.999 * v, steps + 1
    assert steps == pytest.approx(2 * math.log(2) / 1e-3, abs=1)


@pytest.mark.parametrize(
    ("slope", "noise", "expected"),
    [(1.0, 0.1, "supported"), (-1.0, 0.1, "contradicted"), (0.0, 1.0, "inconclusive"), (0.4, 1.0, "inconclusive")],
)
def test_outcomes_of_the_correlation_between_spread_and_advantage(
    slope: float, noise: float, expected: str, digits: Loaded
) -> None:
    z = [chance("x", seed) for seed in range(20)]
    e = [chance("e", seed) for seed in range(20)]
    excess = shifted(alike, Runs(DEEP, "adaml2"), lambda seed: z[seed], "spread")
    model = shifted(excess, Runs(DEEP, "adaml2"), lambda seed: 5 + 5 * (slope * z[seed] + noise * e[seed]))
    verdict = verdict_of(PAIRED, digits, model)
    advantages = []
    for seed in range(20):
        error_of = {
            method: 40 + seed_shift(config) + 0.01 * chance(config)
            for method, config in configs(digits, seed, "adamw", "adaml2").items()
        }
        advantages.append(error_of["adaml2"] - error_of["adamw"] + 5 + 5 * (slope * z[seed] + noise * e[seed]))
    r = stats.spearmanr(z, advantages).statistic
    half = stats.norm.ppf(0.975) * math.sqrt((1 + r**2 / 2) / 17)
    assert verdict.effect == pytest.approx(r) and verdict.interval is not None
    assert np.arctanh([verdict.interval.low, verdict.interval.high]) == pytest.approx(
        np.arctanh(r) + np.array([-half, half])
    )
    assert verdict.verdict == expected
    assert (verdict.measured.chance < 0.05) == (expected == "supported")


def configs(loaded: Loaded, seed: int, *methods: str) -> dict[str, RunConfig]:
    """The runs of the deepest network at a seed, by method."""
    cells = loaded.experiments["corners"].cells
    return {
        cell.run.optimizer.name: cell.run
        for cell in cells
        if cell.run.seed == seed and cell.run.model.depth == 80 and cell.run.optimizer.name in methods
    }


def test_a_correlation_needs_five_seeds_that_differ(digits: Loaded) -> None:
    def same(config: RunConfig) -> Made:
        return Made(40.0)

    verdict = verdict_of(PAIRED, digits, same)
    assert (verdict.verdict, verdict.effect) == ("not judged", None) and "five with different values" in verdict.reason


TIMES_100 = Runs("20w8-nobn", "adaml2", CELLS["adaml2"][1], loss_multiplier=100.0)


@pytest.mark.parametrize(
    ("mean", "size", "of_adamw", "expected"),
    [
        (1.0, 0.3, 0.0, "supported"),
        (-1.0, 0.3, 0.0, "supported"),
        (0.0, 0.02, 0.0, "negligible"),
        (1.0, 0.3, 3.0, "contradicted"),
        (1.0, 0.3, 0.8, "inconclusive"),
        # Adam-l2's spread varies from run to run but does not move on average: no effect, however much it varies.
        (0.0, 3.0, 0.0, "inconclusive"),
    ],
)
def test_outcomes_of_the_moved_spread_claim(
    mean: float, size: float, of_adamw: float, expected: str, digits: Loaded
) -> None:
    move = scattered(mean, size, 20)
    model = shifted(alike, TIMES_100, move, "spread")
    model = shifted(
        model, Runs("20w8-nobn", "adamw", loss_multiplier=100.0), lambda seed: of_adamw * (-1) ** seed, "spread"
    )
    verdict = verdict_of(MOVED, digits, model)
    values = [math.copysign(1, mean) * move(seed) - of_adamw for seed in range(20)]
    assert verdict.effect == pytest.approx(np.mean(values), abs=1e-9)
    assert verdict.verdict == expected


# Spreads of the effective decay from narrow to wide, by method.
SPREADS = {
    "adamw": 0.0,
    "adam_scaled_l2": 1.0,
    "adam_scaled_l2_by_layer": 6.0,
    "adam_scaled_l2_by_network": 7.0,
    "adam_metric_prox": 8.0,
    "adaml2": 9.0,
}
NAMES = list(SPREADS)


def ordered(errors: dict[str, float], noise: float = 0.0) -> Model:
    """Methods with these errors and the spreads of `SPREADS`."""

    def model(config: RunConfig) -> Made:
        granularity = config.optimizer.granularity
        method = config.optimizer.name + ("" if granularity == "coordinate" else f"_by_{granularity}")
        error = errors.get(method, 50.0) + noise * chance(config)
        return Made(error, decay_spread=SPREADS.get(method, 0.0))

    return model


@pytest.mark.parametrize(
    ("order", "noise", "expected"),
    [
        ([0, 1, 2, 3, 4, 5], 0.0, "supported"),
        ([0, 1, 2, 3, 4, 5], 15.0, "supported"),
        # A correlation of 0.66 in every seed, which 9 % of the orders of six methods reach.
        ([2, 1, 0, 3, 5, 4], 0.0, "inconclusive"),
        ([0, 1, 2, 3, 4, 5], 80.0, "inconclusive"),
        ([5, 4, 3, 2, 1, 0], 0.0, "contradicted"),
        ([2, 0, 4, 5, 1, 3], 0.0, "negligible"),
    ],
)
def test_outcomes_of_the_order_claim(order: list[int], noise: float, expected: str, digits: Loaded) -> None:
    errors = {method: 20.0 + 5 * place for method, place in zip(NAMES, order, strict=True)}
    verdict = verdict_of(ORDER, digits, ordered(errors, noise))
    assert verdict.verdict == expected, (verdict.reason, verdict.effect)
    if noise == 0:
        r = stats.spearmanr(range(6), order).statistic
        assert verdict.effect == pytest.approx(r)
        as_large = [stats.spearmanr(range(6), other).statistic >= r - 1e-9 for other in itertools.permutations(order)]
        assert verdict.measured.chance >= np.mean(as_large) - 1e-9
        if expected == "inconclusive":
            assert verdict.measured.chance == pytest.approx(np.mean(as_large)) and "chance" in verdict.reason


def test_ties_share_their_rank(digits: Loaded) -> None:
    errors = dict(zip(NAMES, (20.0, 20.0, 30.0, 30.0, 40.0, 50.0), strict=True))
    verdict = verdict_of(ORDER, digits, ordered(errors))
    assert verdict.effect == pytest.approx(stats.spearmanr(list(SPREADS.values()), list(errors.values())).statistic)


def test_methods_without_decay_are_left_out_of_the_order(tmp_path_factory: pytest.TempPathFactory) -> None:
    zero = {method: (1e-3, 0.0) for method in ("adaml2", "adam_metric_prox")}
    errors = {method: 20.0 + 5 * place for place, method in enumerate(NAMES)}
    four = load("digits", made_cells("digits", **zero), tmp_path_factory.mktemp("zero"))
    verdict = verdict_of(ORDER, four, ordered(errors))
    # Only 24 orders are possible: too few to judge, but the effect is still shown.
    assert verdict.verdict == "not judged" and verdict.effect == pytest.approx(1)
    assert verdict.reason.startswith("descriptive") and verdict.measured.chance == 1
    five = load("digits", made_cells("digits", adaml2=(1e-3, 0.0)), tmp_path_factory.mktemp("one"))
    verdict = verdict_of(ORDER, five, ordered(errors))
    assert verdict.verdict == "supported" and verdict.effect == pytest.approx(1)
    assert verdict.measured.chance == pytest.approx(1 / 120)
    three = load("digits", made_cells("digits", **zero, adamw=(1e-3, 0.0)), tmp_path_factory.mktemp("zeros"))
    verdict = verdict_of(ORDER, three, ordered(errors))
    assert verdict.verdict == "not judged" and "3 of 6 methods have a decay" in verdict.reason
