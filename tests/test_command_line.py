"""`key=value` arguments: how they are read, and which are refused."""

import sys

import pytest

from scalefree.command_line import MOST, choice, given, names, parse, refused, whole_number


def test_arguments_replace_defaults() -> None:
    assert parse(["profile=paper", "root="], profile="quick", root="", results_dir="r") == {
        "profile": "paper",
        "root": "",
        "results_dir": "r",
    }
    assert parse(["figure=a=b"], figure="all") == {"figure": "a=b"}


def test_in_paths_a_tilde_means_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/tmp")
    asked = ["results_dir=~/r", "out=~", "profile=~"]
    expected = {"results_dir": "/tmp/r", "out": "/tmp", "profile": "~"}
    assert parse(asked, results_dir="results", out="", profile="quick") == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["profil=quick"],
            "unknown argument 'profil=quick'; the arguments with their defaults: profile=quick, results_dir=r",
        ),
        (["profile"], "unknown argument 'profile'"),
        (["--profile=quick"], "unknown argument '--profile=quick'"),
        ([""], "unknown argument ''"),
        (["profile="], "profile= is empty; give a value, or omit it to use profile=quick"),
        (["profile= "], "profile= is empty"),
        (["profile=a", "profile=b"], "profile= is given twice, as a and as b"),
        (["profile=a", "profile=a"], "profile= is given twice"),
        (["results_dir=5"], "results_dir=5 is not a path; write ./5"),
        (["results_dir=~no-such-user"], "results_dir=~no-such-user: there is no such home folder"),
        (["results_dir=/dev/null"], "results_dir=/dev/null is impossible: /dev/null is not a directory"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments: list[str], said: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(arguments, profile="quick", results_dir="r")
    assert str(error.value).startswith(said)


def test_lists_of_names_are_split_and_checked() -> None:
    assert names({"figure": "a,b"}, "figure") == ["a", "b"]
    for value in ("a,,b", ",", "a,", "a,b,a", " "):
        with pytest.raises(ValueError, match="figure="):
            names({"figure": value}, "figure")


def test_a_choice_must_be_one_of_the_options() -> None:
    assert choice({"draw": "no"}, "draw", "yes", "no") == "no"
    with pytest.raises(ValueError, match="draw=maybe is impossible; choose one of yes, no"):
        choice({"draw": "maybe"}, "draw", "yes", "no")


@pytest.mark.parametrize("value", ["1", "007", str(MOST)])
def test_whole_numbers_are_read(value: str) -> None:
    assert whole_number({"jobs": value}, "jobs") == int(value)


NOT_WHOLE_NUMBERS = ["0", "-1", "1.5", "1e3", "", "many", "[1", "null", "٣", "²", str(MOST + 1), "9" * 5000]


@pytest.mark.parametrize("value", NOT_WHOLE_NUMBERS)
def test_anything_but_a_whole_number_in_range_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=rf"it must be a whole number from 1 to {MOST}$"):
        whole_number({"jobs": value}, "jobs")


def test_an_argument_that_is_not_utf_8_is_refused_and_shown_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["figures.py", "results_dir=é", "profile=a\udcff\nb"])
    with pytest.raises(ValueError, match="is not UTF-8") as error:
        given()
    assert refused(error.value) == 2
    assert capsys.readouterr().err.startswith(r"error: the argument profile=a\xff\nb is not UTF-8 text")


@pytest.mark.parametrize(
    "argument", ["profile=é", "results_dir=caf\udce9", "++dataset.root=caf\udce9", "caf\udce9"], ids=ascii
)
def test_paths_may_have_any_bytes(argument: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["figures.py", argument])
    assert given() == [argument]
