"""The scripts as a shell runs them, but in this process: importing torch anew takes seconds."""

import runpy
import sys
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def run_script(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> int:
    """The exit code of `python scripts/<name> <arguments>`."""
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", [str(SCRIPTS / name), *arguments])
    monkeypatch.syspath_prepend(str(SCRIPTS))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
    code = ended.value.code
    return code if isinstance(code, int) else 1
