"""The explorer in headless Chromium: choosing, pointing and reading, also by keyboard and on a phone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from report.chromium import Frame, look
from report.hand_made import put, record, smoke_runs
from scalefree.config import with_values
from scalefree.optimizers import BY_CHANGE
from scalefree.records import Store
from scalefree.report import write

PHONE = 400
CHANGE = 'form.dispatchEvent(new Event("input"))'
READY = """const form = document.getElementById("explorer-form");
  const chart = document.getElementById("explorer-chart");
  const chip = (words) => [...document.querySelectorAll(".chips label")].find((label) => label.textContent === words)
    .querySelector("input").click();
  const send = (key) => chart.parentElement.dispatchEvent(new KeyboardEvent("keydown", {key}));
  const press = (...keys) => keys.forEach(send);
"""


def choose(*more: str, **values: str) -> str:
    """Steps that set selects and then do the rest."""
    sets = [f'form.elements.{name}.value = "{value}"' for name, value in values.items()]
    return READY + "; ".join([*sets, CHANGE, *more])


FRAMES = {
    "first": Frame(steps=READY),
    "phone": Frame(width=PHONE, steps=choose("press('ArrowRight')")),
    "all": Frame(steps=choose(cells="all")),
    "each": Frame(steps=choose(cells="all", seeds="each")),
    "loss": Frame(steps=choose(x="log", y="log")),
    "chosen": Frame(steps=choose("chip('Adam-l2')")),
    "nothing": Frame(steps=choose("chip('Adam-l2')", "chip('9')", cells="all")),
    "scales": Frame(steps=choose("press('ArrowRight', 'ArrowRight', 'ArrowRight')", quantity="h0")),
    "layers": Frame(steps=choose(quantity="h0", group="stem")),
    "keys": Frame(steps=choose("press('End', 'ArrowDown')")),
    "left": Frame(steps=choose("press('End', 'Escape')")),
    "hidden": Frame(steps=choose("document.querySelector('#explorer-lines button').click()")),
    "pointed": Frame(
        steps=READY
        + """const box = chart.getBoundingClientRect();
        const at = {clientX: box.right - 20, clientY: box.top + 30};
        chart.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, ...at}))"""
    ),
}


@pytest.fixture
def page(tmp_path: Path, made_up: None) -> Path:
    """AdamW with two cells of two seeds, Adam-l2 with a completed and a diverged seed, AdamProx with a diverged one."""
    store = Store(tmp_path / "results")
    base = with_values(next(iter(smoke_runs().values())), {"seed": 1})

    def add(optimizer: str, lr: float, seed: int, error: float | None) -> None:
        changes = {"optimizer.name": optimizer, "optimizer.lr": lr, "optimizer.weight_decay": 1e-3, "seed": seed}
        put(store, record(with_values(base, changes), error))

    for seed, error in ((8, 0.20), (9, 0.30)):
        add("adamw", 1e-3, seed, error)
        add("adamw", 1e-2, seed, error + 0.4)
    add("adaml2", 1e-3, 8, 0.125)
    add("adaml2", 1e-3, 9, None)
    add("adamprox", 1e-3, 8, None)
    return write("smoke", tmp_path / "results")


@pytest.fixture
def saw(page: Path, tmp_path: Path) -> dict[str, Any]:
    found, console = look(page, tmp_path, FRAMES)
    assert console == []
    for name, frame in FRAMES.items():
        assert found[name]["width"] == frame.width and found[name]["overflow"] <= 0, name
        assert found[name]["requests"] == 0 and not found[name]["chart"]["hidden"], name
        assert found[name]["chart"]["unnamed"] == 0, name
    return {name: of["chart"] for name, of in found.items()}


def test_a_reader_can_choose_and_point(saw: dict[str, Any]) -> None:
    first = saw["first"]
    assert first["said"].startswith("7 of 7 results chosen: 3 lines, each at the step size and decay with the lowest")
    assert first["head"] == "At the end" and first["drawn"] == 3
    assert first["rows"] == [
        ["AdamW", "2", "", "25.00 %"],
        ["AdamProx", "1", "1", "80.00 %"],
        ["Adam-l2", "1", "1", "12.50 %"],
    ]
    assert first["crosses"] == 1 and "Step size 1e-3" in first["same"] and "Data Digits 8x8" in first["same"]
    assert ["Optimizer", "AdamW", "AdamProx", "Adam-l2"] in first["offered"]

    assert [row[0] for row in saw["all"]["rows"]] == [
        "AdamW, Step size 1e-3", "AdamW, Step size 1e-2", "AdamProx, Step size 1e-3", "Adam-l2, Step size 1e-3",
    ]  # fmt: skip
    assert [row[-1] for row in saw["each"]["rows"]][:4] == ["20.00 %", "30.00 %", "60.00 %", "70.00 %"]
    assert [row[0] for row in saw["each"]["rows"]][-2:] == [
        "Adam-l2, Step size 1e-3, Seed 8",
        "Adam-l2, Step size 1e-3, Seed 9",
    ]

    # Keys without a remaining choice are not offered, except the one that was chosen.
    assert [row[0] for row in saw["chosen"]["rows"]] == ["all that is chosen"]
    offered = dict((row[0], row[1:]) for row in saw["chosen"]["offered"])
    assert "Step size" not in offered and len(offered["Optimizer"]) == 3 and offered["Seed"] == ["8", "9"]
    assert [row[1:] for row in saw["nothing"]["rows"]] == [["1", "1", "80.00 %"]]

    assert saw["hidden"]["drawn"] == first["drawn"] - 1 and len(saw["hidden"]["rows"]) == 3
    assert saw["pointed"]["reading"].startswith("AdamProx: 80.00 % at epoch ")


def test_values_can_be_read_with_the_keyboard(saw: dict[str, Any]) -> None:
    epochs = saw["keys"]["head"].removeprefix("At epoch ")
    assert saw["keys"]["reading"] == f"AdamProx: 80.00 % at epoch {epochs}"
    assert saw["left"]["reading"] == "" and saw["left"]["head"] == "At the end"
    assert saw["phone"]["reading"] == "AdamW: 90.00 % at epoch 1 (90.00 % to 90.00 % over 2 seeds)"


def test_histograms_and_logarithmic_axes_are_drawn(saw: dict[str, Any]) -> None:
    # All coordinates are in the twentieth bin from 2^-27 on, drawn with its neighbours and the underflow bin.
    assert saw["scales"]["head"] == "At 2\u207b\u2078 to 2\u207b\u2077"
    assert saw["scales"]["reading"].startswith("AdamW: 100 % at 2\u207b\u2078 to 2\u207b\u2077")
    assert [row[-1] for row in saw["scales"]["rows"]] == ["100 %", "100 %"], "a diverged run has no histogram"
    assert "\u22641e\u22128" in saw["scales"]["ticks"] and "\u22128" in saw["scales"]["ticks"]
    assert "\u221220" not in saw["scales"]["ticks"]
    # These records lack this layer group, so the whole network stays.
    assert saw["layers"]["rows"] == [["AdamW", "2", "", "100 %"], ["Adam-l2", "1", "1", "100 %"]]
    assert saw["loss"]["rows"] == saw["first"]["rows"]
    # 20, 40, 60 and 80 %, spaced like the numbers or like their logarithms.
    assert saw["loss"]["ticks"][:4] == saw["first"]["ticks"][:4] == ["20", "40", "60", "80"]
    for name, distances in (("first", [20, 20, 20]), ("loss", np.diff(np.log([20, 40, 60, 80])))):
        heights = -np.diff(saw[name]["heights"][:4])
        assert heights / heights.sum() == pytest.approx(np.array(distances) / np.sum(distances), abs=1e-3)


# Text that an optimizer's arguments may contain; it is shown in one line and never executed.
HOSTILE = "\"'></script><script>document.title = 'obeyed'</script><img src=x onerror=alert(1)>${x}\x1b[2J\u202e"


def test_hostile_names_are_shown_but_not_executed(tmp_path: Path, made_up: None) -> None:
    store = Store(tmp_path / "results")
    base = next(iter(smoke_runs().values()))
    for index, text in enumerate((HOSTILE, "y" * 400)):
        changes = {
            "optimizer.name": "torch",
            "optimizer.target": "torch.optim.NAdam",
            "optimizer.arguments": {"text": text},
        }
        made = record(with_values(base, changes), 0.25 + index / 4, update=BY_CHANGE)
        put(store, made)
    page = write("smoke", tmp_path / "results")
    frames = {
        "desktop": Frame(),
        "phone": Frame(width=PHONE),
        "text": Frame(steps="document.title === 'obeyed' && nonsense()"),
    }
    found, console = look(page, tmp_path, frames)
    assert console == []
    for name in frames:
        assert found[name]["overflow"] <= 0 and len(found[name]["chart"]["rows"]) == 2, name
    labels = [row[0] for row in found["desktop"]["chart"]["rows"]]
    assert any("<script>" in label or "script>" in label for label in labels) and any(
        "yyyy" in label for label in labels
    )
    assert not any(character in label for label in labels for character in "\x1b\u202e")


def test_without_a_decompressor_the_rest_of_the_page_works(page: Path, tmp_path: Path) -> None:
    text = page.read_text()
    page.write_text(text.replace("new DecompressionStream", "new Missing", 1))
    found, console = look(page, tmp_path, {"old": Frame(steps='document.title = "x"')})
    assert console == [] and found["old"]["chart"]["hidden"] and len(found["old"]["names"]) > 7
