"""The headline and the table of claims say what the verdicts say."""

from report.hand_made import verdict, verdicts
from report.reading import cells, read
from scalefree.report.verdicts import claims_table, headline


def test_the_headline_counts_and_lists_by_verdict() -> None:
    page = read(headline(verdicts()))
    assert [item.text for item in page.one("ul", class_="counts").all("li")] == [
        "2supported",
        "1contradicted",
        "1inconclusive at this scale",
    ]
    listed = {
        str(group.attributes["class"]): [link.text for link in group.all("a")]
        for group in page.all("ul")
        if group.attributes["class"] != "counts"
    }
    expected = {"claims supported": ["4a", "5"], "claims contradicted": ["4b"], "claims inconclusive": ["4c"]}
    assert listed == expected


def test_the_headline_tells_what_was_found() -> None:
    found = [span.text for span in read(headline(verdicts())).all("span", class_="found")]
    assert found[0] == "+3 points (95 % interval +1.5 to +4.5): the whole interval lies above +0.5 points"
    assert found[2].startswith("-2 points (95 % interval -3 to -1)")
    assert found[3] == "no records"


def test_a_verdict_that_turns_moves() -> None:
    before, after = (
        [item.text for item in read(headline([verdict(verdict=decision)])).one("ul", class_="counts").all("li")]
        for decision in ("supported", "contradicted")
    )
    assert [text[0] for text in before] == ["1", "0", "0"]
    assert [text[0] for text in after] == ["0", "1", "0"]


def test_the_table_has_verdict_statistic_interval_and_reason() -> None:
    page = read(claims_table(verdicts()))
    first, _, third, fourth = cells(page)
    assert first[0] == "4a AdamW is better & <b>bolder</b>."
    assert first[1] == "supported"
    assert first[2] == "mean differencesupported if above 0.5 points"
    assert first[3] == "+3 points"
    assert first[4] == "+1.5 to +4.5n = 5 seeds, Student's t"
    assert first[5].startswith("the whole interval lies above +0.5 points")
    assert "the <i>cells</i>" in first[5] and "digits, profile smoke" in first[5]
    assert third[3:5] == ["not measured", "none"]
    assert "validation: inconclusive at this scale, -0.25 points, 95 % interval -1 to +0.5." in fourth[5]
    assert "validation" not in first[5]


def test_every_headline_leads_to_its_row() -> None:
    targets = {row.attributes.get("id") for row in read(claims_table(verdicts())).all("tr")}
    links = {str(link.attributes["href"]) for link in read(headline(verdicts())).all("a")}
    assert links == {f"#{target}" for target in targets if target}
    assert len(links) == len(verdicts())
