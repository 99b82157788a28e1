"""`motion-jax recognise` and `motion-jax visualize` on hand-made runs of labelled tasks."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.data.expmap import write_expmap
from tests.labelled_runs import CLASSES, FPS, STEP, WINDOW, motion_rows, write_run

ROOT = Path(__file__).parents[2]
SECONDS = WINDOW * STEP / FPS  # of a window

Forked = Callable[..., list[Any]]  # see conftest.py
RECOGNISE = "from motion_jax.commands import recognise\ncli.run(recognise.main)"
VISUALIZE = """
import numpy as np
from motion_jax.data.labelled.sequences import LabelledSet, Segment, Sequence
from motion_jax.commands import visualize
from tests.labelled_runs import CLASSES, FPS, H36M, motion_rows
from motion_jax.inference.recogniser import arrays_of_rows
def made(data, labels):  # once the command has chosen its devices
    arrays = arrays_of_rows(motion_rows(41), H36M)
    one = Sequence(arrays, (Segment(0, 20, 1), Segment(20, 40, 0)), "1", "test", "made.bvh")
    return LabelledSet("made", (one,), CLASSES, FPS, "key", H36M)
visualize.open_labelled = made
cli.run(visualize.main)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of both tasks, and files of which one is broken."""
    path = tmp_path_factory.mktemp("labelled")
    for task in ("recognition", "anticipation"):
        write_run(path / task, task)
    (path / "files").mkdir()
    write_expmap(path / "files" / "long.txt", motion_rows(40))
    write_expmap(path / "files" / "short.txt", motion_rows(8))
    (path / "files" / "torn.txt").write_text("1,2,three\n")
    return path


def test_every_file_is_labelled_but_the_broken_one(folder: Path, forked: Forked):
    flags = [f"--workdir={folder / 'recognition'}", f"--csv={folder / 'out.csv'}", f"--json={folder / 'out.json'}"]
    (done,) = forked(RECOGNISE, [[*flags, f"--input={folder / 'files'}"]], ROOT)
    assert done.status == 2
    assert re.search(r"^error: \S+torn.txt\b.*\nerror: --input=\S+files: 1 of 3 files failed, named above\n$",
                     done.complaints), done.complaints  # fmt: skip
    with (folder / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "start_s", "end_s", "label", "probability"]
    record = json.loads((folder / "out.json").read_text())
    assert record | {"files": []} == {"task": "recognition", "model": "a recognition", "step": 7,
                                      "classes": list(CLASSES), "files": []}  # fmt: skip
    windows = {Path(one["file"]).name: one["windows"] for one in record["files"]}
    assert {name: len(found) for name, found in windows.items()} == {"long.txt": 6, "short.txt": 1}
    assert [float(row["start_s"]) for row in rows[:6]] == pytest.approx([n * SECONDS / 2 for n in range(5)] + [0.56])
    assert float(rows[0]["end_s"]) == pytest.approx(SECONDS)
    for row, window in zip(rows, [*windows["long.txt"], *windows["short.txt"]], strict=True):
        assert (row["label"], float(row["probability"])) == (
            window["label"],
            pytest.approx(window["probability"], 1e-5),
        )
        assert sum(window["probabilities"]) == pytest.approx(1, abs=1e-5)
        assert window["label"] == CLASSES[int(np.argmax(window["probabilities"]))]
    assert len(done.out.splitlines()) == len(rows) + 2


def test_mistakes_cost_one_line(folder: Path, forked: Forked):
    known = [f"--workdir={folder / 'recognition'}", f"--input={folder / 'files' / 'long.txt'}"]
    mistakes = {
        (*known, "--seconds=0.01"): "seconds=0.01: a window must hold two frames, 0.08 s, or more",
        (*known, "--hop=0"): "hop=0: must be a frame, 0.04 s, or more",
        (*known, "--csv=" + known[1].partition("=")[2]): "long.txt: is read by this command: give another name",
        (
            f"--workdir={folder / 'anticipation'}",
            known[1],
        ): "a run of anticipation (model 'ru_lstm')",
        (known[0], f"--input={folder / 'files'}", "--strict"): "torn.txt",
    }
    for done, message in zip(forked(RECOGNISE, list(mistakes), ROOT), mistakes.values(), strict=True):
        assert (done.status, len(done.complaints.splitlines())) == (2, 1), done.complaints
        assert message in done.complaints


def test_the_page_has_a_band_of_labels_and_one_of_what_comes(folder: Path, forked: Forked):
    runs = ",".join(str(folder / task) for task in ("recognition", "anticipation"))
    page = folder / "page.html"
    lines = [[f"--workdir={runs}", f"--output={page}"], [f"--workdir={runs}", f"--png={folder / 'strip.png'}"]]
    done, refused = forked(VISUALIZE, lines, ROOT)
    assert done.complaints == "", done.complaints
    assert done.status == 0
    assert re.fullmatch(r"wrote \S+page\.html: 1 of 1 test recordings, \d\.\d\d MB\n", done.out)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    data = json.loads(found[1])
    assert data["bands"] == ["Truth", "a recognition", "a anticipation: what comes in 0.16 s"]
    truth, labels, coming = data["scenes"][0]["bands"]
    assert [span[2] for span in truth] == [1, 0]
    assert labels[0][0] == 0
    begin, step = 0.08 * data["fps"], 0.08 * data["fps"]
    np.testing.assert_allclose([span[0] for span in coming], begin + step * np.arange(len(coming)))
    assert len(coming) == 9  # every .08 s of .8 s, from the first that has a step before it
    assert all(first[1] == second[0] for first, second in itertools.pairwise(coming))
    assert (refused.status, len(refused.complaints.splitlines())) == (2, 1)
    assert "runs on labelled data have --output and --training" in refused.complaints


def test_a_sweep_changes_fields_of_a_labelled_task(tmp_path: Path, forked: Forked):
    """The fields are read before anything is trained: one out of range is refused as such."""
    program = "from motion_jax.commands import sweep\ncli.run(sweep.main)"
    line = ["--sweep=hbrnn", f"--workdir={tmp_path / 'runs'}", "--config.labels.frame_step=0"]
    (done,) = forked(program, [line], ROOT)
    assert (done.status, done.complaints) == (
        2,
        "error: sweep, member 'HBRNN-L': labels.frame_step=0: must be at least 1\n",
    )
