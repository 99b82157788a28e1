"""Files: a motion file in, what follows it out."""

from __future__ import annotations

from pathlib import Path

from motion_jax.data.formats import Motion, check_written, read_motion, write_motion
from motion_jax.errors import UserError
from motion_jax.inference.pretrained import open_predictor
from motion_jax.runtime.files import check_writable, user_path


def predict_file(
    input: str | Path,
    workdir: str | Path | None = None,
    action: str | None = None,
    output: str | Path | None = None,
    *,
    checkpoint: str = "auto",
    start: int | None = None,
    retargeted: bool = False,
    input_fps: float | None = None,
    unit_mm: float | None = None,
    overwrite: bool = False,
) -> Motion:
    """Predicts what follows a motion file. For many files, load a predictor once and call `continue_motions`.

    Args:
        input: a file that `read_motion` reads, at any rate.
        workdir: the folder of a run, or a pretrained model; None: the one that is shipped, of any humanoid body.
        action: what is being done; None: not known.
        output: the file to write, in the format of its suffix; None: none.
        checkpoint: as of `load_predictor`.
        start: frame of the file where what is read begins; None: the last frames are read.
        retargeted: put another body on the model's by the names of its joints.
        input_fps: frames per second at which the file was recorded; None: as it says.
        unit_mm: mm to the file's unit of length; None: as it says, or as is usual for its format.
        overwrite: replace `output` where it is there.

    Returns:
        The next T / fps seconds, at the file's rate and in its channels.

    Raises:
        UserError: the output cannot be written or is there, the run or the file cannot be read, or does not fit.
    """
    target = None if output is None else check_output(user_path(output), overwrite)
    motion = read_motion(user_path(input), unit_mm, fps=input_fps)
    future = open_predictor(workdir, checkpoint).continue_motion(motion, action, start=start, retargeted=retargeted)
    if target is not None:
        write_motion(future, target)
    return future


def check_output(path: Path, overwrite: bool) -> Path:
    """`path`, if a motion can be written there. Raises `UserError`."""
    check_written(path)
    if path.exists() and not overwrite:
        raise UserError(f"output: {path} is there already; overwrite replaces it")
    check_writable(path)
    return path
