"""Shows what is predicted for a recording, as a page in the browser: along the recording, and after its end.

motion-jax watch --input=walk.bvh     (any humanoid body: the model that is shipped)
motion-jax watch --input=walk.bvh --output=walk.html --noopen
motion-jax watch --input=walk.bvh --workdir=runs/own --retarget --action=walking
motion-jax watch --input=walk.bvh --output=walk.html --noopen --window=2 --png=strip.png --gif=walk.gif

Beside the prediction stand what followed, where it was recorded, and zero-velocity. The page opens in a browser where
there is one; its path is printed. Pictures and animations show the scene --window, or else the last: what comes next.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import webbrowser
from pathlib import Path

from absl import flags

from motion_jax.commands import cli
from motion_jax.commands.outputs import check_outputs
from motion_jax.data.formats import read_motion
from motion_jax.data.motion.rates import check_rate
from motion_jax.errors import UserError
from motion_jax.inference.pretrained import open_predictor
from motion_jax.runtime.files import user_path
from motion_jax.runtime.names import in_line
from motion_jax.visualize.animation import check_animation, write_animation
from motion_jax.visualize.comparison import Comparison
from motion_jax.visualize.figures import check_drawable
from motion_jax.visualize.page import write_page
from motion_jax.visualize.strip import scene_strip
from motion_jax.visualize.watch import watch

_INPUT = cli.define_path("input", None, "A motion file.", required=True)
_WORKDIR = cli.define_paths("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_OUTPUT = cli.define_path("output", "", "Write the page here (.html); none: among temporary files.")
_OPEN = flags.DEFINE_bool("open", True, "Open the page in a browser, where there is one.")
_WINDOWS = flags.DEFINE_integer("windows", 6, "How many places of the recording are shown.", lower_bound=0)
_ACTION = flags.DEFINE_string("action", None, "What is being done; none: not known.")
_INPUT_FPS = flags.DEFINE_float("input_fps", None, "Frames per second of the file, where it does not say them.")
_JOINT_MAP = cli.define_path("joint_map", None, "CSV of joints' names, where a model of the canonical body lacks them.")
_RETARGET = flags.DEFINE_bool("retarget", False, "Put another body on the model's by the names of its joints.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_WINDOW = flags.DEFINE_integer("window", None, "Scene of pictures and animations, from 0; none: what comes next.")
_PNG = cli.define_path("png", "", "Draw a strip of poses here (.png, .pdf, .svg).")
_GIF = cli.define_path("gif", "", "Write an animation here (.gif).")
_MP4 = cli.define_path("mp4", "", "Write an animation here (.mp4); needs ffmpeg.")


def main(_: list[str]) -> None:
    """Checks the outputs, reads, predicts, writes, opens."""
    check_rate(_INPUT_FPS.value, "--input_fps")
    output = _page()
    named = {flag.name: flag.value for flag in (_OUTPUT, _PNG, _GIF, _MP4)}
    check_outputs(named, [flag.value for flag in (_INPUT, _JOINT_MAP) if flag.value])
    if _PNG.value:
        check_drawable(_PNG.value)
    for flag in (_GIF, _MP4):
        if flag.value:
            check_animation(flag.value, f".{flag.name}")
    motion = read_motion(_INPUT.value, fps=_INPUT_FPS.value)
    comparison = watch(
        open_predictor(_WORKDIR.value, _CHECKPOINT.value),
        motion,
        _ACTION.value,
        windows=_WINDOWS.value,
        retargeted=_RETARGET.value,
        joint_map=None if _JOINT_MAP.value is None else user_path(_JOINT_MAP.value),
    )
    _draw(comparison)
    size = write_page(comparison, output)
    along = len(comparison.scenes) - 1
    places = f"{along} place{'s' * (along != 1)} of the recording, and what comes next"
    print(f"wrote {in_line(output)}: {places}; {size / 1e6:.2f} MB", flush=True)
    if _OPEN.value and _has_screen():
        webbrowser.open(output.absolute().as_uri())


def _page() -> Path:
    """Where the page goes."""
    if not _OUTPUT.value:
        return Path(tempfile.mkdtemp(prefix="motion-jax-")) / f"{Path(_INPUT.value).stem}.html"
    path = Path(_OUTPUT.value)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output={path}: a page's suffix must be .html")
    return path


def _draw(comparison: Comparison) -> None:
    """Pictures and animations of one scene, and a line for each."""
    wanted = [flag.value for flag in (_PNG, _GIF, _MP4) if flag.value]
    number = len(comparison.scenes) - 1 if _WINDOW.value is None else _WINDOW.value
    if not 0 <= number < len(comparison.scenes):
        raise UserError(f"--window={number}: there are scenes 0 to {len(comparison.scenes) - 1}; the last comes next")
    one = dataclasses.replace(comparison, scenes=(comparison.scenes[number],))
    for path in wanted:
        (scene_strip if path == _PNG.value else write_animation)(one, path)
        print(f"wrote {in_line(path)}", flush=True)


def _has_screen() -> bool:
    """Whether a browser has where to appear: elsewhere one for terminals may start, which would show nothing."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
