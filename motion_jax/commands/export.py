"""Writes a trained model, of any task, as files that other programs open, with its normalisation inside.

motion-jax export --output=exported     (the model that is shipped, of any humanoid body)
motion-jax export --workdir=runs/bi_enc_50 --output=exported
motion-jax export --workdir=runs/bi_enc_50 --output=exported --format=stablehlo,onnx
motion-jax export --workdir=runs/bi_enc_50 --output=exported --platforms=cpu --nocheck

Each file is opened in a fresh process without this package and compared with the original; the folder appears complete
or not at all.
"""

from __future__ import annotations

from pathlib import Path

from absl import flags

from motion_jax.commands import cli
from motion_jax.export import check_request, write_export
from motion_jax.export.card import Card
from motion_jax.export.folder import JIT
from motion_jax.inference.load import load_run
from motion_jax.runtime.names import in_line

_WORKDIR = cli.define_paths("workdir", None, "A run's folder, or a pretrained model; none: the one that is shipped.")
_OUTPUT = cli.define_path("output", None, "Folder to write: new or empty.", required=True)
_FORMAT = flags.DEFINE_list("format", ["stablehlo"], "stablehlo, onnx, or both.")
_PLATFORMS = flags.DEFINE_list("platforms", ["cpu", "cuda", "tpu"], "Where the StableHLO shall run: also rocm.")
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")
_CHECK = flags.DEFINE_bool("check", True, "Try each file in a fresh process before it is kept.")


def main(_: list[str]) -> None:
    """Checks the request, loads, writes, prints what was found."""
    check_request(_OUTPUT.value, _FORMAT.value, _PLATFORMS.value, _CHECK.value)
    trained = load_run(_WORKDIR.value, _CHECKPOINT.value)
    card = write_export(trained, _OUTPUT.value, _FORMAT.value, _PLATFORMS.value, _CHECK.value)
    for line in _lines(card):
        print(line)
    print(f"wrote {in_line(Path(_OUTPUT.value).absolute())}")


def _lines(card: Card) -> list[str]:
    """Sizes; and where the files were tried, their difference from the original and their speed beside it."""
    lines = [f"{name}: {known['bytes'] / 1e6:.2f} MB" for name, known in card.files.items()]
    for name, found in card.checks.items():
        compared = f"largest difference {found['difference']:.1e}, " if name != JIT else ""
        where = "this process" if name == JIT else "a fresh process"
        lines.append(
            f"{name}: {compared}{found['milliseconds']:.2f} ms a sequence alone in {where} "
            f"(processor time {found['cpu_milliseconds']:.2f} ms)"
        )
    return lines
