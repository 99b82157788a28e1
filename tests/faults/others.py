"""Others on the same folder, other runs, and numbers that go wrong."""

from __future__ import annotations

import dataclasses
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from motion_jax.data.prepared import read_prepared, write_dataset
from motion_jax.errors import UserError
from motion_jax.inference.predictor import load_predictor
from motion_jax.train.checkpoint import Checkpoints
from motion_jax.train.forecasting import Forecasting
from motion_jax.train.log import read_metrics
from motion_jax.train.replay import read_batch, replay
from motion_jax.train.workdir import Workdir
from tests.faults.damage import files_below
from tests.faults.runs import STEPS, Place, serve, train
from tests.faults.stops import wait_for
from tests.faults.tally import Tally, compare, untold


def two_runs(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """A second training on the folder of one that goes on: refused; the first ends as if nothing had been."""
    del dice
    failures = []
    with closing(serve(place)) as first, closing(serve(place._replace(root=_beside(place)))) as second:
        for number in range(count):
            workdir = folder / str(number)
            child = first.start(*place.flags(workdir))
            wait_for(workdir, "compiling", child.lives, random.Random(0))
            status = second.start(*place.flags(workdir)).wait()
            if status != 2 or "another run is writing there" not in second.said():
                failures.append(f"the second: exit status {status}: {second.said()[-200:]}")
            if status := child.wait():
                failures.append(f"the first: exit status {status}: {first.said()[-200:]}")
            elif wrong := compare(place, workdir):
                failures.append(f"the first: {wrong}")
    return Tally(count, failures)


def _beside(place: Place) -> Path:
    """A place of its own for the second server's log, with the same config."""
    root = place.root / "second"
    root.mkdir(exist_ok=True)
    shutil.copy(place.config, root / "config.py")
    return root


def other_runs(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """Another config, other data, shapes and settings of JAX on the folder of a run: refused, nothing is changed."""
    del count, dice
    copy = shutil.copytree(place.whole, folder / "copy")
    before = {name: (copy / name).read_bytes() for name in files_below(copy, ".")}
    other = dataclasses.replace(place.task, data_key="other")
    failures = []

    def in_x64() -> None:
        jax.config.update("jax_enable_x64", True)
        try:
            train(place, copy)
        finally:
            jax.config.update("jax_enable_x64", False)

    def with_other_draws() -> None:
        jax.config.update("jax_default_prng_impl", "rbg")
        try:
            train(place, copy)
        finally:
            jax.config.update("jax_default_prng_impl", "threefry2x32")

    cases: dict[str, Callable[[], object]] = {
        "learning rate": lambda: train(place, copy, **{"optim.learning_rate": 0.1}),
        "seed": lambda: train(place, copy, **{"train.seed": 1}),
        "width": lambda: train(place, copy, **{"model.hidden": 5}),
        "optimiser": lambda: train(place, copy, **{"optim.name": "sgd"}),
        "precision": lambda: train(place, copy, **{"compute.precision": "bf16"}),
        "data": lambda: train(place, copy, task=other),
        "x64": in_x64,
        "PRNG": with_other_draws,
    }
    for name, act in cases.items():
        if wrong := untold(act):
            failures.append(f"{name}: {wrong}")
    after = {name: (copy / name).read_bytes() for name in files_below(copy, ".")}
    if before != after:
        failures.append(f"changed: {[name for name in after if before.get(name) != after[name]]}")
    return Tally(len(cases), failures)


def wrong_numbers(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """NaN frames are refused; `count` times NaN gradients at random steps are skipped and counted; all NaN ends it."""
    failures = []
    dataset = read_prepared(place.data)
    frames = dataset.clips[0].frames.copy()
    frames[dice.randrange(len(frames)), dice.randrange(99)] = np.nan
    spoilt = dataclasses.replace(dataset.clips[0], frames=frames) if dataclasses.is_dataclass(dataset.clips[0]) else (
        dataset.clips[0]._replace(frames=frames))  # fmt: skip
    clips = (spoilt, *dataset.clips[1:])
    broken = dataclasses.replace(dataset, clips=clips) if dataclasses.is_dataclass(dataset) else (
        dataset._replace(clips=clips))  # fmt: skip
    for name, act in {
        "prepare": lambda: write_dataset(broken, folder / "data", {}, ()),
        "train": lambda: Forecasting.of(place.experiment, broken),
    }.items():
        try:
            act()
            failures.append(f"NaN frames, {name}: nothing was said")
        except UserError:
            pass
        except Exception as error:
            failures.append(f"NaN frames, {name}: {type(error).__name__}: {error}")

    for number in range(count):
        bad = sorted(dice.sample(range(STEPS), 6))
        workdir = folder / str(number)
        train(place, workdir, task=_Spoilt.of(place.task, bad))
        rows = read_metrics(Workdir(workdir).metrics)
        skipped = [row for row in rows if row["kind"] == "train"][-1].get("skipped")
        if skipped != len(bad):
            failures.append(f"{skipped} skipped of {len(bad)}")
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(load_predictor(workdir, "last").params)):
            failures.append("parameters are not finite")
    try:
        train(place, folder / "all", task=_Spoilt.of(place.task, list(range(7, STEPS))))
        failures.append("all NaN: nothing was said")
    except UserError as error:
        found = re.search(r"--replay=(\S+) ", str(error))
        if not found or "\n" in str(error):
            failures.append(f"all NaN: {error}")
        elif not replay(read_batch(Path(found[1]), place.task), place.task, debug_nans=False):
            failures.append("the batch tells nothing")
    return Tally(3 + count, failures)


class _Spoilt:
    """A task whose gradient is NaN at some steps."""

    def __init__(self, task: Forecasting, bad: list[int]) -> None:
        self._task, self._bad = task, jnp.asarray(bad)

    @classmethod
    def of(cls, task: Forecasting, bad: list[int]) -> _Spoilt:
        return cls(task, bad)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def loss_and_grad(self, params: Any, batch: Any, key: Any, step: Any) -> Any:
        loss, grad = self._task.loss_and_grad(params, batch, key, step)
        wrong = (step == self._bad).any()
        return loss, jax.tree.map(lambda leaf: jnp.where(wrong, jnp.nan, leaf), grad)


SAVER = """
import sys
from pathlib import Path
import numpy as np
from motion_jax.train.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), keep=1)
for step in range(100_000):
    checkpoints.save(step, {"w": np.arange(5000, dtype=np.float32) + step})
"""


def readers_during_saves(place: Place, count: int, dice: random.Random, folder: Path) -> Tally:
    """`count` readings while another process saves without a pause: each gets one of the checkpoints."""
    del place, dice
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", SAVER, str(folder / "last")], env=environment)
    failures, abstract = [], {"w": jax.ShapeDtypeStruct((5000,), jnp.float32)}
    try:
        while child.poll() is None and not list((folder / "last").glob("*/commit_success.txt")):
            time.sleep(0.01)
        for _ in range(count):
            try:
                with closing(Checkpoints(folder / "last")) as checkpoints:
                    found = checkpoints.restore(abstract)
                if found is None or float(found[1]["w"][1]) != found[0] + 1:
                    failures.append(f"found {found and found[0]}")
            except UserError as error:
                failures.append(str(error))
        if child.poll() is not None:
            failures.append(f"the saver ended with exit status {child.returncode}")
    finally:
        child.kill()
        child.wait()
    return Tally(count, failures)
