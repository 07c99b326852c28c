"""Read runs from wandb's server through its public API; needs an account."""

from collections.abc import Iterator
from typing import Any

from scalefree.tracking.rebuilding import NOT_ENDED, Log

# Time limit in seconds for one answer.
TIMEOUT = 60


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the parts of its histograms under dotted names, as wandb's own files have them."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{part}": inner for part, inner in value.items()}
        else:
            flat[name] = value
    return flat


def remote_logs(entity: str, project: str) -> Iterator[Log]:
    """All runs of a project, in order of creation. Histories are read only for runs that have ended.

    Raises:
        OSError: no account, no such project, or no answer.
    """
    import wandb

    try:
        for run in wandb.Api(timeout=TIMEOUT).runs(f"{entity}/{project}", lazy=False):
            record = run.summary.get("record", NOT_ENDED)
            # Not from wandb's cache, which does not notice when a run has been resumed.
            rows = [] if record is NOT_ENDED else [_flat(row) for row in run.scan_history(use_cache=False)]
            yield Log(f"{entity}/{project}/{run.id}", run.config, record, rows)
    except Exception as error:  # wandb and its transport each raise their own kinds
        raise OSError(f"wandb's {entity}/{project} cannot be read: {type(error).__name__}: {error}") from error
