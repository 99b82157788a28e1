"""Attention as a figure and motion as an animation: what is drawn is what was given."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from motion_jax.errors import UserError
from motion_jax.visualize import animation, attention
from motion_jax.visualize.animation import check_animation, write_animation
from motion_jax.visualize.attention import attention_map
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.poses import head, make_track, project

S, T = 5, 3  # of the comparison


def test_the_map_is_the_weights_at_their_times(comparison: Comparison, monkeypatch: pytest.MonkeyPatch):
    kept: list[Figure] = []
    monkeypatch.setattr(attention, "save", lambda figure, path: kept.append(figure))
    attention_map(comparison, "map.png")
    panels = [axes for axes in kept[0].axes if axes.images]
    assert [axes.get_title("left") for axes in panels] == ["model 0"]  # the other has no attention
    (image,) = panels[0].images
    np.testing.assert_array_equal(image.get_array(), comparison.scenes[0].predictions[0].attention)
    left, right, bottom, top = image.get_extent()
    assert (left + 20, right - 20) == (-40 * (S - 1), -40)  # centres of the first and last weighed frame, ms
    assert (top + 20, bottom - 20) == (40, 40 * T)
    assert image.get_clim() == (0, pytest.approx(comparison.scenes[0].predictions[0].attention.max()))


def test_a_map_needs_attention(blind: Comparison, tmp_path: Path):
    with pytest.raises(UserError, match="none of the models has attention: model 0, model 1"):
        attention_map(blind, tmp_path / "map.png")
    assert not list(tmp_path.iterdir())


def test_an_animation_shows_every_frame_and_holds_the_last(comparison: Comparison, tmp_path: Path):
    from PIL import Image

    write_animation(comparison, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        durations = []
        for frame in range(film.n_frames):
            film.seek(frame)
            durations.append(film.info["duration"])
    assert durations == [*[40] * (S + T - 1), 40 + 800]
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_a_frame_shows_the_pose_of_its_time(comparison: Comparison):
    scene, skeleton = comparison.scenes[0], comparison.skeleton
    stage = animation._build(comparison, scene)
    animation._show(stage, comparison, S + T - 1)
    assert stage.clock.get_text() == "+120 ms, predicted"
    frames = np.concatenate([scene.history, scene.predictions[1].frames])
    places = project(make_track(skeleton, frames, S - 1, comparison.stride).places[-1])[:, :2]
    panel = stage.panels[2]
    drawn = {tuple(np.round(path.vertices.ravel(), 3)) for path in panel.body.bones.get_paths()}
    assert drawn == {tuple(np.round(places[list(bone)].ravel(), 3)) for bone in skeleton.bones}
    top = head(skeleton)
    np.testing.assert_allclose(panel.body.head.center, 0.6 * places[top] + 0.4 * places[skeleton.parents[top]])
    assert panel.body.head.get_visible()
    assert panel.note.get_text() == f"{scene.predictions[1].mpjpe_mm[-1]:.0f} mm off"
    animation._show(stage, comparison, 0)
    assert stage.clock.get_text() == "\u2212160 ms, observed"


@pytest.mark.parametrize("models", [1, 2, 7])
def test_nothing_in_an_animation_is_cut_off_or_covered(maker: Callable[..., Comparison], models: int):
    comparison = maker(models=models, scenes=1)
    names = tuple(f"a model with a name that is rather long, {number}" for number in range(models))
    comparison = dataclasses.replace(comparison, models=names)
    stage = animation._build(comparison, comparison.scenes[0])
    for frame in (0, S + T - 1):
        animation._show(stage, comparison, frame)
        stage.figure.canvas.draw()
        texts = [text for text in stage.figure.findobj(Text) if text.get_text()]
        boxes = [text.get_window_extent() for text in texts]
        for box in boxes:
            assert stage.figure.bbox.x0 <= box.x0 < box.x1 <= stage.figure.bbox.x1
            assert stage.figure.bbox.y0 <= box.y0 < box.y1 <= stage.figure.bbox.y1
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_animations_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match=r"film\.avi: this animation's suffix must be \.gif"):
        check_animation(tmp_path / "film.avi", ".gif")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"film\.mp4: an MP4 needs ffmpeg, which is not installed"):
        check_animation(tmp_path / "film.mp4", ".mp4")
    assert not list(tmp_path.iterdir())
