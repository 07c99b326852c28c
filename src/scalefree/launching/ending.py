"""The end of a multirun: the table of results in the terminal and their figures in the store."""

import functools
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from scalefree.config import RunConfig
from scalefree.experiments.grid import Cell
from scalefree.experiments.results import Result
from scalefree.experiments.survey import Survey, for_every_method, listed, results_of, short, survey, values_of
from scalefree.experiments.survey_table import short_table
from scalefree.paths import name_as_text
from scalefree.records import Record, RecordError, Store, run_identity, run_name
from scalefree.terminal import shown

log = logging.getLogger(__name__)

# Characters of a folder's name.
LONGEST = 100
# The key of an image folder's run that is unknown until its images have been read.
_FINGERPRINT = "dataset.fingerprint"


def _record(store: Store, config: RunConfig) -> Record | None:
    try:
        return store.read(run_name(config))
    except RecordError as error:
        log.warning("left out: %s", error)
        return None


def _of_unread_images(known: Iterable[Record], config: RunConfig) -> list[Record]:
    """The records of a configuration without a fingerprint: those of image folders with its folder's name."""
    wanted = values_of(config)
    folder = name_as_text(Path(config.dataset.root or "").name)
    found = []
    for record in known:
        if record.environment.get("dataset_root", folder) != folder:
            continue
        (result,), _ = results_of([record])
        if result.config.seed == config.seed and {**values_of(result.config), _FINGERPRINT: None} == wanted:
            found.append(record)
    return found


def results_for(configs: Iterable[RunConfig], store: Store) -> tuple[list[Result], dict[str, str]]:
    """A result for each run, without a record if it is missing, and the reasons of failed runs by identity."""
    results: list[Result] = []
    failures: dict[str, str] = {}
    known = functools.cache(store.records)
    for config in {run_name(config): config for config in configs}.values():
        unread = config.dataset.name == "image_folder" and config.dataset.fingerprint is None
        if unread:
            records = _of_unread_images(known().values(), config)
        else:
            record = _record(store, config)
            records = [] if record is None else [record]
        found, failed = results_of(records)
        results += found or [Result(Cell(config, config, run_identity(config)), None)]
        failures |= failed
    return results, failures


def name_of(of: Survey) -> str:
    """`depth_optimizer_weight_decay-1f3a90`: the same runs always get the same name, so that a sweep has one folder."""
    keys = "_".join(map(short, of.axes)) or ("seeds" if len(of.seeds) > 1 else "run")
    identities = sorted(result.cell.identity for point in of.points for result in point.results)
    return f"{keys[:80]}-{hashlib.sha256(' '.join(identities).encode()).hexdigest()[:6]}"


def title_of(of: Survey) -> str:
    """`Sweep over depth, lr and weight_decay`."""
    axes = list(map(short, of.axes))
    if not axes:
        return f"{len(of.seeds)} seeds" if len(of.seeds) > 1 else "One run"
    return f"Sweep over {listed(axes)}"


def folder_of(store: Store, name: str) -> Path:
    """The folder of a sweep's figures; a name that is too long for one, or has other characters, gets a hash of it."""
    safe = re.sub(r"[^A-Za-z0-9_.+=-]+", "-", name).strip("-.")
    if safe != name or len(safe) > LONGEST:
        safe = f"{safe[: LONGEST - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return store.root / "figures" / "sweeps" / safe


def draw(of: Survey, title: str, name: str) -> None:
    """Draw a survey and print where; a failure is reported in one line and not raised."""
    folder = folder_of(of.store, name)
    try:
        from scalefree.figures import draw_survey  # imports Matplotlib, which is needed only after training

        paths = draw_survey(of, title, folder)
    except KeyboardInterrupt:
        print("drawing was interrupted, but the results are in the store")
    except Exception as error:  # the runs are done, whatever happens to their figures
        why = shown(f"{type(error).__name__}: {error}")
        print(f"the figures could not be drawn ({why}), but the results are in the store")
    else:
        pictures = ", ".join(path.name for path in paths if path.suffix == ".png")
        print(f"figures, each as PNG and PDF, in {shown(folder)}: {pictures}")


def conclude(configs: Sequence[RunConfig], names: Sequence[str] = ()) -> None:
    """Print the table of a multirun's results and draw them; `names` are the experiment and the profile, if any.

    Raises nothing: problems with showing the results must not make a finished sweep fail.
    """
    try:
        by_store: dict[str, list[RunConfig]] = {}
        for config in configs:
            by_store.setdefault(config.results_dir, []).append(config)
        for results_dir, of in by_store.items():
            _conclude(of, Store(results_dir), names)
    except Exception as error:
        print(f"no table of this sweep ({shown(f'{type(error).__name__}: {error}')}), but its results are in the store")


def _conclude(configs: Sequence[RunConfig], store: Store, names: Sequence[str]) -> None:
    results, failures = results_for(configs, store)
    if not any(result.record is not None for result in results):
        print("no run has a result yet, so there is no table; run the same command again to continue")
        return
    of = survey({"": for_every_method(results)}, store, failures)
    print(f"\n{short_table(of)}", flush=True)
    title = f"Experiment {names[0]}, profile {names[1]}" if names else title_of(of)
    draw(of, title, "_".join(names) or name_of(of))
