"""A CPU in the place of CUDA."""

import pytest

from scalefree.training.fast import captured, proven


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU takes captured steps, and has to prove itself first."""
    for module in (captured, proven):
        monkeypatch.setattr(module, "captures", lambda config, device: config.runner != "plain")
