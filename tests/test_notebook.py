"""The notebook runs from top to bottom, with a recording that it makes itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from motion_jax.data.formats import read_motion
from motion_jax.train.packed_run import shipped_runs

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebooks" / "pretrained.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[str]:
    """The code."""
    found = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") for cell in found)  # they would be of another version
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == "code"]


def test_the_cells_are_python_and_the_links_lead_somewhere(cells: list[str]):
    for number, cell in enumerate(cells):
        compile(cell, f"cell {number}", "exec")
    text = json.dumps(json.loads(NOTEBOOK.read_text()))
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (NOTEBOOK.parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.skipif(not shipped_runs(), reason="no pretrained model is shipped in this checkout")
def test_it_runs_from_top_to_bottom(
    cells: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), space)
    assert len(read_motion("future.bvh").frames) == 50  # a second of synthetic motion
    assert Path("watched.html").stat().st_size > 100_000
    assert Path("strip.png").read_bytes()[:4] == b"\x89PNG"
    told = capsys.readouterr().out
    errors = {name: int(mm) for name, mm in re.findall(r"^(model|stands still): (\d+) mm at 80 ms", told, re.M)}
    assert errors["model"] < errors["stands still"]
