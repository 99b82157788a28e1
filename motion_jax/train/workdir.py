"""The folder of one run: its config, its pose space, its log, its checkpoints, and the lock of who writes there.

`config.json` carries a checksum of itself and of the other records.
"""

from __future__ import annotations

import errno
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from absl import logging

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.pose_space import PoseSpace
from motion_jax.runtime.files import read_file, sealed, unsealed, write_text
from motion_jax.train.environment import ACCEPT, differences

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

SPACE = "space.json"  # of a forecasting run: what its frames are normalised with
STATUS = "status.json"  # what `motion-jax status` reads
MAY_CHANGE = (
    "train.steps", "train.log_every", "train.report_every", "train.checkpoint_every", "train.keep_last",
    "train.patience", "train.report_test", "train.max_skipped", "train.prometheus", "data.root", "data.cache",
    "data.in_memory", "data.loader",
)  # fmt: skip
"""Fields that a resumed run may change without becoming another run (`eval.*` may too). `train.steps` only where no
schedule is measured by it, neither of forcing nor of the learning rate."""
CANNOT_LOCK = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)
"""What flock(2) gives on file systems without locks: Lustre mounted without -o flock, NFS without a lock daemon."""
_PATIENCE_S = 0.3  # for a lock: whoever asks for the status of a run holds it for an instant


