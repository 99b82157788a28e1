"""`evaluate`: what it opens, the index of results and the pages made from it. tests/experiments test the scoring."""

from __future__ import annotations

from pathlib import Path

MARK = "<!-- results: table=forecasting data=cmu protocol=srnn metric=euler_error_rad -->"


def test_pages_are_made_from_an_index_alone_and_a_broken_one_is_refused_first(tmp_path: Path, forked):
    page, index, broken = tmp_path / "docs" / "page.md", tmp_path / "index.json", tmp_path / "broken.json"
    page.parent.mkdir()
    page.write_text(f"{MARK}\n<!-- end -->\n")
    index.write_text('{"rows": []}')
    broken.write_text('{"rows":\n<<<<<<< HEAD\n[]}')
    lines = [
        ["--index=index.json", "--tables=docs,docs/page.md"],
        ["--index=absent.json", "--tables=docs"],
        ["--index=broken.json", "--config=zero_velocity"],
        ["--tables=docs"],
    ]
    done = forked("from motion_jax.commands import evaluate\ncli.run(evaluate.main)", lines, tmp_path)
    assert [(each.status, each.out) for each in done] == [(0, "wrote docs/page.md\n"), *[(2, "")] * 3]
    assert page.read_text() == f"{MARK}\n\n*No results yet.*\n\n<!-- end -->\n"
    assert [each.complaints for each in done] == [
        "",
        "error: --index=absent.json: there is no such file\n",
        "error: broken.json:2: not JSON: Expecting value\n",
        "error: --tables=docs: tables are made from an index: give --index=FILE too\n",
    ]


COVERED = """
from types import SimpleNamespace
from motion_jax.commands import evaluate
from motion_jax.errors import UserError
class Run:
    def __init__(self, name, has_radii):
        self.name, self.has_radii = name, has_radii
    def calibrated(self):
        if not self.has_radii:
            raise UserError(f"{self.name} has no radii")
evaluate.open_runs = lambda folders, checkpoint: [Run(str(folder), "with" in str(folder)) for folder in folders]
evaluate.is_named = lambda folder: str(folder).startswith("run")
evaluate._score = lambda runs, leave_out: [(runs, [])]
evaluate.tables.averages_table = lambda reports: ""
evaluate._opened = evaluate._data = lambda run: run
evaluate.measure_run = lambda run, dataset: [run.name]
evaluate.coverage_table = str
cli.run(evaluate.main)
"""


def test_coverage_is_of_the_runs_with_radii_where_runs_were_found_and_of_all_that_were_named(tmp_path: Path, forked):
    """One without is refused before anything is scored; of a folder of runs it is passed over, unless none has any."""
    lines = [["--coverage", f"--workdir={names}"] for names in ("run/with,run/none", "any/none,any/with", "any/none")]
    named, found, none = forked(COVERED, lines, tmp_path)
    assert [(named.status, named.out), (none.status, none.out)] == [(2, "")] * 2
    assert named.complaints == "error: run/none has no radii\n"
    assert none.complaints == "error: any/none has no radii\n"
    assert found.status == 0
    assert "['any/with']" in found.out
    assert "no coverage: any/none has no radii" in found.complaints


UNTRAINED = """
import numpy as np
from motion_jax.commands import evaluate
from motion_jax.skeletons.bodies import H36M
from motion_jax.types import Clip, Dataset
frames = np.random.default_rng(0).normal(0, 0.1, (90, 99)).astype(np.float32)
clips = tuple(Clip(frames, subject, "walking", 1, "train", "walking") for subject in ("S1", "S11"))
evaluate.open_dataset = lambda config: Dataset("synthetic", clips, ("walking",), H36M, 50.0, "key")
evaluate._score = lambda runs, leave_out: print(runs[0].space.columns) or sys.exit()
cli.run(evaluate.main)
"""


def test_a_baseline_is_made_in_any_representation(tmp_path: Path, forked):
    lines = [["--config=zero_velocity", f"--config.data.representation={name}"] for name in ("expmap", "positions")]
    assert [(done.status, done.out, done.complaints) for done in forked(UNTRAINED, lines, tmp_path)] == [
        (0, "99\n", ""),
        (0, "96\n", ""),
    ]
