"""From a store to the two files, with the computed claims' slow theory taken out."""

import json
from pathlib import Path

import pytest

import scalefree.claims
from claims.made import Made, as_the_paper_says, evidence, written
from scalefree.claims import CLAIMS, conditioning, from_json, judge_all, markdown, scale_free_rules, to_json, write
from scalefree.config import ConfigError
from scalefree.experiments import profile_names
from scalefree.theory.quadratics import SCALE_FREE, Count

COMPUTED = {"scale_free_rules", "conditioning"}


@pytest.fixture(autouse=True)
def quick_theory(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = (*SCALE_FREE, "gradient descent")
    made = [Count(m, c, r, c if m == "gradient descent" else 1) for m in methods for c in (1, 1e8) for r in (None, 0)]
    monkeypatch.setattr(conditioning, "counts", lambda *_: made)
    defects = {("adamw", 0.0): 1e-16, ("adamprox", 0.0): 1e-16, ("adaml2", 0.0): 0.3}
    monkeypatch.setattr(scale_free_rules, "defects", lambda: defects)


def test_an_empty_store_gives_a_verdict_on_every_claim(tmp_path: Path) -> None:
    verdicts = judge_all("quick", tmp_path / "nothing")
    assert len(verdicts) == len(CLAIMS) == 13
    for verdict in verdicts:
        if verdict.question.name not in COMPUTED:
            assert verdict.verdict == "inconclusive at this scale"
            assert verdict.reason == "no records"
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("profile", ["smoke", "h200"])
def test_every_profile_can_be_judged(profile: str) -> None:
    found = evidence(profile, as_the_paper_says_at_any_depth)
    assert [judge(found).question.number for judge in CLAIMS] == [
        *("1", "2", "3", "4a", "4b", "4c", "5a", "5b", "6", "7", "8", "9", "10")
    ]


def as_the_paper_says_at_any_depth(config: scalefree.config.RunConfig) -> Made:
    return as_the_paper_says(config) if config.model.depth >= 20 else Made(0.2)


def test_files(tmp_path: Path) -> None:
    written(tmp_path, "quick", as_the_paper_says)
    paths = write("quick", tmp_path)
    assert paths == [tmp_path / "claims/quick.md", tmp_path / "claims/quick.json"]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write("quick", tmp_path)] == before

    verdicts = judge_all("quick", tmp_path)
    assert from_json(before[1].decode()) == verdicts
    assert {verdict.question.name for verdict in verdicts if verdict.verdict == "contradicted"} == {"metric_prox"}
    page = before[0].decode()
    for verdict in verdicts:
        assert page.count(verdict.question.claim) == 2, "once in the table, once above its paragraph"
        assert verdict.scope in page
    assert page.count("| **supported** |") == 12
    assert "2 seeds; " in page


def test_json_round_trip_with_holes(tmp_path: Path) -> None:
    verdicts = judge_all("h200", tmp_path)
    text = to_json("h200", verdicts)
    assert from_json(text) == verdicts
    assert json.loads(text)["profile"] == "h200"
    assert "profile h200" in markdown("h200", verdicts)


CONSTANT: dict[str, Made] = {
    "an error": Made(0.3),
    "no error": Made(0.0, spread=0.0),
    "nothing right": Made(1.0),
    "all diverged": Made(None),
}


@pytest.mark.parametrize("kind", CONSTANT)
@pytest.mark.parametrize("profile", profile_names())
def test_constant_values_lose_no_claim(profile: str, kind: str) -> None:
    """Where nothing differs, one seed of each leaves no interval; a claim says so, and the others are written."""
    found = evidence(profile, lambda _: CONSTANT[kind])
    verdicts = [judge(found) for judge in CLAIMS]
    assert from_json(to_json(profile, verdicts)) == verdicts and markdown(profile, verdicts)
    by_name = {verdict.question.name: verdict for verdict in verdicts}
    if profile in ("paper", "h200"):
        growth = by_name["advantage_with_depth"]
        assert (growth.verdict, growth.effect, growth.interval) == ("inconclusive at this scale", 0.0, None)
        assert "it cannot be judged: all depths have the same value" in growth.reason


def test_one_bad_record_costs_no_claim(tmp_path: Path) -> None:
    store = written(tmp_path, "quick", as_the_paper_says, "without_bn", "depth", "seeds")
    before = {verdict.question.name: verdict.verdict for verdict in judge_all("quick", tmp_path)}
    name = next(record.name for record in store.records().values() if "resnet20" in record.name)
    path = store.directory(name) / "record.json"
    path.write_text(path.read_text().replace('"wall_seconds": 60.0', '"wall_seconds": Infinity'))
    after = {verdict.question.name: verdict.verdict for verdict in judge_all("quick", tmp_path)}
    assert after.keys() == before.keys() and after["seeds"] == before["seeds"] == "supported"


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="profile=huge is unknown"):
        judge_all("huge", tmp_path)
