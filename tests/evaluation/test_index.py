"""The index of results: what comes back, what replaces what, what is refused, and the tables that pages show."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from motion_jax.errors import UserError
from motion_jax.evaluation.index import (
    IndexedRun,
    Row,
    Score,
    TaskRow,
    TaskScore,
    merged,
    read_index,
    write_index,
)
from motion_jax.evaluation.index_pages import pages_in, update_pages, updated

MARK = "<!-- results: table={} data=cmu protocol=srnn metric=euler_error_rad -->"


def make_run(seed: int = 0, **changes) -> IndexedRun:
    minimum = {"srnn_error_rad_free_running": [0.25, 1.4]}
    run = IndexedRun(seed, f"{seed:016x}", 900, 1000, None, 900, "patience", 90.0 + 60 * seed, minimum)
    return dataclasses.replace(run, **changes)


def make_score(scale: float = 1.0, std: bool = False, **changes) -> Score:
    actions: dict[str, list[float | None]] = {"walking": [0.3 * scale, 1.5], "running": [0.5 * scale, 1.5]}
    spread = {"actions": {name: [0.01, 0.02] for name in actions}, "average": [0.0123, 0.02]} if std else None
    score = Score(
        protocol="srnn", metric="euler_error_rad", mode="free_running", frames=[2, 25], milliseconds=[33.333, 416.667],
        label_ms=[80, 1000], windows=8, missing=[], actions=actions, average=[0.4 * scale, 1.5], std=spread,
        commit="abc",
    )  # fmt: skip
    return dataclasses.replace(score, **changes)


def make_row(model: str = "ours", seeds: int = 1, scores: list[Score] | None = None, **changes) -> Row:
    row = Row(
        model=model,
        data={"name": "cmu", "key": "k", "files": 9, "frames": 99, "stride": 2, "skip_first_row": False},
        config={"hash": "ff", "changed": {}},
        runs=[make_run(seed) for seed in range(seeds)],
        parameters=74_000,
        latency_ms=1.234,
        machine={"processor": "CPU", "cores": 2},
        scores=scores or [make_score(std=seeds > 1)],
    )
    return dataclasses.replace(row, **changes)


def cells(text: str) -> list[list[str]]:
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]


def page(table: str, rows: list[Row]) -> str:
    return updated(f"{MARK.format(table)}\n<!-- end -->\n", rows, "page.md")


def test_a_file_comes_back_and_is_the_same_bytes_in_any_order(tmp_path: Path):
    lost = make_score(mode="one_step", average=[None, 1.5])
    rows = [make_row("b", 2), make_row("a", scores=[lost, make_score()]), make_row("c", runs=[], latency_ms=None)]
    write_index(rows, tmp_path / "one.json")
    back = read_index(tmp_path / "one.json")
    assert [row.model for row in back] == ["a", "b", "c"]
    assert [score.mode for score in back[0].scores] == ["free_running", "one_step"]
    assert back[1] == rows[0]
    assert math.isnan(back[0].reports()[1].average[0])
    write_index(back, tmp_path / "two.json")
    text = (tmp_path / "one.json").read_text()
    assert (tmp_path / "two.json").read_text() == text
    assert '"average": [0.4, 1.5],' in text
    json.loads(text, parse_constant=pytest.fail)
    assert read_index(tmp_path / "absent.json") == []


def test_scores_of_the_same_weights_are_kept_and_of_others_are_not():
    before = [make_row(), make_row("other")]
    again = make_row(scores=[make_score(2.0), make_score(mode="one_step")], latency_ms=None, machine={})
    other, kept = merged(before, [dataclasses.replace(again, scores=again.scores[1:])])
    assert [score.mode for score in kept.scores] == ["free_running", "one_step"]
    assert (kept.latency_ms, kept.machine, other) == (1.234, {"processor": "CPU", "cores": 2}, before[1])
    assert merged(before, [again])[1].scores == again.scores
    for changes in ({"runs": [make_run(1)]}, *({"data": again.data | {name: 1}} for name in ("key", "stride"))):
        anew = dataclasses.replace(again, scores=again.scores[1:], **changes)
        assert merged(before, [anew]) == [before[1], anew]
    elsewhere = make_row(data={**again.data, "name": "h36m"})
    assert [row.key for row in merged(before, [elsewhere])] == [("cmu", "other"), ("cmu", "ours"), ("h36m", "ours")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "[]", 'must be JSON with "rows"'),
        (lambda text: text.replace('"parameters": 74000,', ""), "row 1: parameters is missing"),
        (lambda text: text.replace('"parameters": 74000', '"parameters": true'), "parameters=True: must be int"),
        (lambda text: text.replace('"seed": 0', '"seed": "0"'), r"row 1 \(ours\): run 1: seed='0'"),
        (lambda text: text.replace('"average": [0.4, 1.5]', '"average": [0.4]'), r"score 1: average=\[0.4\]"),
        (lambda text: text.replace('"walking": [0.3, 1.5]', '"walking": ["x", 1.5]'), "actions.walking="),
        (lambda text: text.replace("free_running", "free"), "mode='free'"),
        (lambda text: text.replace('"key": "k"', '"keys": "k"'), "data.key is missing"),
        (lambda text: text.replace('"model": "two"', '"model": "ours"'), "'ours' on 'cmu' is there twice"),
    ],
)
def test_a_broken_index_is_refused(tmp_path: Path, change: Callable[[str], str], message: str):
    path = tmp_path / "index.json"
    write_index([make_row(), make_row("two")], path)
    path.write_text(change(path.read_text()))
    with pytest.raises(UserError, match=message):
        read_index(path)


def test_a_conflict_is_refused_with_its_line(tmp_path: Path):
    path = tmp_path / "index.json"
    path.write_text('{\n "rows": [\n<<<<<<< HEAD\n ]\n}\n')
    with pytest.raises(UserError, match=r"index\.json:3: not JSON"):
        read_index(path)


def test_models_stand_by_their_mean_error_with_both_times_and_what_they_cost():
    rows = [
        make_row("Zero-velocity", 0, [make_score(2.0)], parameters=0),
        make_row("three", 3),
        make_row("diverged", scores=[make_score(average=[None, 1.9])]),
        make_row("fewer", scores=[make_score(actions={"walking": [0.1, 0.1]}, average=[0.1, 0.1])]),
        make_row("best", scores=[make_score(0.5)], runs=[make_run(train_steps=None, train_seconds=None, ended=None)]),
    ]
    refit = [make_run(0, selection_steps=1200, train_steps=900), make_run(1, selection_steps=1300, train_steps=800)]
    rows.append(make_row("refit", 2, [make_score(0.9, std=True)], runs=refit))
    head, labels, times, *lines = [line for line in cells(page("forecasting", rows)) if line[0] != "---"]
    assert head == ["frame", "2", "25", "parameters", "training, min", "steps", "ended by", "latency, ms"]
    assert labels[:3] == ["milliseconds, as papers label them", "80", "1000"]
    assert times[:3] == ["milliseconds, true", "33", "417"]
    assert lines == [
        ["best (1 seed)", "**0.200**", "**1.500**", "74,000", "-", "-", "-", "1.23"],
        ["refit (mean ± std of 2 seeds)", "0.360 ± 0.012", "**1.500** ± 0.020", "74,000", "2.0",
         "800-900 after 1,200-1,300 to choose", "patience", "1.23"],
        ["three (mean ± std of 3 seeds)", "0.400 ± 0.012", "**1.500** ± 0.020", "74,000", "2.5", "1,000", "patience",
         "1.23"],
        ["Zero-velocity", "0.800", "**1.500**", "0", "-", "-", "-", "1.23"],
        ["diverged (1 seed)", "nan", "1.900", "74,000", "1.5", "1,000", "patience", "1.23"],
        ["fewer (1 seed)", "-", "-", "74,000", "1.5", "1,000", "patience", "1.23"],
    ]  # fmt: skip


def test_what_does_not_compare_stands_in_tables_of_its_own():
    short = make_row("short", scores=[make_score(frames=[2, 10])])
    other = make_row("copy", data={**make_row().data, "key": "other"})
    text = page("forecasting", [make_row(), short, other, make_row("h", data={**make_row().data, "name": "h36m"})])
    assert re.findall(r"^\| (?:frame|\w+ \(1 seed\))", text, re.MULTILINE) == [
        "| frame", "| ours (1 seed)", "| frame", "| short (1 seed)", "| frame", "| copy (1 seed)",
    ]  # fmt: skip


def test_actions_and_trainings():
    lines = cells(page("actions", [make_row()]))
    assert lines[0] == ["", "walking", "", "running", ""]
    assert lines[-1][1:] == ["0.400", "1.500"]
    text = updated("<!-- results: table=training data=cmu -->\n<!-- end -->", [make_row(seeds=2)], "page.md")
    assert cells(text)[3] == ["ours", "1", "1,000", "900", "900", "patience", "2.5", f"`{1:016x}`"]
    assert "no result" in text
    assert cells(text)[-1] == ["ours", "1", "`srnn_error_rad_free_running`", "0.25 1.4"]


def test_published_rows_are_in_no_other_table():
    assert "LearnTrajDep" in page("published", [make_row()])
    assert "ours" not in page("published", [make_row()])
    assert "LearnTrajDep" not in page("forecasting", [make_row()]) + page("actions", [make_row()])
    other = MARK.format("published").replace("srnn", "windows256")
    assert "No printed result" in updated(f"{other}\n<!-- end -->", [make_row()], "page.md")


def test_pages_are_written_once_and_only_where_they_change(tmp_path: Path):
    (tmp_path / "deep").mkdir()
    one, two = tmp_path / "deep" / "one.md", tmp_path / "two.md"
    one.write_text(f"before\n\n{MARK.format('forecasting')}\nold\n<!-- end -->\n\nafter\n")
    two.write_text(f"text\n\n    {MARK.format('forecasting')}\n")  # an example, indented
    pages = pages_in([tmp_path, two])
    assert pages == [one, two]
    assert update_pages([], pages) == [one]
    text = one.read_text()
    assert "No results yet" in text
    assert "old" not in text
    assert text.startswith("before\n\n<!--")
    assert text.endswith("<!-- end -->\n\nafter\n")
    assert update_pages([], pages) == []
    with pytest.raises(UserError, match="there is no such page"):
        pages_in([tmp_path / "absent.md"])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("<!-- results: table=forecasting -->", "data= is missing"),
        ("<!-- results: table=forcasting data=cmu -->", "table='forcasting': must be one of forecasting"),
        ("<!-- results: table=actions data=cmu protocol=srn metric=mpjpe_mm -->", "protocol='srn'"),
        ("<!-- results: table=actions data=cmu protocol=srnn metric=mpjpe -->", "mpjpe"),
        ("<!-- results: table=actions data=cmu protocol=srnn metric=mpjpe_mm mode=free -->", "mode='free'"),
        ("<!-- results: table=actions data=cmu rows=3 -->", "'rows=3': must be NAME=VALUE"),
        (f"{MARK.format('actions')}\n\n{MARK.format('actions')}", "no <!-- end --> follows"),
    ],
)
def test_a_wrong_mark_is_refused_with_its_line_and_nothing_is_written(tmp_path: Path, mark: str, message: str):
    good, bad = tmp_path / "a.md", tmp_path / "b.md"
    good.write_text(f"{MARK.format('actions')}\n<!-- end -->\n")
    bad.write_text(f"# Title\n\n{mark}\n<!-- end -->\n" if "\n" not in mark else f"# Title\n\n{mark}\n")
    before = good.read_text()
    with pytest.raises(UserError, match=f"b.md:3: results: .*{re.escape(message)}"):
        update_pages([make_row()], [good, bad])
    assert good.read_text() == before


def test_anticipators_stand_by_accuracy_above_what_sees_no_motion_at_each_time(tmp_path: Path):
    def row(
        model: str, runs: int, checkpoint: str, *metrics: tuple[str, list[float | None]], **changed: str
    ) -> TaskRow:
        spread: list[float | None] | None = [0.01, 0.02] if runs > 1 else None
        scores = [TaskScore("test", name, [0.5, 0.25], values, spread, 9, 3, "abc") for name, values in metrics]
        return TaskRow(
            "anticipation", model, checkpoint, {"name": "cmu", "key": "k", "files": 9, "frames": 99},
            {"hash": "ff", "changed": changed}, [make_run(seed) for seed in range(runs)], 74_000 if runs else 0,
            1.234 if runs else None, {"processor": "CPU", "cores": 2}, scores,
        )  # fmt: skip

    rows = [
        row("Markov", 0, "", ("top1", [0.9, 0.9]), ("top5", [1.0, 1.0])),
        row("one", 1, "last", ("top1", [0.4, 0.5]), ("top5", [0.8, None])),
        row("two", 2, "best", ("top1", [0.4, 0.625]), ("mean_top5_recall", [0.5, 0.5])),
    ]
    write_index(rows, tmp_path / "index.json")
    mark = "<!-- results: table=anticipation data=cmu -->\n<!-- end -->\n"
    text = updated(mark, read_index(tmp_path / "index.json"), "page.md")
    assert (
        "cmu, test: 9 segments, 3 classes. Scored at abc. Latency: one observation at a time on CPU, 2 cores." in text
    )
    facts = ["74,000", "2.0", "1,000", "patience", "1.23"]
    assert [line for line in cells(text) if line[0] != "---"] == [
        ["Top-1, %", "0.5 s", "0.25 s", "epoch", "parameters", "training, min", "steps", "ended by", "latency, ms"],
        ["two (mean ± std of 2 seeds)", "40.0 ± 1.0", "62.5 ± 2.0", "best", *facts],
        ["one (1 seed)", "40.0", "50.0", "last", facts[0], "1.5", *facts[2:]],
        ["Markov", "90.0", "90.0", "-", "0", "-", "-", "-", "-"],
        ["Top-5, %", "0.5 s", "0.25 s"],
        ["two (mean ± std of 2 seeds)", "-", "-"],
        ["one (1 seed)", "80.0", "-"],
        ["Markov", "100.0", "100.0"],
        ["Mean top-5 recall, %", "0.5 s", "0.25 s"],
        ["two (mean ± std of 2 seeds)", "50.0 ± 1.0", "50.0 ± 2.0"],
        ["one (1 seed)", "-", "-"],
        ["Markov", "-", "-"],
    ]
    early = [row("early", 1, "best", ("top1", [0.4, 0.5]), **{"model.mode": "early_recognition"})]
    assert "| Top-1, % | 50.0% seen | 25.0% seen |" in updated(mark, early, "page.md")
