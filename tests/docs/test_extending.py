"""docs/extending.md works: its blocks are applied to a copy of the repository, and its commands run there."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "extending.md"
# A block, with the line right above that describes it.
BLOCK = re.compile(r"(?:(In|New file) `([^`]+)`:\n\n)?```(\w+)\n(.*?)```\n", re.DOTALL)


def sections() -> dict[str, list[tuple[str, ...]]]:
    """The blocks of each section: `In` or `New file`, the path, the language, the text."""
    parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: BLOCK.findall(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def change(file: Path, diff: str) -> None:
    """Applies a diff whose old lines must occur exactly once in the file."""
    lines = diff.splitlines(keepends=True)
    before, after = ("".join(line[1:] or "\n" for line in lines if line[0] != left_out) for left_out in "+-")
    text = file.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{file} does not have these lines once:\n{before}"
    file.write_text(text.replace(before, after), encoding="utf-8")


def run(copy: Path, arguments: list[str]) -> str:
    """What Python prints when run in the copy."""
    found = {"PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy))), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, **found},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}"
    return done.stdout


def holds(output: str, expected: str) -> bool:
    """Whether lines that begin with the expected ones come in this order; `...` stands for any."""
    lines = iter(output.splitlines())
    return all(any(line.startswith(wanted) for line in lines) for wanted in expected.splitlines() if wanted != "...")


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of the repository that are needed, without its results."""
    folder = tmp_path_factory.mktemp("extended") / "scalefree"
    for name in ("src", "configs", "scripts", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return folder


# How many files each section may touch at most.
FILES = {"An optimizer": 3, "An experiment": 1, "A figure": 2, "A claim": 2, "A data set": 2}


# In the page's order: each section builds on what the earlier ones added.
@pytest.mark.parametrize("title", FILES)
def test_the_sections_steps_work(title: str, copy: Path) -> None:
    commands = 0
    for how, path, language, text in sections()[title]:
        if how == "New file":
            assert not (copy / path).exists()
            (copy / path).write_text(text, encoding="utf-8")
        elif how == "In":
            assert language == "diff"
            change(copy / path, text)
        elif language == "python":
            (expected,) = re.findall(r"print\(.*  # (.+)", text)
            assert run(copy, ["-c", text]).splitlines() == [expected]
            commands += 1
        else:
            assert language == "console"
            command, _, expected = text.removeprefix("$ ").partition("\n")
            program, *arguments = shlex.split(command)
            assert program == "python"
            if "-m" in arguments:  # a second worker would take longer to start than the runs that it would train
                arguments.append("hydra.launcher.jobs=1")
            output = run(copy, arguments)
            assert holds(output, expected), output
            commands += 1
    assert commands, "a section must run something"
    assert not list(copy.glob("results/runs/*/failed*"))


@pytest.mark.parametrize(("title", "most"), FILES.items())
def test_a_section_touches_as_many_files_as_the_page_says(title: str, most: int) -> None:
    touched = {path for _, path, _, _ in sections()[title] if path}
    assert len(touched) == most
    anchor = title.lower().replace(" ", "-")
    assert f"| [{anchor.replace('-', ' ')}](#{anchor}) | {most} |" in PAGE.read_text(encoding="utf-8")


def test_every_section_is_tested() -> None:
    assert sections().keys() == FILES.keys()
