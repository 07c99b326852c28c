"""Train one run, or many with -m: python scripts/train.py [-m] [key=value ...]

python scripts/train.py --cfg job prints every key with its value. Records go to RESULTS/runs/<name>/.
"""

import logging
import os
import sys

# Hydra shows its own errors at length; with this it raises them, and `main` says them in one line.
os.environ["HYDRA_FULL_ERROR"] = "1"

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from scalefree.compose import CONFIG_DIR, one_line, register_schemas, to_run_config

# What went wrong in this process, in the order in which it did.
errors: list[Exception] = []


@hydra.main(version_base="1.3", config_path=str(CONFIG_DIR), config_name="config")
def train(composed: DictConfig) -> float | None:
    """Train the composed run; returns its final test error, which sweepers can minimise."""
    try:
        config = to_run_config(composed)
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

        from scalefree.training import describe_outcome, run  # torch takes seconds; --help must not

        record, trained = run(config)
    except Exception as error:
        # A launcher in this process would print its own account and stop a sweep; `main` reports instead.
        if not HydraConfig.get().launcher._target_.endswith("BasicLauncher"):
            raise
        errors.append(error)
        print(f"error: {one_line(error)}", file=sys.stderr)
        return None
    said = describe_outcome(record) if trained else f"done already, {describe_outcome(record)}"
    print(f"{said}: {os.path.join(config.results_dir, 'runs', record.name)}")
    return record.test_error


def main() -> int:
    """Exit codes: 0 done, 1 a run failed, 2 refused before any work, 130 interrupted."""
    register_schemas()
    try:
        train()
    except (HydraException, OmegaConfBaseException) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    except BaseException as error:
        if type(error).__name__ == "Interrupted":
            print("interrupted; the same command goes on from the checkpoint", file=sys.stderr)
            return 130
        raise
    if not errors:
        return 0
    return 2 if all(isinstance(error, ValueError) for error in errors) else 1


if __name__ == "__main__":
    sys.exit(main())
