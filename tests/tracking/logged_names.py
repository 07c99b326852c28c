"""Whether a logged name is in the table of metrics."""

from scalefree.tracking.metrics import GROUP, METRICS


def is_known(name: str) -> bool:
    """Whatever its layer group."""
    first, *rest = name.split("/")
    pattern = "/".join([first, GROUP, *rest[1:]]) if rest else name
    return any(metric.name == pattern for metric in METRICS)
