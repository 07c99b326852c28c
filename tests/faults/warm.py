"""Does once what every training does first, in the process from which all others are forked.

No gradients are computed here: a process that has done so must not be forked on a machine with a GPU.
"""

import torch

from conftest import TINY
from faults import injection
from scalefree.compose import run_config
from scalefree.records.environment import versions
from scalefree.training.task import build_task, load_data

torch.set_num_threads(1)
config = run_config(TINY)
build_task(config, load_data(config.dataset), torch.device("cpu"))
versions()

__all__ = ["injection"]
