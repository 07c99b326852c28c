"""Declared dependencies match the imports, and files that repeat parts of pyproject.toml match it."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
# `make atlas` installs its own.
EXTRAS = [extra for extra in PROJECT["optional-dependencies"] if extra != "atlas"]
LOCAL = {"scalefree", "benchmarks", *(path.stem for path in [*ROOT.glob("scripts/*.py"), *ROOT.glob("tests/*")])}


def names(requirements: list[str]) -> set[str]:
    """Canonical distribution names."""
    found = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def imported(*folders: str) -> set[str]:
    """Distributions whose top-level modules are imported below these folders of the repository."""
    modules = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                modules.add(node.module.partition(".")[0])
    providers = importlib.metadata.packages_distributions()
    foreign = modules - LOCAL - sys.stdlib_module_names
    return names([distribution for module in foreign for distribution in set(providers.get(module, [module]))])


def test_the_dependencies_are_the_imported_packages() -> None:
    extras = PROJECT["optional-dependencies"]
    optional = names([*extras["sweeps"], *extras["dashboards"], *extras["export"]])
    assert imported("src", "scripts") - optional == names(PROJECT["dependencies"])


def test_tests_import_only_declared_packages() -> None:
    declared = names([*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])
    assert imported("tests") <= declared


def test_the_only_torch_contract_lists_every_other_dependency() -> None:
    (contract,) = [item for item in PYPROJECT["tool"]["importlinter"]["contracts"] if item["id"] == "only-torch"]
    providers = importlib.metadata.packages_distributions()
    forbidden = names([distribution for module in contract["forbidden_modules"] for distribution in providers[module]])
    assert forbidden == names(PROJECT["dependencies"]) - {"torch"}


def test_environment_yml_asks_for_the_same_python_and_the_package() -> None:
    environment = OmegaConf.to_container(OmegaConf.load(ROOT / "environment.yml"))
    assert isinstance(environment, dict)
    assert environment["name"] == "scalefree"
    extras = ",".join(EXTRAS)
    python = f"python{PROJECT['requires-python']}"
    assert environment["dependencies"] == [python, "pip", {"pip": [f"-e .[{extras}]"]}]


def test_make_installs_every_extra_and_no_requirement_has_a_marker() -> None:
    extras = ",".join(EXTRAS)
    assert f"\nEXTRAS := {extras}\n" in (ROOT / "Makefile").read_text()
    # The Makefile's check ignores markers, so it would report a requirement for another system as missing.
    requirements = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
    assert not [requirement for requirement in requirements if ";" in requirement]


def test_the_citation_names_the_paper() -> None:
    citation = OmegaConf.to_container(OmegaConf.load(ROOT / "CITATION.cff"))
    assert isinstance(citation, dict)
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["license"]
    assert citation["message"] and citation["title"].startswith(PROJECT["name"])
    assert citation["authors"] == [{"name": "The scalefree authors"}]
    (paper,) = citation["references"]
    assert paper["title"] == "Understanding AdamW through Proximal Methods and Scale-Freeness"
    assert [author["family-names"] for author in paper["authors"]] == ["Zhuang", "Liu", "Cutkosky", "Orabona"]
    assert paper["url"].endswith("/2202.00089")
