"""README.md links every page of docs/ and lists every folder and module of the package."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_page_of_docs_is_linked() -> None:
    assert {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} <= set(re.findall(r"\]\(([^)#]+)", README))


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    file = ROOT / page
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8"))]
    assert not [link for link in links if "://" not in link and not (file.parent / link).exists()]


def test_every_folder_and_module_of_the_package_has_a_line_in_the_tree() -> None:
    (tree,) = re.findall(r"```\n(src/scalefree/\n.*?)```", README, re.DOTALL)
    listed = [line.split()[0].rstrip("/") for line in tree.splitlines()[1:]]
    assert len(set(listed)) == len(listed)
    folder = ROOT / "src" / "scalefree"
    there = {path.name for path in folder.iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"}
    assert there - {"__init__.py"} <= set(listed)


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))])
def test_no_line_of_prose_is_too_long_to_read_in_a_terminal(page: str) -> None:
    prose = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert [line for line in prose.splitlines() if len(line) > 132 and not line.startswith("|")] == []
