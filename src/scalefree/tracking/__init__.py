"""Mirrors of a run while it trains: wandb, or nothing."""

from pathlib import Path

from scalefree.config import RunConfig
from scalefree.tracking.tracker import NullTracker, Tracker


def start_tracker(config: RunConfig, results_dir: Path, name: str) -> Tracker:
    """The tracker that `tracking.mode` asks for, not yet entered."""
    if config.tracking.mode == "none":
        return NullTracker()
    from scalefree.tracking.wandb_tracker import WandbTracker

    return WandbTracker(config, results_dir, name)


__all__ = ["NullTracker", "Tracker", "start_tracker"]
