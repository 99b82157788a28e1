"""The README.md of an export. Its examples are what checks the files."""

from __future__ import annotations

from collections.abc import Callable

from motion_jax.export import onnx, stablehlo
from motion_jax.export.card import CARD, RADII, Card
from motion_jax.runtime.names import in_markdown
from motion_jax.skeletons.canonical import BODY22

EXAMPLE = "example.npz"

_STABLEHLO = f"""\
import jax
import jax.export
import numpy as np

with open("{stablehlo.FILE}", "rb") as file:
    predict = jax.jit(jax.export.deserialize(bytearray(file.read())).call)
"""
_ONNX = f"""\
import numpy as np
import onnxruntime

onnxruntime.set_default_logger_severity(3)  # no remarks about constants that it drops
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1  # steps are too small to share
session = onnxruntime.InferenceSession("{onnx.FILE}", options, providers=["CPUExecutionProvider"])
names = [known.name for known in session.get_inputs()]
predict = lambda *arrays: session.run(None, dict(zip(names, arrays)))[0]
"""
_OPEN = {"stablehlo": _STABLEHLO, "onnx": _ONNX}
_NEEDS = {"stablehlo": "`pip install jax flatbuffers`", "onnx": "`pip install onnxruntime`"}


_BODY22 = [
    "",
    "## The body",
    "",
    f"`{BODY22.name}`: the canonical body, 22 joints in SMPL's order, mm, y up, the floor at 0; at rest it stands in "
    "a T-pose, faces z and has its left side at x. Rigs of files are brought onto it and back by "
    "`motion_jax.to_canonical` and `from_canonical`. `heading` roots tell neither place nor direction: with C the "
    "pelvis's rotation in space (on column vectors, quaternion w, x, y, z),",
    "",
    "    heading = 2 atan2(y, w); tilt = Ry(-heading) C; s, c = sine, cosine of the heading in the frame before",
    "    column 0 = dx c - dz s, column 2 = dx s + dz c, column 1 = height, column 4 = heading - heading before",
    "    columns 3, 5 = x and z of the tilt's rotation vector, negated",
    "",
    "and back: x += column 0 * c + column 2 * s, z += column 2 * c - column 0 * s, heading += column 4, "
    "C = Ry(heading) tilt. The first frame needs the one before it.",
]


def _recognition(card: Card) -> str:
    return (
        f"Recognition of actions: {card.source_length} frames in, {card.fps:g} a second, or fewer and padding; the "
        f"probability of each of {len(card.classes)} classes out."
    )


def _anticipation(card: Card) -> str:
    apart = card.experiment["model"].get("alpha")
    seen = f"{card.source_length} observed steps in"
    out = f"the probability of each of {len(card.classes)} classes out, at each of {len(card.times)} times: "
    times = ", ".join(f"{time:g}" for time in card.times)
    if card.times and card.times[-1] == 1:  # early recognition
        return f"Early recognition of actions: {seen}, which divide an action evenly; {out}{times} of it seen."
    return (
        f"Anticipation of actions: {seen}, {apart:g} s apart, each the newest frame at that moment; {out}{times} s "
        f"before the action, which is to begin a step after the last. A time reads nothing of the steps behind it."
    )


_WHAT: dict[str, Callable[[Card], str]] = {
    "forecasting": lambda card: (
        f"Human motion prediction, free-running: {card.source_length} observed frames in, the next "
        f"{card.target_length} out, {card.fps:g} a second. Raw frames on both sides."
    ),
    "recognition": _recognition,
    "anticipation": _anticipation,
}


def loading(name: str, inputs: tuple[str, ...], output: str) -> str:
    """Python that opens the file of a format, computes `output` of the example's `inputs` and prints how far it is off.

    It runs in the folder.
    """
    arrays = ", ".join(f'example["{known}"]' for known in inputs)
    return f"""{_OPEN[name]}
example = np.load("{EXAMPLE}")
{output} = np.asarray(predict({arrays}))
print(np.abs({output} - example["{output}"]).max())
"""


def readme(card: Card, formats: list[str]) -> str:
    """For people."""
    inputs = tuple(known.name for known in card.inputs)
    parts = [
        _heading(card),
        *(_section(name, loading(name, inputs, card.output.name)) for name in formats),
        _rest(card),
    ]
    return "\n".join(parts)


def _heading(card: Card) -> str:
    shapes = [f"* `{known.name}` {known.dtype} `[{', '.join(('B', *map(str, known.shape)))}]`"
              for known in (*card.inputs, card.output)]  # fmt: skip
    lines = [
        f"# {in_markdown(card.name)}",
        "",
        f"{_WHAT[card.task](card)} Parameters and normalisation are inside. B is any number of sequences.",
        "",
        *shapes,
        "",
    ]
    return "\n".join(lines)


def _section(name: str, code: str) -> str:
    return f"## {name}\n\n{_NEEDS[name]}, then in this folder:\n\n```python\n{code}```\n"


def _rest(card: Card) -> str:
    units = [f"* {name}: {text}" for name, text in card.units.items() if name != "action" or card.actions]
    actions = ["", "`action` counts from 0: " + ", ".join(map(in_markdown, card.actions))] if card.actions else []
    classes = (
        ["", "`probabilities` are in this order: " + ", ".join(map(in_markdown, card.classes))] if card.classes else []
    )
    radii = []
    if RADII in card.files:
        radii = [
            "",
            "## How far to trust it",
            "",
            f"`{RADII}`: `radius` [L, T, J], mm, at the L shares in `levels`: of recordings like those that were "
            f"calibrated on, that share of joints lies within it of the prediction, at each frame by itself, the "
            f"root's columns 0-5 set to zero; `band_radius` holds over all T frames at once, `pose_radius` [L, T] for "
            f"the mean over joints. null is infinite. `load_exported(...).radii` of motion_jax reads it.",
            "",
            "Where `scale` is not null, radii follow the motion, and these are of a usual window. Of another, those of "
            "joints are multiplied by (measure / `scale.mean` + `scale.floor`) / (1 + `scale.floor`), each [T, J] or "
            "[T]; that of the mean over joints by the same of means over joints. "
            f"`{stablehlo.MEASURE}`, where it is here, takes what the model takes and gives the measure, [B, T, J] mm; "
            '"speed" is how far the joint was from its last place, on average over the observed frames but the last. '
            f"`load_exported(...).radius({', '.join(known.name for known in card.inputs)})` does all this.",
        ]
    if card.skeleton.get("name") == BODY22.name and card.skeleton.get("root") == "heading":
        radii = [*_BODY22, *radii]
    lines = [
        "## Frames",
        "",
        *units,
        *actions,
        *classes,
        "",
        f"`{CARD}` has the name of every column, the skeleton, the configuration, versions, and the sha256 of every "
        f"file; `{EXAMPLE}` holds inputs and what the original made of them.",
        *radii,
    ]
    return "\n".join(lines) + "\n"
