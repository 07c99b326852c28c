"""Output paths are checked before any work: devices, pipes and paths below files are refused."""

import os
from pathlib import Path

import pytest

from scripts.entry import call

OUTPUTS = {
    "export.py": ("out", ["profile=smoke"]),
    "pack.py": ("to", ["dataset_root=."]),
    "defect.py": ("page", []),
}


@pytest.mark.parametrize("script", OUTPUTS)
def test_impossible_output_paths_are_refused(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def nothing(*_: object) -> None:
        raise AssertionError("it started working")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scalefree.theory.atlas.measure_all", nothing)
    monkeypatch.setattr("scalefree.records.environment.manifest", nothing)
    monkeypatch.setattr("scalefree.export.write.export", nothing)
    Path("file").write_text("content")
    os.mkfifo("pipe")
    Path("link").symlink_to("nowhere")
    key, others = OUTPUTS[script]
    for place in ("/dev/null", "pipe", "pipe/x", "file/x", "link/x", "x" * 300):
        assert call(script, [f"{key}={place}", *others], monkeypatch) == 2, place
        out, err = capfd.readouterr()
        assert out == "" and err.startswith(f"error: {key}=") and err.count("\n") == 1
    assert Path("/dev/null").is_char_device()
    assert {path.name for path in tmp_path.iterdir()} == {"file", "pipe", "link"}
