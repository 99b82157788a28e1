"""Watching a recording: scenes are what was recorded, what is predicted there, and what comes after the end."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.data.formats import Motion, write_motion
from motion_jax.inference.predictor import Predictor
from motion_jax.pose_space import PoseSpace
from motion_jax.skeletons.bodies import H36M
from motion_jax.visualize.animation import write_animation
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.page import make_page
from motion_jax.visualize.poses import make_track
from motion_jax.visualize.strip import scene_strip
from motion_jax.visualize.watch import BASELINE, watch
from tests.canonical_models import WALK_MM_S, S, T, steady, steady_walk


@pytest.fixture(scope="module")
def watched() -> Comparison:
    return watch(steady(), steady_walk(120, 50.0, z_up=True), windows=3)


def world(comparison: Comparison, scene: int, frames: np.ndarray) -> np.ndarray:
    history = comparison.scenes[scene].history
    track = make_track(comparison.skeleton, np.concatenate([history, frames]), S - 1, comparison.stride)
    return track.world[S:]


def test_truth_and_prediction_are_of_the_same_moments(watched: Comparison):
    """Whoever walks steadily is predicted exactly, along the path too; who stands still is left behind."""
    assert watched.models == ("Steady", BASELINE)
    assert watched.walk
    for number, scene in enumerate(watched.scenes[:-1]):
        ours, held = scene.predictions
        assert scene.truth is not None
        assert scene.truth.shape == (T, 69)
        there = world(watched, number, scene.truth)
        np.testing.assert_allclose(world(watched, number, ours.frames), there, atol=1)  # mm; arcs between file frames
        assert ours.mpjpe_mm is not None
        np.testing.assert_allclose(ours.mpjpe_mm, 0, atol=1e-3)
        away = np.linalg.norm(world(watched, number, held.frames) - there, axis=-1)[:, 0]
        np.testing.assert_allclose(away, WALK_MM_S * np.arange(1, T + 1) / 25, rtol=0.01)
    begins = [scene.row for scene in watched.scenes]
    assert begins == sorted(set(begins))
    assert begins[0] == 0


def test_the_last_scene_goes_on_after_the_end(watched: Comparison):
    *_, last = watched.scenes
    assert last.truth is None
    ours, held = last.predictions
    assert (ours.mpjpe_mm, ours.euler_error_rad, held.mpjpe_mm, held.euler_error_rad) == (None,) * 4
    path = np.concatenate([last.history, ours.frames])[:, [0, 2]]
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), WALK_MM_S / 25, rtol=0.01)
    assert last.row == round((119 / 50 - (S - 1) / 25) * 25)


def test_a_short_recording_has_only_what_comes_next():
    (scene,) = watch(steady(), steady_walk(12, 50.0)).scenes
    assert scene.truth is None


def test_a_model_of_one_body_is_watched_on_it():
    """Rows of 50 a second, of which it reads every second: what is shown as truth are the file's own."""
    model = steady()
    space = PoseSpace(np.zeros(99), np.full(99, 100.0), tuple(range(99)), (), H36M, 25.0)
    rows = np.random.default_rng(0).normal(0, 0.2, (80, 99)).cumsum(0)
    motion = Motion(H36M.with_absolute_root, rows, 50.0, "walk.bvh")
    comparison = watch(Predictor((), model.experiment, space, 0), motion, windows=2)
    first, second, last = comparison.scenes
    for scene, start in ((first, 0), (second, 80 - 1 - 2 * (S - 1) - 1 - 2 * T)):
        now = start + 1 + 2 * (S - 1)
        np.testing.assert_array_equal(scene.history, rows[start + 1 : now + 1 : 2])
        np.testing.assert_array_equal(scene.truth, rows[now + 2 : now + 2 + 2 * T : 2])
    np.testing.assert_array_equal(last.history, rows[-1 - 2 * (S - 1) :: 2])
    assert comparison.radii == (None, None)


def test_the_page_says_what_is_known(watched: Comparison):
    data = json.loads(re.findall(r'<script type="application/json" id="data">(.*?)</script>', make_page(watched))[0])
    assert [scene["known"] for scene in data["scenes"]] == [True, True, True, False]
    assert (data["past"], data["future"], data["walk"]) == (S, T, True)
    last = data["scenes"][-1]
    assert len(base64.b64decode(last["truth"])) == S * 22 * 3 * 2
    assert {name: last["predictions"][0][name] for name in ("euler_error_rad", "mpjpe_mm")} == {
        "euler_error_rad": None, "mpjpe_mm": None,
    }  # fmt: skip
    assert len(base64.b64decode(data["models"][0]["radii"]["mm"])) == T * 22 * 4


@pytest.mark.parametrize("scene", [0, 3])
def test_pictures_are_drawn_with_and_without_truth(watched: Comparison, scene: int, tmp_path: Path):
    pytest.importorskip("matplotlib")
    one = dataclasses.replace(watched, scenes=(watched.scenes[scene],))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("motion_jax.visualize.animation.HOLD", 0.0)
        write_animation(one, tmp_path / "walk.gif")
    assert (tmp_path / "walk.gif").read_bytes()[:4] == b"GIF8"
    with pytest.raises(Exception, match=r"strip: every|has shape"):  # three frames are fewer than a strip's step
        scene_strip(one, tmp_path / "walk.png")


PROGRAM = """
import webbrowser
from motion_jax.commands import cli, watch
from tests.canonical_models import steady
watch.open_predictor = lambda *_: steady()
webbrowser.open = lambda url: print("opened", url)
cli.run(watch.main)
"""


def test_the_command_writes_tells_and_opens_where_there_is_a_screen(tmp_path: Path, forked: Callable[..., list[Any]]):
    write_motion(steady_walk(60, 50.0), tmp_path / "walk.bvh")
    given = ["--input=walk.bvh", "--output=out/page.html", "--windows=1"]
    wrong = [["--input=walk.bvh", "--output=page.png"], ["--input=absent.bvh"], [*given, "--window=9", "--png=a.png"]]
    shown, quiet, *refused = forked(
        PROGRAM, [given, [*given[:2], "--windows=0", "--noopen"], *wrong], tmp_path, DISPLAY=":9"
    )
    assert (shown.status, quiet.status) == (0, 0), shown.complaints
    told = "wrote out/page.html: 1 place of the recording, and what comes next; "
    assert shown.out.startswith(told)
    assert shown.out.splitlines()[1] == f"opened {(tmp_path / 'out' / 'page.html').as_uri()}"
    assert len(quiet.out.splitlines()) == 1
    for done, message in zip(refused, ("suffix must be .html", "absent.bvh", "there are scenes 0 to 1"), strict=True):
        assert (done.status, len(done.complaints.splitlines())) == (2, 1), done
        assert message in done.complaints


def test_a_machine_without_a_screen_opens_nothing(tmp_path: Path, forked: Callable[..., list[Any]]):
    code = "from motion_jax.commands import watch\nprint(watch._has_screen())"
    found = [forked(code, [[]], tmp_path, DISPLAY=name, WAYLAND_DISPLAY="")[0].out.strip() for name in ("", ":0")]
    assert found == ["False" if sys.platform == "linux" else "True", "True"]
