"""The headline and the table of claims agree with the verdicts."""

from report.hand_made import verdict, verdicts
from report.reading import cells, read
from scalefree.claims.page import INTRODUCTION
from scalefree.report.verdicts import HEADS, claims_table, headline

DECISIONS = ["supported", "contradicted", "negligible", "inconclusive", "not judged"]


def test_the_headline_counts_and_lists_claims_by_verdict() -> None:
    page = read(headline(verdicts()))
    counted = [item.text for item in page.one("ul", class_="counts").all("li")]
    assert counted == [f"1{decision}" for decision in DECISIONS]
    listed = {
        str(group.attributes["class"]): [link.text for link in group.all("a")]
        for group in page.all("ul")
        if group.attributes["class"] != "counts"
    }
    assert listed == {
        "claims supported": ["4a"],
        "claims contradicted": ["4b"],
        "claims negligible": ["5b"],
        "claims inconclusive": ["8"],
        "claims unjudged": ["4c"],
    }


def test_the_headline_says_what_was_found_and_what_is_exploratory() -> None:
    page = read(headline(verdicts()))
    found = [span.text for span in page.all("span", class_="found")]
    assert found[0] == "+3 points (95 % interval [+1.5, +4.5]): the whole interval lies above +0.5 points"
    assert found[1].startswith("-2 points (95 % interval [-3, -1])")
    assert found[-1] == "no records"
    texts = [item.text for item in page.all("li") if item.all("a")]
    assert ["exploratory" in text for text in texts] == [False, False, False, True, False]
    assert all("resnet80w8-nobn" in text for text in texts)


def test_a_changed_verdict_moves_to_its_new_heading() -> None:
    for decision in DECISIONS:
        page = read(headline([verdict(verdict=decision)]))
        counted = [item.text for item in page.one("ul", class_="counts").all("li")]
        assert {text[1:]: text[0] for text in counted} == {name: "1" if name == decision else "0" for name in DECISIONS}


def test_the_table_shows_verdict_statistic_interval_holm_and_reason() -> None:
    page = read(claims_table(verdicts()))
    assert [head.text for head in page.all("th")] == list(HEADS)
    first, second, third, _, last = cells(page)
    assert first[0] == "4a AdamW is better & <b>bolder</b>.resnet80w8-nobn, planned"
    assert first[1] == "supported" and second[1] == "contradicted"
    assert first[2] == "mean differencesupported if above 0.5 points"
    assert first[3] == "+3 points"
    assert first[4] == "[+1.5, +4.5]n = 5 seeds, Student's t"
    assert first[5] == "0.031"
    assert first[6].startswith("the whole interval lies above +0.5 points")
    assert "the <i>cells</i>" in first[6] and "digits, profile smoke" in first[6]
    assert "signed rank: p = 0.062" in first[6] and "90 %" not in first[6]
    assert third[3:6] == ["not measured", "none", "-"]
    assert last[0].endswith("resnet80w8-nobn, exploratory") and last[5] == "-"
    assert "90 % interval [-1.5, +1.7]" in last[6]


def test_a_provisional_verdict_is_called_that_in_the_headline_and_in_the_table() -> None:
    for provisional in (True, False):
        one = [verdict(provisional=provisional)]
        (item,) = [item for item in read(headline(one)).all("li") if item.all("a")]
        (row,) = cells(read(claims_table(one)))
        assert ("provisional" in item.text, "provisional" in row[1]) == (provisional, provisional)


def test_the_table_follows_the_rule_of_the_committed_page() -> None:
    (rule,) = [note.text for note in read(claims_table([verdict()])).all("p", class_="note")][:1]
    assert " ".join(rule.split()) == " ".join(INTRODUCTION.replace("*", "").split())
    assert "provisional" in rule and "signed rank" in rule


def test_computed_claims_are_neither_planned_nor_exploratory() -> None:
    (row,) = cells(read(claims_table([verdict("2", where="", adjusted=None)])))
    assert row[0].endswith("computed")


def test_every_headline_links_to_its_row() -> None:
    several = [*verdicts(), verdict("4b", where="resnet20w8-nobn")]
    targets = {row.attributes.get("id") for row in read(claims_table(several)).all("tr")}
    links = {str(link.attributes["href"]) for link in read(headline(several)).all("a")}
    assert links == {f"#{target}" for target in targets if target}
    assert len(links) == len(several)
