"""The whole page: one self-contained HTML file, the same bytes for the same store."""

from importlib.resources import files
from pathlib import Path
from string import Template

from scalefree import claims, figures
from scalefree.compose import compose_tree
from scalefree.experiments import experiment_names, load_experiment
from scalefree.experiments.evidence import gather
from scalefree.files import atomic_write
from scalefree.records import Store
from scalefree.report.atlas import atlas_section
from scalefree.report.coverage import coverage_section, state_line
from scalefree.report.explorer import explorer_section
from scalefree.report.markup import Html, element
from scalefree.report.pictures import draw_pictures, draw_theory, figures_section
from scalefree.report.provenance import provenance_section
from scalefree.report.run_table import run_table
from scalefree.report.runs import list_runs
from scalefree.report.verdicts import claims_table, headline


def _part(name: str) -> str:
    """Read a file of this package: the page's frame, style or script."""
    return files("scalefree.report").joinpath(name).read_text(encoding="utf-8")


def _notice(profile: str) -> Html:
    """The notice at the top if nothing has been trained."""
    command = element("code", f"make reproduce-figures PROFILE={profile}")
    return element(
        "p", "The store has no records for this profile yet. ", command, " trains its runs.", class_="notice"
    )


def render(profile: str, results_dir: str | Path) -> str:
    """The page of a profile from the store under `results_dir`, which need not exist.

    Raises:
        ConfigError: an unknown profile.
    """
    store = Store(results_dir)
    experiments = {name: load_experiment(name, profile) for name in experiment_names()}
    # Read once, so that the sections agree even while other processes add to the store.
    records = store.records()
    evidence = gather(profile, store, records)
    verdicts = claims.judge_all(evidence)
    asked = [entry for entry in figures.FIGURES.values() if figures.is_asked(entry, evidence)]
    theory = draw_theory(figures.THEORY)
    runs = list_runs(list(experiments.values()), store, records)
    used = [run.record for run in runs if run.is_evidence and run.record is not None]
    description = compose_tree("experiments", [f"profile={profile}"])["profile"]["description"]
    sections = {
        "profile": element("span", profile),
        "description": element("span", description),
        "notice": Html("") if used else _notice(profile),
        "state": state_line(runs),
        "headline": headline(verdicts),
        "claims": claims_table(verdicts),
        "figures": figures_section(theory, [(entry, draw_pictures(entry, evidence)) for entry in asked]),
        "explorer": explorer_section(runs, evidence),
        "atlas": atlas_section(results_dir),
        "coverage": coverage_section(list(experiments.values()), store, records, runs),
        "provenance": provenance_section(used),
        "runs": run_table(runs),
    }
    return Template(_part("page.html")).substitute(
        sections,
        style=_part("page.css") + _part("explorer.css"),
        script=_part("page.js"),
        explorer_script=_part("explorer.js"),
    )


def write(profile: str, results_dir: str | Path) -> Path:
    """Render to RESULTS/report/<profile>.html; returns its path.

    Raises:
        ConfigError: an unknown profile.
    """
    page = render(profile, results_dir)
    path = Path(results_dir).expanduser() / "report" / f"{profile}.html"
    with atomic_write(path) as file:
        file.write(page.encode())
    return path
