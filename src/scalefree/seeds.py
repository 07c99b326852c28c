"""Randomness from (seed, purpose, epoch), never from a global stream.

At one seed every optimizer sees the same initialisation, the same order of images and the same augmentation, so
that comparisons are paired, and a resumed run needs only its epoch, not a position in a stream.
"""

import hashlib

import torch


def generator(seed: int, purpose: str, epoch: int = 0) -> torch.Generator:
    """A separate CPU generator for each (seed, purpose, epoch).

    Always on the CPU, so that a run draws the same numbers on every device. The three are hashed because
    neighbouring seeds of one generator can give related streams.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