class Workdir:
    """Names inside a run's folder, and its small records."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.space = self.path / SPACE
        self.metrics = self.path / "metrics.jsonl"
        self.status = self.path / STATUS
        self.lock = self.path / ".lock"
        self.radii = self.path / "radii.json"  # of calibration; none before
        self.last = self.path / "checkpoints" / "last"
        self.best = self.path / "checkpoints" / "best"
        self.selection = self.path / "selection"  # of a refit: the run, a whole one, that chose the number of steps

    def read_experiment(self) -> Experiment:
        """The config that the run was started with.

        Raises:
            UserError: the folder holds no run, or one with `train.refit` whose second training has not begun.
        """
        if self.selection.is_dir() and not self.config.exists():
            raise UserError(
                f"--workdir={self.path}: its run, one with train.refit, is still choosing the number of steps: that "
                f"part lies in {self.selection}, a run of its own; the same command goes on with it"
            )
        return Experiment.from_json(json.dumps(self._record()["experiment"]), str(self.config))

    def read_started_experiment(self) -> Experiment:
        """The config that `train` was given: of a refit, that of its selection. Raises as `read_experiment`."""
        return (Workdir(self.selection) if self.selection.is_dir() else self).read_experiment()

    def read_space(self) -> PoseSpace:
        """The statistics that the run was trained in."""
        return PoseSpace.from_json(self.read_record(SPACE), str(self.space))

    def read_record(self, name: str) -> str:
        """The text of a further record. Raises `UserError` where it is missing or is not what was written."""
        text = _read(self.path / name, self.path)
        if self._record()["records"].get(name) != _sha256(text):
            raise UserError(
                f"{self.path / name}: damaged or edited: its sha256 is not the one in {self.config.name}; the training "
                f"command with this --workdir writes it anew"
            )
        return text

    def begin(
        self,
        experiment: Experiment,
        records: Mapping[str, str],
        data_key: str,
        environment: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Writes the records of a new run, or checks those of the run that is being resumed.

        Args:
            experiment: the config.
            records: further files, by name, that are needed to use what was trained.
            data_key: names the content of the data.
            environment: of `environment.environment`. What differs in it and decides the results is refused; the rest
                is warned of.

        Raises:
            UserError: the folder holds a run of another version, with another config, other data or another
                environment, a run without its record, or cannot be written.
        """
        record = {
            "experiment": experiment.to_dict(),
            "data_key": data_key,
            "environment": dict(environment),
            "records": {name: _sha256(text) for name, text in records.items()},
        }
        if self.config.exists():
            self._check_same(experiment, data_key)
            self._check_environment(environment, records)
        elif self.metrics.exists():
            raise UserError(f"--workdir={self.path}: holds a run whose {self.config.name} is missing: choose another")
        for name, text in records.items():
            write_text(self.path / name, text)
        write_text(self.config, sealed(record, indent=2))

    def run_key(self) -> str:
        """Names the run, by its data and what of its config may not change; "" where the folder holds no record."""
        if not self.config.exists():
            return ""
        record = self._record()
        fixed = {key: value for key, value in flatten(record["experiment"]).items()
                 if key not in MAY_CHANGE and not key.startswith("eval.")}  # fmt: skip
        return _sha256(json.dumps([fixed, record.get("data_key")], sort_keys=True))

    def accept_environment(self, now: Mapping[str, Any]) -> None:
        """Lets the run go on in another environment: its record then says what is given here, and a warning says so."""
        record = self._record()
        changed = differences(record["environment"], now, decides=True)
        if changed:
            logging.warning("--workdir=%s: goes on in another environment (%s)", self.path, "; ".join(changed))
            record["environment"] = {**record["environment"], **now}
            write_text(self.config, sealed(record, indent=2))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the folder for one run; where the system cannot lock, it warns and goes on.

        Raises:
            UserError: the folder cannot be made or written, or another run holds it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = self.lock.open("w")
        except OSError as error:
            raise UserError(f"--workdir={self.path}: cannot be written: {error.strerror}") from None
        with lock:
            self._lock(lock)
            yield

    def is_locked(self) -> bool | None:
        """Whether a run is writing there; None where it cannot be told. Holds the lock for an instant."""
        if fcntl is None:
            return None
        try:
            with self.lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        except OSError:
            return None
        return False

    def _lock(self, file: IO[str]) -> None:
        reason = "this system has no flock"
        if fcntl is not None:
            try:
                _wait_for_lock(file)
                return
            except BlockingIOError:
                raise UserError(f"--workdir={self.path}: another run is writing there") from None
            except OSError as error:
                reason = error.strerror
                if error.errno not in CANNOT_LOCK:
                    raise UserError(f"--workdir={self.path}: cannot be locked: {reason}") from None
        message = "--workdir=%s: the folder cannot be locked on this file system (%s); two runs must not share it"
        logging.warning(message, self.path, reason)

    def _check_same(self, experiment: Experiment, data_key: str) -> None:
        before, now = flatten(self._record()["experiment"]), flatten(experiment.to_dict())
        if odd := before.keys() ^ flatten(self.read_experiment().to_dict()).keys():
            raise UserError(
                f"{self.config}: was written by another version of motion_jax (different: {', '.join(sorted(odd))}); "
                f"start a new run or use that version"
            )
        scheduled = experiment.train.forcing_schedule != "constant" or experiment.optim.reads_steps
        free = set(MAY_CHANGE) - ({"train.steps"} if scheduled else set())
        differ = [f"{key}: {before.get(key)!r} there, {now.get(key)!r} here" for key in sorted(before | now)
                  if before.get(key) != now.get(key) and key not in free and not key.startswith("eval.")]  # fmt: skip
        if self._record().get("data_key") != data_key:
            differ.append("the data set's content")
        if differ:
            raise UserError(
                f"--workdir={self.path}: holds another run. Different are {'; '.join(differ)}. "
                f"Choose another workdir, or resume with the same config."
            )

    def _check_environment(self, environment: Mapping[str, Any], records: Mapping[str, str]) -> None:
        record = self._record()
        if refused := differences(record["environment"], environment, decides=True):
            raise UserError(
                f"--workdir={self.path}: was saved in another environment: {'; '.join(refused)}. The results would not "
                f"be those of a run that was never interrupted; to go on all the same: --{ACCEPT}"
            )
        if warned := differences(record["environment"], environment, decides=False):
            message = "--workdir=%s: was saved in another environment: %s; what follows differs by rounding"
            logging.warning(message, self.path, "; ".join(warned))
        for name, text in records.items():
            path = self.path / name
            if record["records"].get(name) != _sha256(text):
                logging.warning("%s: comes out otherwise here, by rounding: it is written anew", path)
            elif not path.exists() or read_file(path) != text.encode():
                logging.warning("%s: was missing, damaged or edited: it is written anew", path)

    def _record(self) -> dict[str, Any]:
        record = unsealed(_read(self.config, self.path), str(self.config), "the record of a run")
        if not all(isinstance(record.get(name), dict) for name in ("experiment", "records", "environment")):
            raise UserError(f"{self.config}: not the record of a run of this version")
        return record


def _wait_for_lock(file: IO[str]) -> None:
    """Takes it. Raises `BlockingIOError` where another run has it."""
    assert fcntl is not None
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(0.05)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested groups to dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _read(path: Path, folder: Path) -> str:
    try:
        return read_file(path).decode()
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"--workdir={folder}: holds no trained run ({path.name} is missing)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: damaged: not text") from None
