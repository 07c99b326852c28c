"""Draw all figures and judge all claims from a store's records, for `reproduce.py` and `figures.py`."""

from pathlib import Path

from scalefree.claims import write
from scalefree.experiments.evidence import gather
from scalefree.figures import draw_all, draw_theory
from scalefree.records import Store
from scalefree.terminal import shown


def show(paths: list[Path]) -> None:
    """Print where files are; of a figure's PNG and PDF only the PNG is named."""
    for path in paths:
        if path.suffix != ".pdf":
            print(f"  {shown(path)}")


def draw_everything(profile: str, results_dir: str, jobs: int | None = None) -> None:
    """Draw the figures of the profile's records and of the theory, judge the claims, and print where they are.

    `jobs` processes draw at once; None means one per core.
    """
    store = Store(results_dir)
    evidence = gather(profile, store)
    print("figures, each as PNG and PDF:")
    show(draw_all(evidence, jobs=jobs))
    show(draw_theory(store.root / "figures" / "theory"))
    print("claims:")
    show(write(evidence))
