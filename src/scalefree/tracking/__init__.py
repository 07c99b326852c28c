"""Mirrors of a run while it trains: wandb, or nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scalefree.config import RunConfig
from scalefree.tracking.tracker import NullTracker, Tracker


def start_tracker(config: RunConfig, results_dir: Path, name: str, images: int, machine: Mapping[str, Any]) -> Tracker:
    """The tracker for `tracking.mode`, not yet entered.

    `images` is the number per epoch, `machine` describes the device.
    """
    if config.tracking.mode == "none":
        return NullTracker()
    from scalefree.tracking.wandb_tracker import WandbTracker

    return WandbTracker(config, results_dir, name, images, machine)


__all__ = ["NullTracker", "Tracker", "start_tracker"]
