"""Train some of the store's runs again and compare the results.

    python scripts/verify.py [profile=digits] [runs=5] [seed=<any>] [results_dir=results] [jobs=<cores>]
                             [dataset_root=DIR]

Draws `runs` of the store's results for the profile, all equally likely whatever they cost; the same seed draws the same
ones from the same store. They are trained in a temporary store, with the kind of device and the loop that their records
name. On the same device and build, every number must be reproduced bit for bit, apart from wall-clock times, even if
the code is from another commit. On another device or build, the final test error must be as close as that of replicas
of its cell, which differ only in rounding: within three times the root mean square of their differences, or one image.
If the store has fewer than five such pairs, the difference is reported but not judged.
"""

import logging
import os
import random
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence

from scalefree.command_line import MOST, given, parse, refused, whole_number
from scalefree.compose import one_line
from scalefree.config import ConfigError, RunConfig, with_values
from scalefree.experiments import experiment_names, load_experiment, runs_of, with_dataset_root
from scalefree.interruption import Interrupted
from scalefree.launching import SweepUnfinished, check_machine, launch, settings_of
from scalefree.launching.settings import cores
from scalefree.records import Record, Store
from scalefree.records.environment import on_cpu
from scalefree.records.printable import printable
from scalefree.records.verification import Verified, Whole, counted, verify
from scalefree.streams import begin

WORDS = {
    "equal": "equal bit for bit",
    "close": "as close as replicas",
    "not judged": "another device or build, and too few replicas to judge",
    "different": "different",
}


def as_recorded(config: RunConfig, record: Record, root: str, results_dir: str) -> RunConfig:
    """The run with the kind of device and the loop that its record names, reading `root` and writing `results_dir`."""
    environment = record.environment
    values = {
        "device": "cpu" if on_cpu(environment) else "auto",
        "runner": "plain" if environment.get("runner") == "plain" else "auto",
        "tracking.mode": "none",
        "results_dir": results_dir,
    }
    return with_dataset_root(with_values(config, values), root)


def committed_results(store: Store, names: Sequence[str]) -> dict[str, Whole]:
    """The results of these names, each whole; read before any training, which one damaged file must not waste.

    Raises:
        RecordError: one of them is damaged.
    """
    found = {name: store.whole(name) for name in names}
    return {name: whole for name, whole in found.items() if whole is not None}


def compared(committed: Mapping[str, Whole], anew: Store, records: Mapping[str, Record]) -> list[Verified]:
    """The verdicts on the committed results, except those whose training failed."""
    pairs = [(whole, anew.whole(name)) for name, whole in committed.items()]
    return [verify(one, other, records.values()) for one, other in pairs if other is not None]


def main() -> int:
    """Exit codes: 0 none differs, 1 a record differs or could not be trained, 2 refused, 130 interrupted."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        options = parse(
            given(),
            profile="digits",
            runs="5",
            seed=str(1 + secrets.randbelow(MOST)),
            results_dir="results",
            jobs=str(cores()),
            dataset_root="",
        )
        profile, root = options["profile"], options["dataset_root"]
        runs, seed, jobs = (whole_number(options, key) for key in ("runs", "seed", "jobs"))
        needed = runs_of(load_experiment(name, profile) for name in experiment_names())
        if root and not os.path.isdir(root):
            raise ValueError(f"dataset_root={root} does not exist; name the folder that holds CIFAR, or leave it out")
        store = Store(options["results_dir"])
        records = {record.name: record for record in store.records().values() if record.outcome.is_result}
        known = sorted(needed.keys() & records.keys())
        if not known:
            raise ValueError(f"{store.root} has no results for profile={profile}; train some first")
        chosen = random.Random(seed).sample(known, min(runs, len(known)))
        committed = committed_results(store, chosen)
    except ValueError as error:
        return refused(one_line(error))
    with tempfile.TemporaryDirectory(prefix="scalefree-verify-") as temporary:
        try:
            settings = settings_of("local", {"jobs": jobs})
            configs = [as_recorded(needed[name][0], records[name], root, temporary) for name in chosen]
            check_machine(settings, configs)
            of = f"of the {len(known)} records of profile {profile}"
            print(f"verifying {len(chosen)} {of}, chosen with seed={seed}", flush=True)
            launch(settings, configs)
        except SweepUnfinished as error:
            refused(error)
        except ConfigError as error:
            return refused(one_line(error))
        except Interrupted:
            print("interrupted; nothing was compared")
            return 130
        verdicts = compared(committed, Store(temporary), records)
    for each in verdicts:
        print(printable(f"  {each.name}: {WORDS[each.verdict]}" + (f": {each.detail}" if each.detail else ""), 3000))
    count = counted(verdicts)
    untrained = len(chosen) - len(verdicts)
    told = [f"{number} {WORDS[verdict]}" for verdict, number in count.items() if number or verdict == "equal"]
    print(f"of {len(chosen)} records: {', '.join(told)}" + (f", {untrained} not trained" if untrained else ""))
    return 1 if count["different"] or untrained else 0


if __name__ == "__main__":
    sys.exit(begin(main))
