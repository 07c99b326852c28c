"""What `reproduce.py` and `figures.py` both do with the records: draw all figures and judge all claims."""

from pathlib import Path

from scalefree.claims import write
from scalefree.experiments.evidence import gather
from scalefree.figures import draw_all, draw_theory
from scalefree.records import Store
from scalefree.terminal import shown


def show(paths: list[Path]) -> None:
    """Say where files are; a figure is there as PNG and as PDF, and one of them is named."""
    for path in paths:
        if path.suffix != ".pdf":
            print(f"  {shown(path)}")


def draw_everything(profile: str, results_dir: str, jobs: int | None = None) -> None:
    """All figures that the profile's records give, the theory's, and the claims; says where they are.

    `jobs` processes draw at once, all cores if None.
    """
    store = Store(results_dir)
    evidence = gather(profile, store)
    print("figures, each as PNG and PDF:")
    show(draw_all(evidence, jobs=jobs))
    show(draw_theory(store.root / "figures" / "theory"))
    print("claims:")
    show(write(evidence))
