"""Pictures: what is drawn is what was given, the two modes never share a panel, a mistake is one line."""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from motion_jax.config import MODES, Experiment
from motion_jax.errors import UserError
from motion_jax.evaluation.metrics import mpjpe_mm
from motion_jax.evaluation.report import Report, Spread
from motion_jax.skeletons.bodies import SKELETONS
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.train.log import encode_row
from motion_jax.train.workdir import Workdir
from motion_jax.visualize import curves, figures, strip
from motion_jax.visualize.curves import action_curves, error_curves, horizon_curves, training_curves
from motion_jax.visualize.poses import SIDES, project
from motion_jax.visualize.strip import motion_strip

PNG = b"\x89PNG\r\n\x1a\n"


def make(model: str = "ours", mode: str = "free_running", scale: float = 1.0, **changes: object) -> Report:
    actions = {"walking": [0.25 * scale, 1.5 * scale], "eating": [0.35 * scale, math.nan]}
    report = Report(
        model=model,
        mode=mode,
        protocol="srnn",
        metric="euler_error_rad",
        frames=[2, 25],
        milliseconds=[80.0, 1000.0],
        label_ms=[80, 1000],
        actions=actions,
        average=[0.3 * scale, 1.25 * scale],
        missing=[],
        windows=8,
        seeds=1,
        std=None,
        config=Experiment().to_dict(),
        data={"name": "h36m", "files": 210, "frames": 527_000, "key": "abc"},
    )
    return dataclasses.replace(report, **changes)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Figures that were to be saved, and are kept instead."""
    kept: list[Figure] = []
    for module in (curves, strip):
        monkeypatch.setattr(module, "save", lambda figure, path: kept.append(figure))
    return kept


def lines(figure: Figure) -> dict[str, dict[str, list[float]]]:
    """Panel title -> name of a curve -> its values."""
    return {
        axes.get_title("left"): {str(line.get_label()): list(np.asarray(line.get_ydata())) for line in axes.lines}
        for axes in figure.axes
    }


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_panel_holds_the_reports_of_its_mode(drawn: list[Figure]):
    error_curves([make(), make(mode="one_step", scale=0.1), make("theirs", scale=2)], "errors.png")
    assert lines(drawn[0]) == {
        "Free-running, SRNN protocol": {"ours": [0.3, 1.25], "theirs": [0.6, 2.5]},
        "One-step, SRNN protocol": {"ours": pytest.approx([0.03, 0.125])},
    }
    for axes in drawn[0].axes:
        assert (axes.get_xlim()[0], axes.get_ylim()[0]) == (0, 0)
        assert "rad" in axes.get_ylabel()


def test_a_metric_and_a_protocol_have_rows_of_their_own(drawn: list[Figure]):
    error_curves([make(), make(metric="mpjpe_mm"), make(protocol="windows256"), make(mode="one_step")], "errors.png")
    assert [len(axes.lines) for axes in drawn[0].axes] == [1, 1, 1, 0, 1, 0]


def test_a_figure_for_one_table_has_a_panel_a_mode(drawn: list[Figure]):
    horizon_curves([make(mode=mode, **kind) for kind in ({}, {"metric": "mpjpe_mm"}) for mode in MODES], "table.png")
    assert list(lines(drawn[0])) == ["Free-running, SRNN protocol", "One-step, SRNN protocol"]
    assert all("rad" in axes.get_ylabel() for axes in drawn[0].axes)
    with pytest.raises(UserError, match="these are of none"):
        horizon_curves([], "table.png")


def test_a_model_has_one_colour_in_every_panel(drawn: list[Figure]):
    error_curves([make("a"), make("b"), make("b", mode="one_step")], "errors.png")
    first, second = drawn[0].axes
    assert first.lines[1].get_color() == second.lines[0].get_color() != first.lines[0].get_color()


def test_several_runs_have_a_band_of_one_deviation(drawn: list[Figure]):
    error_curves([make(seeds=3, std=Spread({}, [0.1, 0.25]))], "errors.png")
    (band,) = drawn[0].axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose([heights.min(), heights.max()], [0.2, 1.5])
    error_curves([make()], "errors.png")
    assert not drawn[1].axes[0].collections


@pytest.mark.parametrize(("data", "said"), [("synthetic", "synthetic data, not comparable"), ("h36m", "h36m")])
def test_the_title_names_the_data(drawn: list[Figure], data: str, said: str):
    report = make(data={"name": data, "files": 1, "frames": 1, "key": ""})
    error_curves([report], "errors.png")
    action_curves([report], "actions.png")
    for figure in drawn:
        assert said in figure.get_suptitle().replace("\n", " ")
    assert "Free-running" in drawn[1].get_suptitle()


def test_each_action_has_a_panel(drawn: list[Figure]):
    action_curves([make(), make("theirs", actions={"posing": [1.0, 2.0]})], "actions.png")
    panels = lines(drawn[0])
    assert panels.keys() == {"walking", "eating", "posing"}
    assert panels["walking"] == {"ours": [0.25, 1.5]}
    assert panels["posing"] == {"theirs": [1.0, 2.0]}
    np.testing.assert_equal(panels["eating"]["ours"], [0.35, math.nan])


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (3, 1), (5, 1), (6, 2), (7, 2), (15, 3)])
def test_few_actions_leave_no_column_empty(drawn: list[Figure], count: int, rows: int):
    action_curves([make(actions={f"action {number}": [1.0, 2.0] for number in range(count)})], "actions.png")
    panels = drawn[0].axes
    grid = panels[0].get_gridspec()
    assert (len(panels), grid.nrows, grid.ncols) == (count, rows, math.ceil(count / rows))


def test_every_error_lies_inside_its_panel(drawn: list[Figure]):
    action_curves([make(actions={"small": [0.1, 0.2], "large": [1.0, 3.0]})], "actions.png")
    for axes in drawn[0].axes:
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] >= 3


def test_zero_velocity_looks_the_same_whatever_stands_beside_it(drawn: list[Figure]):
    config = Experiment().to_dict()
    config["model"] |= {"name": "zero_velocity"}
    still = make("Zero-velocity", config=config)
    error_curves([still], "errors.png")
    error_curves([make("a"), still, make("b")], "errors.png")
    found = [{str(line.get_label()): line for line in figure.axes[0].lines} for figure in drawn]
    assert found[0]["Zero-velocity"].get_color() == found[1]["Zero-velocity"].get_color() == figures.BASELINE
    assert [found[1][name].get_color() for name in "ab"] == list(figures.COLOURS[:2])
    assert figures.BASELINE not in figures.COLOURS


@pytest.mark.parametrize("names", [("ours",), tuple(f"a model with a long name, {number}" for number in range(7))])
@pytest.mark.parametrize("draw", [error_curves, action_curves])
def test_title_legend_and_panels_do_not_touch(drawn: list[Figure], draw: Callable[..., None], names: tuple[str, ...]):
    data = {"name": "synthetic", "files": 1, "frames": 1, "key": ""}  # which has the longest title
    draw([make(name, data=data) for name in names], "errors.png")
    (figure,) = drawn
    figure.draw_without_rendering()
    assert figure._suptitle is not None
    boxes = [figure._suptitle.get_window_extent(), *(legend.get_window_extent() for legend in figure.legends)]
    boxes += [axes.get_tightbbox() for axes in figure.axes]
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert boxes[0].x1 <= figure.bbox.x1
    assert boxes[1].x1 <= figure.bbox.x1


def test_more_models_than_colours_stay_apart():
    looks = [figures.style(number) for number in range(len(figures.COLOURS) * len(figures.LINES))]
    assert len(set(looks)) == len(looks)


WRONG_REPORTS = {
    "none": (error_curves, [], "these are of none"),
    "several_data_sets": (
        error_curves, [make(), make(data={"name": "cmu", "files": 1, "frames": 1, "key": ""})], "h36m, cmu",
    ),
    "modes_mixed": (action_curves, [make(), make(mode="one_step")], "need one mode, protocol and metric"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_REPORTS)
def test_reports_that_do_not_fit_one_picture(name: str, tmp_path: Path):
    draw, reports, message = WRONG_REPORTS[name]
    with pytest.raises(UserError, match=message):
        draw(reports, tmp_path / "errors.png")
    assert not list(tmp_path.iterdir())


def write_run(folder: Path, rows: list[dict], name: str = "ours") -> Path:
    folder.mkdir()
    Workdir(folder).begin(dataclasses.replace(Experiment(), name=name), {}, "abc")
    (folder / "metrics.jsonl").write_text("".join(map(encode_row, rows)))
    return folder


REPORT = {"kind": "report", "step": 10, "mean_loss": 0.5, "validation_score": None,
          "srnn_error_rad_free_running": [1.0, 3.0], "srnn_error_rad_one_step": [0.1, 0.2]}  # fmt: skip
UPDATES = [{"kind": "train", "step": step, "loss": 1 / step, "grad_norm": 2.0} for step in (1, 2, 4)]


def test_what_a_run_measured_is_drawn(drawn: list[Figure], tmp_path: Path):
    training_curves([write_run(tmp_path / "run", [*UPDATES, REPORT])], "training.png")
    panels = {title.partition(":")[0]: list(found.values()) for title, found in lines(drawn[0]).items()}
    assert panels["Training loss"] == [[1.0, 0.5, 0.25], [0.5]]
    assert panels["Gradient of updates"] == [[2.0, 2.0, 2.0]]
    assert panels["SRNN test error, free-running"] == [[2.0]]
    assert panels["SRNN test error, one-step"] == [[pytest.approx(0.15)]]
    assert np.isnan(panels["Validation score"][0]).all()
    assert "Validation loss, free-running" not in panels


def test_the_axis_of_a_measurement_spans_what_was_measured(drawn: list[Figure], tmp_path: Path):
    rows = [{"kind": "report", "step": step, "validation_loss": 0.30 - step / 1e5, "grad_norm": 10.0 / step}
            for step in (100, 200, 4000)]  # fmt: skip
    training_curves([write_run(tmp_path / "run", rows)], "training.png")
    loss, gradient = drawn[0].axes
    low, high = loss.get_ylim()
    assert 0.25 < low < 0.26
    assert 0.299 < high < 0.31
    assert (loss.get_yscale(), gradient.get_yscale()) == ("linear", "log")


def test_runs_of_one_name_are_told_apart_by_their_folders(drawn: list[Figure], tmp_path: Path):
    runs = [write_run(tmp_path / name, [REPORT]) for name in ("a", "b")]
    training_curves(runs, "training.png")
    assert lines(drawn[0])["SRNN test error, one-step"].keys() == {str(run) for run in runs}


def test_runs_that_cannot_be_drawn(tmp_path: Path):
    with pytest.raises(UserError, match="no runs to draw"):
        training_curves([], tmp_path / "training.png")
    with pytest.raises(UserError, match="holds no trained run"):
        training_curves([tmp_path / "absent"], tmp_path / "training.png")
    with pytest.raises(UserError, match=r"metrics\.jsonl: holds no measurements yet"):
        training_curves([write_run(tmp_path / "new", [])], tmp_path / "training.png")


points = st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3).map(np.array)


@given(points, points)
def test_projection_turns_and_does_not_stretch(a: np.ndarray, b: np.ndarray):
    np.testing.assert_allclose(np.linalg.norm(project(a) - project(b)), np.linalg.norm(a - b), atol=1e-9)
    np.testing.assert_allclose(project(np.cross(a, b)), np.cross(project(a), project(b)), atol=1e-6)  # no mirror


def test_the_body_stands_upright_and_faces_the_viewer():
    left, up, front = project(np.eye(3))
    assert left[0] > 0.5  # the left hand is on the viewer's right
    assert up[0] == pytest.approx(0)
    assert up[1] > 0.9
    assert front[2] > 0.5


BODIES = pytest.mark.parametrize("body", SKELETONS.values(), ids=SKELETONS)


def motion(body: Skeleton, frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, (frames, body.columns)).astype(np.float32)


@BODIES
def test_a_strip_shows_each_time_once_and_the_error_of_each_pose(body: Skeleton, drawn: list[Figure]):
    truth, prediction = motion(body, 25), motion(body, 25, seed=1)
    motion_strip(body, motion(body, 50), truth, {"prediction": prediction, "truth again": truth}, "strip.png", fps=25.0)
    said = texts(drawn[0])
    times = [text for text in said if text.endswith(" ms")]
    assert times == [f"{time} ms" for time in ("\u2212200", 0, 200, 400, 600, 800, 1000)]
    frames = slice(4, None, 5)
    errors = np.asarray(mpjpe_mm(body, prediction[None, frames], truth[None, frames]))[0]
    assert [text for text in said if text.endswith(" mm")] == [*(f"{error:.0f} mm" for error in errors), *["0 mm"] * 5]
    poses_and_ghosts = 7 + 2 * 2 * 5
    assert len(drawn[0].axes[0].collections) == poses_and_ghosts


def test_without_the_truth_each_prediction_follows_what_was_observed(drawn: list[Figure]):
    body = SKELETONS["h36m"]
    predictions = {name: motion(body, 25) for name in ("ours", "theirs")}
    motion_strip(body, motion(body, 50), None, predictions, "strip.png", fps=25.0)
    said = texts(drawn[0])
    assert {"Observed", "Predicted", "ours", "theirs"} <= set(said)
    assert not any(text.endswith(" mm") for text in said)
    assert len(drawn[0].axes[0].collections) == 2 * 7


@BODIES
def test_bones_are_coloured_by_their_side(body: Skeleton, drawn: list[Figure]):
    motion_strip(body, np.zeros((50, body.columns)), None, {"still": np.zeros((25, body.columns))}, "strip.png", 25.0)
    pose = drawn[0].axes[0].collections[0]
    across = {side: [] for side in SIDES}
    for path, colour in zip(pose.get_paths(), pose.get_edgecolors(), strict=True):
        side = next(name for name, code in SIDES.items() if code.lower() == to_hex(colour))
        across[side].append(np.asarray(path.vertices)[:, 0].mean())
    assert len(pose.get_paths()) == len(body.bones)
    assert np.mean(across["right"]) < np.mean(across["centre"]) < np.mean(across["left"])


def test_the_root_does_not_enter_a_strip(tmp_path: Path):
    body = SKELETONS["h36m"]
    history, truth, prediction = motion(body, 50), motion(body, 25, 1), motion(body, 25, 2)
    pictures = []
    for moved, bent in ((0, 0), (1, 0), (0, 1)):
        truth[:, :6] += moved
        truth[:, 9] += bent
        motion_strip(body, history, truth, {"prediction": prediction}, tmp_path / "strip.png", 25.0)
        pictures.append((tmp_path / "strip.png").read_bytes())
    assert pictures[0].startswith(PNG)
    assert pictures[0] == pictures[1] != pictures[2]
    assert [path.name for path in tmp_path.iterdir()] == ["strip.png"]


STRIPS = {
    "a history is too narrow": ({"history": np.zeros((50, 98))}, r"history has shape \[50, 98\]"),
    "a prediction is too short": (
        {"predictions": {"prediction": np.zeros((4, 99))}},
        r"prediction has shape \[4, 99\]",
    ),
    "not finite": ({"truth": np.full((25, 99), np.nan)}, "truth holds values that are not finite"),
    "nothing to draw": ({"truth": None, "predictions": {}}, "there must be a future to draw"),
    "no distance": ({"every": 0}, "every=0 must be at least 1"),
}


@pytest.mark.parametrize("name", STRIPS)
def test_strips_that_cannot_be_drawn(name: str, tmp_path: Path):
    changes, message = STRIPS[name]
    given = {"history": np.zeros((50, 99)), "truth": np.zeros((25, 99)), "predictions": {}, "fps": 25.0} | changes
    with pytest.raises(UserError, match=message):
        motion_strip(SKELETONS["h36m"], path=tmp_path / "strip.png", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "begin"), [(".png", PNG), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_the_suffix_is_the_format(suffix: str, begin: bytes, tmp_path: Path):
    error_curves([make(mode=mode) for mode in MODES], tmp_path / "new" / f"errors{suffix}")
    assert (tmp_path / "new" / f"errors{suffix}").read_bytes().startswith(begin)


def test_a_picture_that_cannot_be_written(tmp_path: Path):
    with pytest.raises(UserError, match=r"errors\.txt: a picture's suffix must be one of \.png, \.pdf, \.svg"):
        error_curves([make()], tmp_path / "errors.txt")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        error_curves([make()], tmp_path / "file" / "errors.png")


def test_matplotlib_is_an_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"needs matplotlib: pip install 'motion-jax\[viz\]'"):
        figures.check_drawable(tmp_path / "errors.png")


DRAWING = """
import os, sys
from pathlib import Path
from motion_jax.visualize.animation import _writer
from motion_jax.visualize.figures import new_figure, save
figure = new_figure(1, 1)
for name in ("a.png", "a.pdf", "a.svg"):
    save(figure, Path(sys.argv[1], name))
writer = _writer(".gif", 25.0)
with writer.saving(figure, str(Path(sys.argv[1], "a.gif")), 50):
    writer.grab_frame()
import matplotlib
print(os.environ["MPLBACKEND"], dict.__getitem__(matplotlib.rcParams, "backend"))
"""


@pytest.mark.parametrize("backend", ["foo", "module://no_such_package.backend", "svg"])
def test_a_backend_that_is_not_there_stops_no_drawing(backend: str, tmp_path: Path, forked: Callable[..., list[Any]]):
    """One that is there stays the user's."""
    [done] = forked(DRAWING, [[str(tmp_path)]], tmp_path, MPLBACKEND=backend)
    assert (done.status, done.complaints) == (0, "")
    named, used = done.out.split(maxsplit=1)
    assert named == backend
    assert (used.strip() == backend) == (backend == "svg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", "a.pdf", "a.png", "a.svg"]
