"""Makes the pictures of docs/gallery.md again: `python docs/gallery.py DIR [MODEL]`, with the recordings in DIR.

MODEL is a run's folder or a pretrained model; none: the one that is shipped. Each picture is what `motion-jax watch`
draws, in fewer colours, animations with half as many frames; what is scored of each is printed, for the page.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image

sys.path.insert(0, ".")  # the package, where it is run from a checkout and not installed

from motion_jax.data.formats import read_motion
from motion_jax.inference.pretrained import open_predictor
from motion_jax.visualize.animation import write_animation
from motion_jax.visualize.strip import scene_strip
from motion_jax.visualize.watch import watch

FOLDER = Path(__file__).parent / "images" / "gallery"


class Picture(NamedTuple):
    """One picture: its name, the recording, and which of seven scenes; 6 is what comes next."""

    name: str
    source: str
    window: int


PICTURES = (
    Picture("walk.png", "accad/Male1_B3_Walk.bvh", 3),
    Picture("form.png", "accad/Male2_Form_1.bvh", 2),
    Picture("jump.png", "cmu_trials/subjects/02/02_04.amc", 2),
    Picture("punch.gif", "cmu_trials/subjects/02/02_05.amc", 3),
    Picture("next.gif", "accad/Male1_B3_Walk.bvh", 6),
)
_COLOURS = 32
_SHARE = 0.5  # of an animation's size
_EVERY = 2  # frames of an animation
_HOLD_MS = 800  # that its last frame stays


def main() -> None:
    """Draws all."""
    root = Path(sys.argv[1])
    predictor = open_predictor(sys.argv[2] if len(sys.argv) > 2 else None)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        comparison = watch(predictor, read_motion(root / picture.source))
        scene = comparison.scenes[min(picture.window, len(comparison.scenes) - 1)]
        path = FOLDER / picture.name
        one = dataclasses.replace(comparison, scenes=(scene,))
        (write_animation if path.suffix == ".gif" else scene_strip)(one, path)
        (_reduce_animation if path.suffix == ".gif" else _reduce)(path)
        errors = [prediction.mpjpe_mm for prediction in scene.predictions]
        shown = ", ".join(
            f"{name} " + "/".join(f"{error[frame - 1]:.0f}" for frame in (2, 10, 25) if frame <= len(error)) + " mm"
            for name, error in zip(comparison.models, errors, strict=True)
            if error is not None
        )
        print(f"{path.name}: {picture.source}, scene {scene.window}, {path.stat().st_size / 1000:.0f} kB; {shown}")


def _reduce(path: Path) -> None:
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(_COLOURS)
    small.save(path, optimize=True)


def _reduce_animation(path: Path) -> None:
    with Image.open(path) as image:
        frames = []
        for number in range(0, getattr(image, "n_frames", 1), _EVERY):
            image.seek(number)
            frame = image.convert("RGB")
            size = round(frame.width * _SHARE), round(frame.height * _SHARE)
            frames.append(frame.resize(size, Image.Resampling.LANCZOS).quantize(_COLOURS))
        wait = image.info["duration"] * _EVERY
    waits = [wait] * (len(frames) - 1) + [_HOLD_MS]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=waits, loop=0, optimize=True)


if __name__ == "__main__":
    main()
