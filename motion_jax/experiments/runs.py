"""Runs in folders: found, and opened. Of a folder that holds several, what cannot be scored is named and left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from absl import logging

from motion_jax.errors import UserError
from motion_jax.inference.pretrained import names_packed, open_predictor
from motion_jax.train.log import end_of, read_metrics
from motion_jax.train.workdir import Workdir


def open_runs(
    paths: Sequence[str | Path], checkpoint: str = "auto", load: Callable[[Path, str], Any] | None = None
) -> list[Any]:
    """The runs at `paths`, each a run's folder or a folder that holds runs at any depth.

    A run that is named itself is opened as far as it is trained. Of those that are found, a damaged or unfinished one
    is logged with its reason and left out.

    Args:
        paths: of runs of one task.
        checkpoint: "best", "last", or "auto".
        load: opens one: `(folder, checkpoint) -> run`, with the fields `step` and `experiment`; None:
            `open_predictor`, for which the name of a shipped model or a packed run's folder is one too.

    Raises:
        UserError: a named run cannot be opened (see `load_predictor`), a folder holds no run, or none that is whole.
    """
    return [run for path in paths for run in _open(Path(path), checkpoint, load or open_predictor)]


def find_runs(folder: Path) -> list[Path]:
    """`folder` if it is a run, else the runs below it, in the order of their paths; each once, by whatever links.

    A folder below that cannot be read is logged and passed over. Raises `UserError` if `folder` itself cannot.
    """
    try:
        return _find(folder, set())
    except OSError as error:
        raise UserError(f"--workdir={folder}: cannot be read: {error.strerror}") from None


def _find(folder: Path, seen: set[Path]) -> list[Path]:
    """`seen` grows by the real places that were looked at, so that links which lead round in a circle end."""
    real = folder.resolve()
    if real in seen:
        return []
    seen.add(real)
    if is_run(folder):
        return [folder]
    found = []
    for path in sorted(folder.iterdir()):
        try:
            found += _find(path, seen) if path.is_dir() else []
        except OSError as error:
            logging.warning("passed over: %s: cannot be read: %s", path, error.strerror)
    return found


def is_run(folder: Path) -> bool:
    """Whether `motion-jax train` has worked there, be it that some of its files are gone."""
    run = Workdir(folder)
    return run.config.exists() or run.metrics.exists() or run.last.is_dir() or run.selection.is_dir()


def is_named(path: Path) -> bool:
    """Whether a path is that of one run, or of a pretrained model, not of a folder that holds some."""
    return is_run(path) or names_packed(path)


def tasks_of(paths: Sequence[str | Path]) -> set[str]:
    """The tasks of the runs at `paths`, as far as they can be read; what is wrong with the others tells `open_runs`."""
    found = set()
    for folder in (folder for path in paths if Path(path).is_dir() for folder in find_runs(Path(path))):
        with suppress(UserError):
            found.add(Workdir(folder).read_experiment().model.TASK)
    return found


def _open(path: Path, checkpoint: str, load: Callable[[Path, str], Any]) -> list[Any]:
    if is_run(path) or not path.is_dir() or (load is open_predictor and names_packed(path)):
        return [load(path, checkpoint)]
    found = find_runs(path)
    if not found:
        raise UserError(f"--workdir={path}: holds no trained run")
    runs = [run for run in (_open_whole(folder, checkpoint, load) for folder in found) if run]
    if not runs:
        raise UserError(f"--workdir={path}: of its {len(found)} runs none is whole and finished")
    return runs


def _open_whole(folder: Path, checkpoint: str, load: Callable[[Path, str], Any]) -> Any:
    """None, and a warning, for a run that is not what its config says."""
    try:
        run = load(folder, checkpoint)
        rows = read_metrics(Workdir(folder).metrics)
        done, steps = _steps_done(rows, folder, run.step, checkpoint), run.experiment.train.steps
    except UserError as error:
        logging.warning("left out: %s: %s", folder, error)
        return None
    if done < steps and not end_of(rows):
        logging.warning("left out: %s: unfinished, at step %d of %d", folder, done, steps)
        return None
    return run


def _steps_done(rows: Sequence[Mapping[str, Any]], folder: Path, opened: int, checkpoint: str) -> int:
    """How far the run is trained: the best checkpoint is older than its last, so of that the log must tell."""
    if checkpoint == "last" or not Workdir(folder).best.is_dir():
        return opened
    return max((row["step"] for row in rows), default=opened)
