"""A comparison as one HTML page that needs nothing else: no network, no library, no file beside it.

What the page draws lies in it as JSON, arrays as base64 of little-endian numbers (`encode`). Its own script and style
are named by their hashes in a content policy that allows nothing else to run or to be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from motion_jax.evaluation.conformal import Radii
from motion_jax.runtime.files import check_writable, written_atomically
from motion_jax.skeletons.skeleton import Skeleton
from motion_jax.visualize.comparison import Comparison, Prediction, Scene
from motion_jax.visualize.figures import styles
from motion_jax.visualize.poses import Track, head, make_track

SCRIPTS = ("data", "palette", "camera", "bodies", "player", "timeline", "maps", "controls", "main")
"""web/*.js, in this order."""
STEPS = 32767  # of a place as a 16-bit number, from the root to the farthest joint
WEIGHTS = 65535  # of an attention's weight, from 0 to the largest of its map


def write_page(comparison: Comparison, path: str | Path) -> int:
    """Writes the page, whole or not at all, and returns its size in bytes. Raises `UserError` if it cannot."""
    return write_html(make_page(comparison), path)


def write_html(text: str, path: str | Path) -> int:
    """Writes a page's text; as `write_page`."""
    check_writable(path)
    path, content = Path(path), text.encode()
    with written_atomically(path) as draft:
        draft.write_bytes(content)
    return len(content)


def make_page(comparison: Comparison) -> str:
    """The page's text."""
    what = f"{comparison.data} motion" if comparison.data else f"motion of {comparison.scenes[0].clip}"
    title = f"{', '.join(comparison.models)}: predicted {what}"
    return assemble("page.html", SCRIPTS, title, encode(comparison))


def assemble(template: str, scripts: Sequence[str], title: str, data: dict[str, Any]) -> str:
    """A page of its parts: a template (which may include others) and scripts in web/, and what the scripts read."""
    script = "(() => {\n'use strict';\n" + "\n".join(_web(f"{name}.js") for name in scripts) + "})();\n"
    style = _web("page.css")
    parts = {
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),  # no name ends the element
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }
    whole = re.sub(r"\{\{(\w+\.html)\}\}\n", lambda mark: _web(mark[1]), _web(template))
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], whole)


def encode(comparison: Comparison) -> dict[str, Any]:
    """What the page's script reads.

    Of a scene: `truth` the places of S + T frames, `[S+T, J, 3]` int16, each step `unit_mm`; `root` `[S+T, 12]`
    float32, nine of the turn and three of the move (see `poses.Track`); of one that is not `known` of S frames. Of a
    model's prediction: the same of T frames, its errors `[T]` float32 where they are known, its attention's weights
    `[T, columns]` uint16, the largest being `peak`, and what the model's radii are multiplied by, `[T, J]` float32,
    where they follow the motion.
    """
    scenes = [_scene(comparison, scene) for scene in comparison.scenes]
    looks = styles(zip(comparison.models, comparison.is_baseline, strict=True))
    return {
        "data": comparison.data,
        "protocol": comparison.protocol,
        "fps": comparison.fps,
        "past": len(comparison.scenes[0].history),
        "future": comparison.target_length,
        "walk": comparison.walk,
        "skeleton": encode_skeleton(comparison.skeleton),
        "models": [
            {"name": name, "colour": colour, "radii": _radii(radii, comparison.target_length)}
            for (name, (colour, _)), radii in zip(looks.items(), comparison.radii or [None] * len(looks), strict=True)
        ],
        "scenes": scenes,
    }


def _radii(radii: Radii | None, length: int) -> dict[str, Any] | None:
    """Of a calibrated model: its levels, and `[L, T, J]` float32 mm of the frames that are shown."""
    return None if radii is None else {"levels": radii.levels, "mm": _base64(radii.radius[:, :length], "<f4")}


def _scene(comparison: Comparison, scene: Scene) -> dict[str, Any]:
    past = len(scene.history)
    followed = scene.history[:0] if scene.truth is None else scene.truth
    truth, *predictions = [
        make_track(comparison.skeleton, np.concatenate([scene.history, frames]), past - 1, comparison.stride)
        for frames in (followed, *(prediction.frames for prediction in scene.predictions))
    ]
    unit = max(float(np.abs(track.places).max()) for track in (truth, *predictions)) / STEPS or 1.0
    return {
        "action": scene.action,
        "window": scene.window,
        "clip": scene.clip,
        "begin_s": round(scene.row / comparison.stride / comparison.fps, 2),
        "unit_mm": unit,
        "known": scene.truth is not None,
        "truth": encode_places(truth, unit),
        "root": encode_root(truth),
        "predictions": [
            _prediction(prediction, track, past, unit)
            for prediction, track in zip(scene.predictions, predictions, strict=True)
        ],
    }


def _prediction(prediction: Prediction, track: Track, past: int, unit: float) -> dict[str, Any]:
    future = Track(*(part[past:] for part in track))
    return {
        "places": encode_places(future, unit),
        "root": encode_root(future),
        "euler_error_rad": _errors(prediction.euler_error_rad),
        "mpjpe_mm": _errors(prediction.mpjpe_mm),
        "attention": None if prediction.attention is None else _attention(prediction.attention),
        "spread": None if prediction.spread is None else _base64(prediction.spread, "<f4"),
    }


def _errors(values: np.ndarray | None) -> str | None:
    return None if values is None else _base64(values, "<f4")


def _attention(weights: np.ndarray) -> dict[str, Any]:
    peak = float(weights.max()) or 1.0
    return {"columns": weights.shape[1], "peak": peak, "weights": _base64(np.rint(weights / peak * WEIGHTS), "<u2")}


def encode_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """What the scripts read of a body."""
    return {
        "name": skeleton.name,
        "joints": skeleton.joints,
        "parents": skeleton.parents,
        "parts": skeleton.parts,
        "sides": [skeleton.side(joint) for joint in range(len(skeleton.joints))],
        "bones": skeleton.bones,
        "head": head(skeleton),
    }


def encode_places(track: Track, unit: float) -> str:
    """Places in steps of `unit` mm."""
    return _base64(np.rint(track.places / unit), "<i2")


def encode_root(track: Track) -> str:
    """Turn and move of the root."""
    return _base64(np.concatenate([track.turns.reshape(-1, 9), track.moves], axis=1), "<f4")


def _base64(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _web(name: str) -> str:
    return resources.files("motion_jax.visualize").joinpath("web", name).read_text(encoding="utf-8")
