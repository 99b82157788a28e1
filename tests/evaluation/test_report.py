"""Reports: what comes back from a file, what several runs average to, what a table says and keeps apart."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from motion_jax.config import MODES, Experiment
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import METRICS, Metric
from motion_jax.evaluation.report import Report, Spread, combine, read_json, write_csv, write_json
from motion_jax.evaluation.tables import averages_table, markdown, overview, write_markdown
from motion_jax.runtime.files import check_writable

FRAMES = [2, 25]


def make(model="ours", mode="free_running", data: str | dict = "h36m", scale=1.0, **changes) -> Report:
    actions = {"walking": [0.25 * scale, 1.5 * scale], "eating": [0.35 * scale, 1.0 * scale], "smoking": [0.5, 2.0]}
    report = Report(
        model=model,
        mode=mode,
        protocol="srnn",
        metric="euler_error_rad",
        frames=FRAMES,
        milliseconds=[80.0, 1000.0],
        label_ms=[80, 1000],
        actions=actions,
        average=np.mean(list(actions.values()), axis=0).tolist(),
        missing=[],
        windows=8,
        seeds=1,
        std=None,
        config=Experiment().to_dict(),
        data=data if isinstance(data, dict) else {"name": data, "files": 210, "frames": 527_000, "key": "abc"},
    )
    return dataclasses.replace(report, **changes)


def rows(text: str) -> list[list[str]]:
    """The cells of every table line."""
    return [line[2:-2].split(" | ") for line in text.splitlines() if line.startswith("| ")]


def section(text: str, title: str) -> str:
    """From a heading to the next of the same level or above."""
    level = title.split()[0]
    lines = text.splitlines()
    start = lines.index(title)
    stops = [
        n for n in range(start + 1, len(lines)) if lines[n].startswith("#") and len(lines[n].split()[0]) <= len(level)
    ]
    return "\n".join(lines[start : stops[0] if stops else None])


def test_json_comes_back_as_it_went(tmp_path):
    spread = Spread({"walking": [0.1, math.nan]}, [0.1, 0.2])
    broken = make("diverged", actions={"walking": [0.25, math.nan]}, average=[0.25, math.nan], missing=["eating"])
    reports = [make(), make(seeds=3, std=spread), broken]
    write_json(reports, tmp_path / "reports.json")
    back = read_json(tmp_path / "reports.json")
    np.testing.assert_equal([dataclasses.asdict(r) for r in back], [dataclasses.asdict(r) for r in reports])


def test_json_is_strict_and_has_the_agreed_fields(tmp_path):
    path = tmp_path / "reports.json"
    write_json([make(average=[math.nan, 1.0])], path)
    (report,) = json.loads(path.read_text(), parse_constant=pytest.fail)["reports"]
    agreed = {"model", "mode", "protocol", "metric", "frames", "milliseconds", "actions", "average", "config", "data"}
    assert agreed <= set(report)
    assert report["average"] == [None, 1.0]
    assert report["frames"] == FRAMES
    assert report["actions"]["walking"] == [0.25, 1.5]
    assert {"name", "files", "frames"} <= set(report["data"])
    assert report["config"]["train"]["seed"] == 0
    del report["task"]  # a report of before there were several
    path.write_text(json.dumps({"reports": [report]}))
    assert read_json(path)[0].task == "forecasting"


@pytest.mark.parametrize("text", ["", "[]", '{"reports": [{"model": "x"}]}', '{"reports": [1]}', '{"report": []}'])
def test_a_file_that_is_no_report_is_named(text, tmp_path):
    path = tmp_path / "reports.json"
    with pytest.raises(UserError, match=r"reports\.json: cannot be read"):
        read_json(path)
    path.write_text(text)
    with pytest.raises(UserError, match=r"reports\.json.*not a report"):
        read_json(path)


def test_csv_is_long_form(tmp_path):
    several = combine([[make()], [make(scale=2)]])
    write_csv([make(mode="one_step"), *several], tmp_path / "reports.csv")
    with (tmp_path / "reports.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * (3 + 1) * len(FRAMES)
    assert [line["action"] for line in lines[:8:2]] == ["walking", "eating", "smoking", "average"]
    assert (lines[1]["frame"], lines[1]["milliseconds"], lines[1]["label_ms"]) == ("25", "1000.0", "1000")
    assert (float(lines[1]["value"]), lines[1]["std"], lines[1]["seeds"]) == (1.5, "", "1")
    assert lines[8]["mode"] == "free_running"
    assert (float(lines[8]["value"]), lines[8]["seeds"]) == (0.375, "2")
    assert float(lines[8]["std"]) == pytest.approx(np.std([0.25, 0.5], ddof=1))


def test_several_runs_combine_to_mean_and_sample_deviation():
    runs = [[make(scale=scale), make(mode="one_step", scale=scale / 2)] for scale in (1.0, 2.0, 4.0)]
    runs[1].reverse()
    free, one_step = combine(runs)
    assert (free.mode, one_step.mode, free.seeds) == ("free_running", "one_step", 3)
    assert free.actions["walking"] == pytest.approx([0.25 * 7 / 3, 1.5 * 7 / 3])
    assert one_step.actions["walking"] == pytest.approx([0.125 * 7 / 3, 0.75 * 7 / 3])
    assert free.spread("walking") == pytest.approx(np.std([[0.25, 1.5], [0.5, 3.0], [1.0, 6.0]], axis=0, ddof=1))
    assert free.spread("smoking") == [0, 0]
    assert free.average == pytest.approx(
        np.mean([run[0].average for run in (runs[0], runs[2])] + [runs[1][1].average], 0)
    )
    assert combine(runs[:1]) == runs[0]


def test_runs_that_measure_different_things_do_not_combine():
    with pytest.raises(UserError, match="no runs"):
        combine([])
    with pytest.raises(UserError, match="run 2 has rows"):
        combine([[make()], [make(mode="one_step")]])
    for change in (
        {"frames": [2, 4]},
        {"windows": 256},
        {"actions": {"walking": [1.0, 2.0]}},
        {"data": {"name": "cmu"}},
    ):
        with pytest.raises(UserError, match="do not average"):
            combine([[make()], [make(**change)]])


def test_modes_stand_apart_with_their_published_rows():
    text = markdown([make("ours", "one_step"), make("ours", "free_running", scale=3)])
    free, one_step = section(text, "### Free-running"), section(text, "### One-step")
    assert "0.750" in free
    assert "0.250" not in free
    assert "0.250" in one_step
    assert "0.750" not in one_step
    assert "Res. sup. [as the thesis prints: Al-Aqel 2020, Table 8]" in free
    assert "HisRepItself [published: Mao et al. 2020]" in free
    assert "QuaterNet [recalled: Pavllo et al. 2018]" in free
    assert "Uni-Enc" not in free
    assert "Uni-Enc-100 [published: Al-Aqel 2020, Table 8]" in one_step
    assert not any(peer in one_step for peer in ("ERD", "HisRepItself", "zero-velocity", "Res. sup."))
    assert text.index("says that it tests free-running") < text.index("### Free-running")


def test_the_layout_is_the_thesis_s():
    table = rows(section(markdown([make()]), "### Free-running").split("####")[0])
    assert table == [
        ["", "walking", "", "eating", ""],
        ["---", "---:", "---:", "---:", "---:"],
        ["milliseconds", "80", "1000", "80", "1000"],
        ["ours", "0.250", "1.500", "0.350", "1.000"],
        ["", "smoking", "", "average", ""],
        ["---", "---:", "---:", "---:", "---:"],
        ["milliseconds", "80", "1000", "80", "1000"],
        ["ours", "0.500", "2.000", "0.367", "1.500"],
    ]


def test_published_numbers_keep_their_digits_and_their_gaps():
    one_step = rows(section(markdown([make(mode="one_step")]), "#### Published, one-step"))
    assert ["Uni-Enc-50 [published: Al-Aqel 2020, Table 8]", "0.22", "0.24", "0.25", "0.25"] in one_step
    free = rows(section(markdown([make()]), "#### Published, free-running"))
    assert ["ERD [as the thesis prints: Al-Aqel 2020, Table 8]", "0.93", "-", "1.27", "-"] in free


def test_the_best_of_our_rows_is_bold_and_no_published_one():
    text = markdown(
        [make("a", scale=2), make("b"), make("c", actions={"walking": [math.nan, 1.5], "eating": [9.0, 9.0]})]
    )
    own = {row[0]: row[1:] for row in rows(text) if row[0] in "abc"}
    table = rows(section(text, "### Free-running"))
    assert ["a", "0.500", "3.000", "0.700", "2.000"] in table
    assert ["b", "**0.250**", "**1.500**", "**0.350**", "**1.000**"] in table
    assert ["c", "nan", "**1.500**", "9.000", "9.000"] in table  # a tie is the best twice, and nan is never the best
    assert own["c"][:2] == ["-", "-"]  # no smoking
    assert "**" not in section(text, "#### Published, free-running")


def test_an_average_over_fewer_actions_is_not_beside_the_others():
    fewer = make("c", actions={"walking": [0.1, 0.1]}, average=[0.1, 0.1])
    table = rows(section(overview([make("b"), fewer]), "### Free-running, mean over actions"))
    assert ["b", "**0.367**", "**1.500**"] in table
    assert ["c", "-", "-"] in table


def test_an_overview_has_the_averages_of_each_mode_and_those_published():
    reports = [make(name, mode, scale=scale) for name, scale in (("a", 1), ("b", 2)) for mode in MODES]
    text = overview([*reports, make("a", protocol="windows256")])
    for mode, title in (("free_running", "Free-running"), ("one_step", "One-step")):
        table = section(text, f"### {title}, mean over actions")
        own, published = table.split("#### Published")
        assert [row[0] for row in rows(own)[3:]] == ["a", "b"]
        assert ("HisRepItself" in published) == (mode == "free_running")
        assert ("Uni-Enc-50" in published) == (mode == "one_step")
        assert "walking" not in table
    other = text[text.index("## h36m, 256 windows") :]
    assert "HisRepItself" not in other  # whose Euler errors are of the other protocol
    assert "[published" not in other


def test_an_overview_leads_where_several_models_are_compared():
    models = [make(name) for name in "abcd"]
    heading = "## h36m, SRNN protocol: Euler-angle error (rad), mean over actions"
    assert heading not in markdown(models[:3])
    text = markdown(models)
    assert heading in text
    assert overview(models) in text
    assert text.index(heading) < text.index("walking")


def test_other_data_is_another_table():
    other = {"name": "h36m", "files": 209, "frames": 520_000, "key": "other"}
    config = Experiment().to_dict()
    config["data"] |= {"skip_first_row": True}
    text = overview([make("a"), make("b"), make("c", data=other), make("d", config=config)])
    tables = [[row[0] for row in rows(part) if row[0] in "abcd" and row[0]] for part in text.split("## h36m")[1:]]
    assert tables == [["a", "b"], ["c"], ["d"]]


def test_several_runs_show_their_spread():
    text = markdown(combine([[make()], [make(scale=2)]]))
    assert "| ours (mean ± std of 2 runs) | 0.375 ± 0.177 | 2.250 ± 1.061 |" in text


def test_a_terminal_is_given_the_averages_lined_up_with_the_modes_apart():
    positions = make("zero", metric="mpjpe_mm", average=[12.345, math.nan])
    reports = [*combine([[make()], [make(scale=2)]]), make("zero", scale=4), make("zero", "one_step"), positions]
    blocks = averages_table(reports[::-1]).split("\n\n")
    assert blocks == [
        "Free-running, SRNN protocol: MPJPE (mm), all joints from the prediction\n"
        "  milliseconds                            80           1000\n"
        "  zero                                  12.3            nan",
        "Free-running, SRNN protocol: Euler-angle error (rad)\n"
        "  milliseconds                            80           1000\n"
        "  zero                                 0.967          4.000\n"
        "  ours (mean ± std of 2 runs)  0.467 ± 0.141  1.917 ± 0.589",
        "One-step, SRNN protocol: Euler-angle error (rad)\n"
        "  milliseconds                            80           1000\n"
        "  zero                                 0.367          1.500",
        "h36m: 210 files, 527000 frames; 8 windows an action; averages are over 3 actions.",
    ]


def test_a_terminal_is_told_what_tells_data_sets_apart_and_what_is_left_out():
    other = {"name": "h36m", "files": 209, "frames": 520_000, "key": "other"}
    fewer = make("b", actions={"walking": [0.1, 0.1]}, average=[0.1, 0.1], data=other, missing=["eating"])
    text = averages_table([make("a", milliseconds=[33.333, 416.667]), make("b", data=other), fewer])
    assert "Free-running, h36m (210 files, 527000 frames), SRNN protocol: Euler" in text
    assert "Free-running, h36m (209 files, 520000 frames), SRNN protocol: Euler" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["milliseconds,", "as", "papers", "label", "them", "80", "1000"] in lines
    assert ["milliseconds,", "true", "33", "417"] in lines
    assert ["b", "-", "-"] in lines  # an average over fewer actions than the line above it
    assert "Synthetic motion" not in text
    assert averages_table([make(data="synthetic")]).endswith("must not be compared with published ones.")


def test_the_best_may_be_the_highest(monkeypatch):
    share = Metric("share", title="Right", unit="%", digits=0, function=pytest.fail, higher_is_better=True)
    monkeypatch.setitem(METRICS, "share", share)
    text = overview([make(name, metric="share", average=[value, value]) for name, value in (("a", 40.4), ("b", 39.6))])
    assert "## h36m, SRNN protocol: Right (%), mean over actions" in text
    assert "| a | **40** | **40** |" in text
    assert "| b | **40** | **40** |" in text
    text = overview([make(name, metric="share", average=[value, value]) for name, value in (("a", 40.4), ("b", 39.4))])
    assert "| b | 39 | 39 |" in text


def test_synthetic_data_never_stands_beside_published_rows():
    text = markdown([make(data="synthetic"), make(data="synthetic", mode="one_step")])
    assert "**Synthetic motion" in text
    assert "must not be compared with published" in text
    assert "#### Published" not in text
    assert "ERD" not in text


def test_cmu_shows_true_times_labels_and_its_own_published_rows():
    actions = {"basketball": [0.5, 2.0], "running": [0.6, 1.5]}
    fast = {"actions": actions, "milliseconds": [33.333, 416.667], "missing": ["basketball_signal"]}
    text = markdown([make(data="cmu", **fast)])
    assert ["milliseconds, as papers label them", "80", "1000", "80", "1000"] in rows(text)
    assert ["milliseconds, true", "33", "417", "33", "417"] in rows(text)
    assert "averages are over 2 actions" in text
    assert "too few test clips of them: basketball_signal" in text
    assert ["LearnTrajDep [recalled: Mao et al. 2019]", "0.33", "1.71", "0.33", "0.95"] in rows(text)
    assert "Table 8]" not in text


@pytest.mark.parametrize("change", [{"stride": 1}, {"skip_first_row": True}])
def test_other_settings_than_the_published_ones_are_not_compared(change):
    config = Experiment().to_dict()
    config["data"] |= change
    text = markdown([make(config=config)])
    assert "#### Published" not in text
    assert f"do not compare with data.{next(iter(change))}=" in text


def test_data_protocols_and_metrics_are_grouped():
    reports = [make(), make(metric="mpjpe_mm", scale=100), make(protocol="windows256"), make(data="synthetic")]
    titles = [line for line in markdown(reports).splitlines() if line.startswith("## ")]
    assert titles == [
        "## h36m, SRNN protocol: Euler-angle error (rad)",
        "## h36m, SRNN protocol: MPJPE (mm), all joints from the prediction",
        "## h36m, 256 windows: Euler-angle error (rad)",
        "## synthetic, SRNN protocol: Euler-angle error (rad)",
    ]
    assert "| ours | 25.0 | 150.0 |" in markdown(reports)


@pytest.mark.parametrize("write", [write_json, write_csv, write_markdown])
def test_a_file_is_replaced_whole_or_not_at_all(write, tmp_path, monkeypatch):
    path = tmp_path / "new" / "report"
    write([make()], path)
    before = path.read_text()

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fail)
        with pytest.raises(UserError, match="report: cannot be written: No space left"):
            write([make("other")], path)
    assert path.read_text() == before
    write([make("other")], path)
    assert "other" in path.read_text()
    assert list(path.parent.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_refused_beforehand(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="is a folder"):
        check_writable(tmp_path)
    with pytest.raises(UserError, match=r"report\.json: cannot be written"):
        check_writable(tmp_path / "file" / "report.json")
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new" / "report.json")
    assert (tmp_path / "file").read_text() == "kept"
    assert list((tmp_path / "new").iterdir()) == []
