"""Train one run, or several with -m: python scripts/train.py [-m] [key=value ...]

python scripts/train.py --cfg job prints every key with its value. Records go to RESULTS/runs/<name>/. A multirun ends
with a table of its results and figures in RESULTS/figures/sweeps/<name>/; -m experiment=corners profile=quick trains
the runs of an experiment.
"""

import logging
import os
import re
import signal
import sys
import traceback
from typing import Any, NoReturn

# Hydra prints its own errors at length; with this it raises them instead, and `main` prints them in one line.
os.environ["HYDRA_FULL_ERROR"] = "1"

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from scalefree.command_line import given, refused
from scalefree.compose import CONFIG_DIR, one_line, parse_override, register_schemas, to_run_config
from scalefree.config import ConfigError
from scalefree.interruption import Interrupted
from scalefree.launching import SweepUnfinished
from scalefree.records import Store, describe_outcome
from scalefree.streams import begin
from scalefree.terminal import shown

# With one of these nothing is trained: printing is all that happens.
SHOWS = {"--cfg", "-c", "--help", "-h", "--hydra-help", "--info", "-i", "--version"}

# What went wrong in this process, in order, each with the line that reported it.
failures: list[tuple[Exception, str]] = []


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def train(composed: DictConfig) -> float | None:
    """Train the composed run; returns its final test error, which a sweeper can minimise."""
    try:
        config = to_run_config(composed)

        from scalefree.training import run  # torch takes seconds; --help must not

        record, trained = run(config)
    except Exception as error:
        # Hydra's own launcher would print its own report and stop the other runs; `main` reports instead.
        hydra_config = HydraConfig.get()
        if hydra_config.mode == RunMode.MULTIRUN and not hydra_config.launcher._target_.endswith("BasicLauncher"):
            raise
        what = one_line(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {one_line(error)}"
        which = f"{' '.join(hydra_config.overrides.task)}: " if hydra_config.mode == RunMode.MULTIRUN else ""
        failures.append((error, f"{which}{what}"))
        refused(failures[-1][1])
        return None
    said = describe_outcome(record) if trained else f"already done, {describe_outcome(record)}"
    print(f"{said}: {shown(Store(config.results_dir).place(record.name))}")
    return record.test_error


def quote_paths(argument: str) -> str:
    """`dataset.root=~/images` as `dataset.root='~/images'`.

    Without quotes, Hydra's grammar accepts no value that begins with a tilde or contains non-ASCII characters.
    """
    if re.match(r"\+{0,2}(results_dir|dataset\.root)=", argument) is None:
        return argument
    return re.sub(r"""(?<=[=,])(~[^,'"]*|[^,'"]*[^,'"\x00-\x7f][^,'"]*)(?=,|$)""", r"'\1'", argument)


def as_sweeps(arguments: list[str]) -> list[str]:
    """Turn `experiment=corners profile=quick` into keys of the sweeper, since no single run has them.

    Raises:
        ValueError: without -m, which means a single run, or a value that is not a name.
    """
    found = [re.match(r"\+{0,2}(experiment|profile)=(.*)", argument, re.DOTALL) for argument in arguments]
    if not any(found) or any(argument.partition("=")[0] in SHOWS for argument in arguments):
        return arguments
    named = {match[1]: match[2].strip("[]") for match in found if match}
    if len(named) < sum(map(bool, found)):
        raise ValueError("experiment= or profile= is given twice; separate several experiments with commas")
    if "experiment" not in named:
        raise ValueError(f"profile={named['profile']} needs experiment=NAME, the experiment to train at that size")
    if not {"-m", "--multirun"} & set(arguments):
        raise ValueError(f"experiment={named['experiment']} has many runs; add -m")
    for key, of in named.items():
        if not re.fullmatch(r"\w+(, *\w+)*" if key == "experiment" else r"\w+", of, re.ASCII):
            wanted = "names separated by commas" if key == "experiment" else "one name; write profile=quick"
            raise ValueError(f"{key}={of} is not {wanted}")
    rest = [argument for argument, match in zip(arguments, found, strict=True) if not match]
    return [*rest, *(f"hydra.sweeper.{key}={f'[{of}]' if key == 'experiment' else of}" for key, of in named.items())]


def check_arguments() -> None:
    """Refuse arguments to which Hydra would respond with a page of text, a traceback, or by unpickling a file.

    Raises:
        ValueError: saying what is wrong.
    """

    def refuse(message: str) -> NoReturn:
        raise ValueError(f"{message}; python scripts/train.py --help lists the options")

    parser: Any = get_args_parser()
    parser.error = refuse
    arguments = parser.parse_args(given())
    if arguments.experimental_rerun is not None:
        refuse("--experimental-rerun would execute whatever the pickled file contains")
    for override in arguments.overrides:
        parse_override(override)


def is_refusal(error: Exception) -> bool:
    """Whether the error refuses an impossible request; Hydra does so with many kinds of exception."""
    if isinstance(error, ConfigError | HydraException | OmegaConfBaseException):
        return True
    modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return not any(name.startswith(("scalefree.", "hydra_plugins.")) for name in modules)


def hand_on(number: signal.Signals | None) -> None:
    """Pass a batch system's warning on to whoever handled it before the run did: submitit then requeues the job."""
    if number == signal.SIGUSR2 and callable(signal.getsignal(number)):
        signal.raise_signal(number)


def main() -> int:
    """Exit codes: 0 done, 1 a run failed, 2 refused before any work, 130 interrupted."""
    register_schemas()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        sys.argv[1:] = as_sweeps(list(map(quote_paths, sys.argv[1:])))
        check_arguments()
    except ValueError as error:
        return refused(one_line(error))
    try:
        train()
    except SystemExit as ended:  # after --help and the like, or if what should be shown does not exist
        return 2 if ended.code else 0
    except (Interrupted, KeyboardInterrupt) as error:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        hand_on(getattr(error, "number", None))
        return 130
    except SweepUnfinished as error:  # its launcher has already listed the runs
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        if not is_refusal(error):
            raise
        for line in getattr(error, "lines", (one_line(error),)):
            refused(line)
        return 2
    if not failures:
        return 0
    if len(failures) > 1:
        print(f"{len(failures)} runs failed:", file=sys.stderr)
        for _, line in failures:
            refused(line)
    return 2 if all(isinstance(error, ValueError) for error, _ in failures) else 1


if __name__ == "__main__":
    sys.exit(begin(main, only_says=any(argument.partition("=")[0] in SHOWS for argument in sys.argv)))
