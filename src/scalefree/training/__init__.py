"""From a configuration to a record: the plain training loop, its evaluation and its checkpoints."""

from scalefree.interruption import Interrupted
from scalefree.training.run import RunBusy, run

__all__ = ["Interrupted", "RunBusy", "run"]
