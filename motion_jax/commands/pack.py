"""Packs a calibrated run into a small folder that predicts without data and checkpoints, with a model card.

motion-jax pack --workdir=runs/canonical --card=card.md --output=weights/own

The folder is a run for `--workdir` of predict, stream, watch and export, and for `--init` of train.
"""

from __future__ import annotations

from absl import flags

from motion_jax.commands import cli
from motion_jax.errors import UserError
from motion_jax.inference.predictor import load_predictor
from motion_jax.inference.pretrained import pack
from motion_jax.runtime.files import check_writable, user_path
from motion_jax.runtime.names import in_line

_WORKDIR = cli.define_path("workdir", None, "Folder of the run, calibrated.", required=True)
_OUTPUT = cli.define_path("output", None, "Folder to write.", required=True)
_CARD = cli.define_path("card", None, "The model card: Markdown with data, licence, errors, limits.", required=True)
_CHECKPOINT = flags.DEFINE_enum("checkpoint", "auto", ("auto", "best", "last"), "Which checkpoint of the run.")


def main(_: list[str]) -> None:
    """Reads the card, opens the run, writes."""
    try:
        card = user_path(_CARD.value).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--card={_CARD.value}: cannot be read: {error}") from None
    check_writable(user_path(_OUTPUT.value) / "card.json")
    size = pack(load_predictor(_WORKDIR.value, _CHECKPOINT.value), user_path(_OUTPUT.value), card)
    print(f"wrote {in_line(_OUTPUT.value)}: {size / 1e6:.2f} MB")
