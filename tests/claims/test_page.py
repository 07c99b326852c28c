"""From a store to the two files, with the slow theory of the computed claims replaced."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from claims.made import Made, Model, alike, chance, evidence, is_exploratory, write_record
from experiments.made import Loaded, load, made_cells, record
from scalefree.claims import conditioning, from_json, judge_all, markdown, scale_free_rules, to_json, write
from scalefree.claims.page import criterion, p_value
from scalefree.claims.verdict import Measured, Question, Sense, Verdict
from scalefree.config import ConfigError, RunConfig
from scalefree.experiments import load_experiment, profile_names, runs_of
from scalefree.experiments.evidence import gather
from scalefree.records import Store
from scalefree.theory.quadratics import SCALE_FREE, Count

COMPUTED = {"1-step", "2", "3"}


@pytest.fixture(autouse=True)
def quick_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = (*SCALE_FREE, "gradient descent")
    made = [Count(m, c, r, c if m == "gradient descent" else 1) for m in methods for c in (1, 1e8) for r in (None, 0)]
    monkeypatch.setattr(conditioning, "counts", lambda *_: made)
    rules = scale_free_rules
    defects = {(name, 0.0): 1e-16 if name in rules.FREE else 0.3 for name in (*rules.FREE, *rules.NOT_FREE)}
    monkeypatch.setattr(scale_free_rules, "defects", lambda: defects)


def of_trainings(verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if verdict.question.number not in COMPUTED]


@pytest.mark.parametrize("profile", profile_names())
def test_with_an_empty_store_every_claim_of_the_profile_is_not_judged(profile: str, tmp_path: Path) -> None:
    verdicts = judge_all(gather(profile, Store(tmp_path / "nothing")))
    assert len(of_trainings(verdicts)) >= 4
    for verdict in of_trainings(verdicts):
        assert verdict.verdict == "not judged" and verdict.where in verdict.reason
        exploratory = is_exploratory(verdict.question.number)
        assert verdict.planned == (profile in ("digits", "cifar16", "rented") and not exploratory)
    assert len({verdict.place for verdict in verdicts}) == len(verdicts)
    assert from_json(to_json(profile, verdicts)) == verdicts and markdown(profile, verdicts)
    assert not (tmp_path / "nothing").exists()


def by_method(config: RunConfig) -> Made:
    """Scale-free methods are twenty points better, with a little noise in every run."""
    scale_free = config.optimizer.name in ("adamw", "adamprox", "adam_scaled_l2")
    return Made(
        30 + 20 * (not scale_free) + 0.3 * chance(config), peak=0.6 if config.optimizer.name == "adamw" else 0.2
    )


def test_the_page_shows_every_verdict(digits: Loaded, quick: Loaded) -> None:
    for loaded, kind in ((digits, "planned"), (quick, "exploratory")):
        verdicts = judge_all(evidence(loaded, by_method))
        page = markdown(loaded.profile, verdicts)
        rows = [line for line in page.splitlines() if line.startswith("| ") and " | **" in line]
        assert len(rows) == len(verdicts)
        for verdict, row in zip(verdicts, rows, strict=True):
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            assert cells[:4] == [
                verdict.question.number,
                verdict.question.claim,
                verdict.where or "computed",
                f"**{verdict.verdict}**" + ", provisional" * verdict.provisional,
            ]
            assert verdict.reason in page and verdict.scope in page
            assert all(note in page for note in verdict.notes)
            if verdict.where:
                assert f"*{kind}; {verdict.scope}*" in page
                assert (cells[8] == "-") == (verdict.adjusted is None)
        assert {verdict.verdict for verdict in verdicts} >= {"supported", "contradicted"}
        supported = [verdict for verdict in of_trainings(verdicts) if verdict.verdict == "supported"]
        assert all((verdict.adjusted is not None) == (kind == "planned") for verdict in supported)


def test_the_same_records_give_the_same_files(tmp_path: Path) -> None:
    for config, _ in runs_of([load_experiment("prox_equivalence", "quick")]).values():
        write_record(Store(tmp_path), record(config, 0.125 if config.seed else 0.25))
    paths = write(gather("quick", Store(tmp_path)))
    assert paths == [tmp_path / "claims/quick.md", tmp_path / "claims/quick.json"]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write(gather("quick", Store(tmp_path)))] == before
    verdicts = {verdict.question.number: verdict for verdict in from_json(before[1].decode())}
    assert verdicts["1"].measured.values == {0: 0.0, 1: 0.0} and verdicts["1"].verdict == "supported"
    assert json.loads(before[1])["profile"] == "quick"


CONSTANT: dict[str, Made] = {
    "some error": Made(30.0),
    "no error": Made(0.0, spread=0.0),
    "all wrong": Made(100.0),
    "all diverged": Made(None),
}


@pytest.mark.parametrize("kind", CONSTANT)
def test_constant_errors_lose_no_claim(kind: str, profiles: dict[str, Loaded], quick: Loaded) -> None:
    for loaded in (*profiles.values(), quick):
        verdicts = judge_all(evidence(loaded, lambda _: CONSTANT[kind]))
        assert from_json(to_json(loaded.profile, verdicts)) == verdicts and markdown(loaded.profile, verdicts)
        alike = [v for v in of_trainings(verdicts) if v.question.sense in ("within", "below") and v.measured.values]
        assert all(of.effect == 0 for of in alike)
        # Agreement between runs that learnt nothing means nothing.
        if kind in ("some error", "no error"):
            assert all(of.verdict in ("supported", "inconclusive") for of in alike)
        else:
            assert all(of.verdict == "not judged" and "learnt more than guessing" in of.reason for of in alike)
            assert all(of.measured.chance == 1 for of in alike)


NOT_NUMBERS = [float("nan"), float("inf"), float("-inf")]


@pytest.mark.parametrize("bad", NOT_NUMBERS)
@pytest.mark.parametrize("field", ["error", "spread", "peak", "decay_spread"])
@pytest.mark.parametrize("seeds", [{3}, set(range(20))], ids=["one seed", "all seeds"])
def test_non_finite_values_reach_no_verdict_and_no_file(
    field: str, bad: float, seeds: set[int], digits: Loaded
) -> None:
    """Whether they come from one seed or from all."""

    def model(config: RunConfig) -> Made:
        made = vars(by_method(config))
        return Made(**{**made, field: bad} if config.seed in seeds and config.optimizer.name == "adaml2" else made)

    verdicts = judge_all(evidence(digits, model))
    text = to_json("digits", verdicts) + markdown("digits", verdicts)
    assert from_json(to_json("digits", verdicts)) == verdicts
    for word in text.replace(",", " ").replace("]", " ").replace("[", " ").split():
        assert word.strip("*.:;%+-()").lower() not in ("nan", "inf", "infinity")
    whole = {verdict.place: verdict for verdict in judge_all(evidence(digits, by_method))}
    for verdict in verdicts:
        if seeds == {3} and verdict.measured.values:
            assert (
                all(seed != 3 for seed in verdict.measured.values) or verdict.measured == whole[verdict.place].measured
            )


def test_seeds_that_are_left_out_are_named(digits: Loaded) -> None:
    def model(config: RunConfig) -> Made:
        made = vars(by_method(config))
        lacks = config.seed in (3, 7) and config.optimizer.name == "adaml2"
        return Made(**{**made, "peak": float("nan")} if lacks else made)

    verdict = {verdict.place: verdict for verdict in judge_all(evidence(digits, model))}["5a-resnet80w8-nobn"]
    assert "not measured at seed 3, 7" in verdict.notes and len(verdict.measured.values) == 18


def test_numbers_that_overflow_are_not_judged(digits: Loaded) -> None:
    """Each is finite, but their differences are not."""

    def model(config: RunConfig) -> Made:
        return Made(30.0, peak=1.7e308 * (1 if config.optimizer.name == "adamw" else -1))

    verdicts = {verdict.place: verdict for verdict in judge_all(evidence(digits, model))}
    verdict = verdicts["5a-resnet80w8-nobn"]
    assert (verdict.verdict, verdict.measured) == ("not judged", Measured(problem=verdict.reason))
    assert from_json(to_json("digits", list(verdicts.values()))) == list(verdicts.values())


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (lambda config: config.seed == 4, "Adam-l2 has 19 of 20 seeds"),
        (lambda config: config.optimizer.name == "adaml2", "Adam-l2 has 0 of 20 seeds"),
    ],
)
def test_missing_runs_are_reported(lacking: Callable[[RunConfig], bool], said: str, digits: Loaded) -> None:
    model: Model = lambda config: None if lacking(config) else alike(config)  # noqa: E731
    verdicts = {verdict.place: verdict for verdict in judge_all(evidence(digits, model))}
    verdict = verdicts["4b-resnet80w8-nobn"]
    assert (verdict.verdict, verdict.adjusted) == ("not judged", None) and said in verdict.reason


def test_before_any_cell_is_chosen_each_claim_says_what_it_is_waiting_for(tmp_path: Path) -> None:
    waiting = load("cifar16", None, tmp_path)
    chosen = load("cifar16", made_cells("cifar16"), tmp_path)
    before, after = (
        {verdict.place: verdict for verdict in judge_all(evidence(loaded, alike))} for loaded in (waiting, chosen)
    )
    assert before.keys() == after.keys(), "what is asked does not depend on what has been chosen"
    for place, verdict in before.items():
        if verdict.where:
            assert verdict.verdict == "not judged" and "no cell has been chosen for" in verdict.reason, place


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="profile=huge is unknown"):
        write(gather("huge", Store(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sense", "said"),
    [("above", "above 0.5 points"), ("below", "below 0.5 points"), ("within", "within ±0.5 points")],
)
def test_criteria_are_written_in_words(sense: Sense, said: str) -> None:
    question = Question("0", "made", "A made claim.", "a number", "points", sense, 0.5)
    assert criterion(Verdict(question, "", True, "not judged", "", Measured(), (), "")) == said


def test_p_values_are_rounded() -> None:
    assert [p_value(p) for p in (None, 0.0004, 0.001, 0.05, 1.0)] == ["-", "<0.001", "0.001", "0.050", "1.000"]
