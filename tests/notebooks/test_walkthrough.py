"""The walkthrough runs from top to bottom and shows what is committed.

`python tests/notebooks/test_walkthrough.py` executes it and rewrites its outputs, without times or versions.
"""

import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "walkthrough.ipynb"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What these cells show depends on the records under results/.
OF_RESULTS = {"coverage", "headline"}


def execute() -> NotebookNode:
    """The notebook as it runs now; a cell that raises ends it with CellExecutionError."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    where = {"metadata": {"path": str(NOTEBOOK.parent)}}
    # The limit, in seconds per cell, is only for cells that hang.
    NotebookClient(notebook, timeout=600, record_timing=False, coalesce_streams=True, resources=where).execute()
    return notebook


def code_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Code cells by id, in order."""
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def pictures(cell: NotebookNode) -> list[Image.Image]:
    """What the cell draws."""
    found = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    return [Image.open(io.BytesIO(base64.b64decode(png))) for png in found]


def text(cell: NotebookNode) -> str:
    """What the cell prints, and the plain text of what it displays."""
    return "\n".join(o.text if o.output_type == "stream" else o.data.get("text/plain", "") for o in cell.outputs)


def words(cell: NotebookNode) -> list[str]:
    """The words of its text, without the numbers: those may differ in the last digit between machines."""
    return re.findall(r"[A-Za-z_]{2,}", re.sub(r"[0-9a-f]{12}|\de[-+]?\d", "", text(cell)))


@pytest.fixture
def committed() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_runs_and_shows_what_is_committed(
    committed: NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    before = code_cells(committed)
    for name, cell in code_cells(execute()).items():
        hint = f"cell {name}: the committed outputs are old, see the head of {Path(__file__).name}"
        assert len(pictures(cell)) <= len(pictures(before[name])), hint
        if name not in OF_RESULTS:
            assert words(cell) == words(before[name]), hint


def test_every_cell_has_run_in_order(committed: NotebookNode) -> None:
    cells = list(code_cells(committed).values())
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}


@pytest.mark.parametrize("name", ["paths", "one-step", "gradients", "scales", "curves"])
def test_plots_are_committed(committed: NotebookNode, name: str) -> None:
    (picture,) = pictures(code_cells(committed)[name])
    assert picture.width > 600
    # Lines in more than one colour, not an empty frame.
    assert len(picture.convert("RGB").getcolors(maxcolors=picture.width * picture.height) or []) > 20


def test_no_trace_of_machine_or_time_is_committed(committed: NotebookNode) -> None:
    assert committed.metadata == METADATA
    assert [cell.metadata for cell in committed.cells if cell.metadata] == []
    for cell in committed.cells:
        everything = cell.source + (text(cell) if cell.cell_type == "code" else "")
        assert not re.search(r"(?<![\w.)>])/[a-zA-Z]\w*/|\b[A-Z]:\\", everything), f"an absolute path in {cell.id}"


def test_the_notebook_is_small() -> None:
    assert NOTEBOOK.stat().st_size < 600_000


if __name__ == "__main__":
    written = execute()
    written.metadata = METADATA
    nbformat.write(written, NOTEBOOK)
