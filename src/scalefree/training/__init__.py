"""From a configuration to a record: the plain training loop, its evaluation and its checkpoints."""

from scalefree.interruption import Interrupted
from scalefree.training.run import Finished, RunBusy, run

__all__ = ["Finished", "Interrupted", "RunBusy", "run"]
