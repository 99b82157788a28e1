"""The page holds what was put in, needs nothing else, and no name can break out of it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from motion_jax.errors import UserError
from motion_jax.skeletons.bodies import CMU
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.figures import BASELINE, COLOURS
from motion_jax.visualize.page import make_page, write_page
from motion_jax.visualize.poses import make_track

S, T = 5, 3  # of the comparison


class Elements(HTMLParser):
    """The elements of a page, with their attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = []
        self.found.append((tag, dict(attrs), self.inside))

    def handle_endtag(self, _: str) -> None:
        self.inside = []

    def handle_data(self, data: str) -> None:
        self.inside.append(data)

    def texts(self, tag: str) -> list[str]:
        return ["".join(text) for name, _, text in self.found if name == tag]


def data_of(page: str) -> dict[str, Any]:
    return json.loads(Elements(page).texts("script")[0])


def unpack(text: str, kind: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(shape)


def test_radii_decode_to_what_was_put_in(comparison: Comparison):
    first, second = data_of(make_page(comparison))["models"]
    radii = comparison.radii[0]
    assert radii is not None
    assert first["radii"]["levels"] == [0.5, 0.9]
    found = unpack(first["radii"]["mm"], "<f4", 2, T, len(comparison.skeleton.joints))
    np.testing.assert_allclose(found, radii.radius, rtol=1e-6)
    assert second["radii"] is None
    (scene, *others), spread = comparison.scenes, np.linspace(0.5, 2, T * 32).reshape(T, 32)
    scaled = dataclasses.replace(scene.predictions[0], spread=spread)
    scene = dataclasses.replace(scene, predictions=(scaled, *scene.predictions[1:]))
    packed = data_of(make_page(dataclasses.replace(comparison, scenes=(scene, *others))))["scenes"][0]["predictions"]
    np.testing.assert_allclose(unpack(packed[0]["spread"], "<f4", T, 32), spread, rtol=1e-6)
    assert packed[1]["spread"] is None
    without = data_of(make_page(dataclasses.replace(comparison, radii=())))
    assert [model["radii"] for model in without["models"]] == [None, None]


def test_places_decode_to_what_was_put_in(comparison: Comparison):
    data = data_of(make_page(comparison))
    joints = len(comparison.skeleton.joints)
    assert (data["past"], data["future"], data["fps"]) == (S, T, 25)
    for packed, scene in zip(data["scenes"], comparison.scenes, strict=True):
        half = packed["unit_mm"] / 2 + 1e-3
        assert half < 0.05  # mm
        motions = [(scene.truth, packed["truth"], packed["root"], 0)]
        motions += [(prediction.frames, coded["places"], coded["root"], S)
                    for prediction, coded in zip(scene.predictions, packed["predictions"], strict=True)]  # fmt: skip
        for frames, places, root, begin in motions:
            track = make_track(comparison.skeleton, np.concatenate([scene.history, frames]), S - 1, comparison.stride)
            found = unpack(places, "<i2", -1, joints, 3) * packed["unit_mm"]
            np.testing.assert_allclose(found, track.places[begin:], atol=half)
            turn, move = np.split(unpack(root, "<f4", -1, 12), [9], axis=1)
            np.testing.assert_allclose(turn.reshape(-1, 3, 3), track.turns[begin:], atol=1e-6)
            np.testing.assert_allclose(move, track.moves[begin:], rtol=1e-6, atol=1e-3)


def test_errors_and_weights_decode_to_what_was_put_in(comparison: Comparison):
    data = data_of(make_page(comparison))
    for packed, scene in zip(data["scenes"], comparison.scenes, strict=True):
        for coded, prediction in zip(packed["predictions"], scene.predictions, strict=True):
            for name in ("euler_error_rad", "mpjpe_mm"):
                np.testing.assert_allclose(unpack(coded[name], "<f4", T), getattr(prediction, name), rtol=1e-6)
            if prediction.attention is None:
                assert coded["attention"] is None
                continue
            seen = coded["attention"]
            weights = unpack(seen["weights"], "<u2", T, seen["columns"]) / 65535 * seen["peak"]
            np.testing.assert_allclose(weights, prediction.attention, atol=seen["peak"] / 65535)


def test_nothing_is_fetched_and_only_its_own_script_runs(comparison: Comparison):
    page = make_page(comparison)
    elements = Elements(page)
    for tag, attributes, _ in elements.found:
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes), tag
        assert attributes.get("href") in (None, "data:,")
    assert not re.search(r"https?:|//\w+\.|@import|\burl\(|fetch\(|XMLHttp|WebSocket|\bimport\b|sendBeacon", page)
    policy = next(a["content"] for tag, a, _ in elements.found if tag == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for directive, text in (("script-src", elements.texts("script")[1]), ("style-src", elements.texts("style")[0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


HOSTILE = ("</script><script>alert(1)</script>", "<!--<script>", "{{script}}", "\u2028'\"&amp;\\", "</title>")


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text(comparison: Comparison, name: str):
    scenes = tuple(dataclasses.replace(scene, action=name, clip=name) for scene in comparison.scenes)
    plain = Elements(make_page(comparison))
    page = make_page(dataclasses.replace(comparison, data=name, models=(name, "other"), scenes=scenes))
    elements = Elements(page)
    assert [tag for tag, _, _ in elements.found] == [tag for tag, _, _ in plain.found]
    assert elements.texts("script")[1] == plain.texts("script")[1]
    assert elements.texts("title")[0].startswith(f"{name}, other: predicted {name}")
    data = data_of(page)
    assert [data["models"][0]["name"], data["data"], *(scene["action"] for scene in data["scenes"])] == [name] * 4


def test_the_baseline_has_its_own_colour(comparison: Comparison):
    models = data_of(make_page(comparison))["models"]
    assert [model["colour"] for model in models] == [COLOURS[0], BASELINE]


def test_a_window_is_placed_in_its_recording_in_seconds(comparison: Comparison):
    scenes = data_of(make_page(comparison))["scenes"]
    assert [(scene["clip"], scene["begin_s"]) for scene in scenes] == [("test/walking_1", 0), ("test/walking_1", 2)]


def test_the_script_finds_every_element_that_it_names(comparison: Comparison):
    elements = Elements(make_page(comparison))
    known = {attributes["id"] for _, attributes, _ in elements.found if "id" in attributes}
    script = elements.texts("script")[1]
    named = set(re.findall(r"""(?:\$|getElementById)\("(\w+)"\)""", script))
    assert len(named) > 15
    assert named <= known


def test_every_control_has_a_name(comparison: Comparison):
    elements = Elements(make_page(comparison))
    controls = [(a, "".join(text)) for tag, a, text in elements.found if tag in ("button", "select", "canvas")]
    for attributes, text in controls:
        named = attributes.get("aria-label") or text.strip() or attributes.get("id") in ("bodies", "play", "scale")
        assert named, (
            attributes
        )  # the script names the stage and the play button as they change; the scale is a picture


def test_sixty_frames_of_three_models_are_small(maker: Callable[..., Comparison]):
    comparison = maker(CMU, 50, 60, models=3, scenes=1)
    assert len(make_page(comparison).encode()) < 300_000


NODE = """
const text = require("fs").readFileSync(0, "utf8");
const [data, script] = JSON.parse(text);
globalThis.document = { getElementById: () => ({ textContent: data }) };
const read = new Function(script + `;
  const scene = readScene(comparison.scenes[0]), out = new Float32Array(3 * JOINTS);
  const at = (frame, walk) => { placesAt(scene.predictions[0], frame, walk, out); return [...out]; };
  return { still: at(FRAMES - 1, false), walk: at(FRAMES - 1, true), before: at(FRAMES - 2, false),
           between: at(FRAMES - 1.5, false), joints: [...scene.predictions[0].joints],
           times: [timeOf(0), timeOf(NOW), timeOf(FRAMES - 1)],
           targets: [target(NOW), target(past), target(FRAMES - 1)] };`);
console.log(JSON.stringify(read()));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to run the page's own code")
def test_the_script_sees_the_motion(comparison: Comparison):
    data = Elements(make_page(comparison)).texts("script")[0]
    script = resources.files("motion_jax.visualize").joinpath("web", "data.js").read_text()
    done = subprocess.run(["node", "-e", NODE], input=json.dumps([data, script]), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    scene, prediction = comparison.scenes[0], comparison.scenes[0].predictions[0]
    whole = [np.concatenate([scene.history, frames]) for frames in (prediction.frames, scene.truth)]
    track, truth = (make_track(comparison.skeleton, frames, S - 1, comparison.stride) for frames in whole)
    still = track.places[-1]
    walk = still @ track.turns[-1] + track.moves[-1]
    np.testing.assert_allclose(np.reshape(found["still"], (-1, 3)), still, atol=0.1)
    np.testing.assert_allclose(np.reshape(found["walk"], (-1, 3)), walk, atol=0.1)
    middle = (np.array(found["still"]) + found["before"]) / 2
    np.testing.assert_allclose(found["between"], middle, atol=0.1)
    distance = np.linalg.norm(track.places - truth.places, axis=-1)[S:]
    np.testing.assert_allclose(np.reshape(found["joints"], (T, -1)), distance, atol=0.1)
    assert found["times"] == [-40 * (S - 1), 0, 40 * T]
    assert found["targets"] == [-1, 0, T - 1]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, to parse the page's script")
def test_the_script_is_well_formed(comparison: Comparison, tmp_path: Path):
    (tmp_path / "page.js").write_text(Elements(make_page(comparison)).texts("script")[1])
    done = subprocess.run(["node", "--check", tmp_path / "page.js"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_page_is_written_whole_or_not_at_all(comparison: Comparison, tmp_path: Path):
    path = tmp_path / "new" / "page.html"
    assert write_page(comparison, path) == path.stat().st_size
    assert path.read_text() == make_page(comparison)
    assert [found.name for found in path.parent.iterdir()] == ["page.html"]
    with pytest.raises(UserError, match="cannot be written"):
        write_page(comparison, path / "page.html")
