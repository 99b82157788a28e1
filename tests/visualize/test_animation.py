"""Attention as a figure and motion as a film: what is drawn is what was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from motion_jax.errors import UserError
from motion_jax.visualize import animation, attention
from motion_jax.visualize.animation import check_animation, write_animation
from motion_jax.visualize.attention import attention_map
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.poses import make_track
from motion_jax.visualize.strip import project

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


def test_a_film_shows_every_frame(comparison: Comparison, tmp_path: Path):
    from PIL import Image

    write_animation(comparison, tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert (film.n_frames, film.info["duration"]) == (S + T, 40)
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


def test_a_frame_shows_the_pose_of_its_time(comparison: Comparison):
    scene = comparison.scenes[0]
    figure, panels = animation._stage(comparison, scene)
    clock = figure.suptitle("")
    animation._show(comparison.skeleton, panels, clock, T - 1, comparison.fps, "walking")
    assert clock.get_text() == "walking, +120 ms, predicted"
    frames = np.concatenate([scene.history, scene.predictions[1].frames])
    places = project(make_track(comparison.skeleton, frames, S - 1, comparison.stride).places[-1])[:, :2]
    drawn = {tuple(np.round(path.vertices.ravel(), 3)) for path in panels[2].body.get_paths()}
    assert drawn == {tuple(np.round(places[list(bone)].ravel(), 3)) for bone in comparison.skeleton.bones}
    assert panels[2].said.get_text() == f"{scene.predictions[1].mpjpe_mm[-1]:.0f} mm"
    animation._show(comparison.skeleton, panels, clock, -S, comparison.fps, "walking")
    assert clock.get_text() == "walking, -160 ms, observed"


def test_films_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match=r"film\.avi: this film's suffix must be \.gif"):
        check_animation(tmp_path / "film.avi", ".gif")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"film\.mp4: an MP4 needs ffmpeg, which is not installed"):
        check_animation(tmp_path / "film.mp4", ".mp4")
    assert not list(tmp_path.iterdir())
