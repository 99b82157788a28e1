"""Runs trained as one program are those that were trained apart."""

from __future__ import annotations

import dataclasses
import functools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from motion_jax.config import Experiment
from motion_jax.errors import UserError
from motion_jax.train import together
from motion_jax.train.forecasting import Forecasting, fit
from motion_jax.train.log import read_metrics
from motion_jax.train.stop import Interrupted
from motion_jax.train.together import differing_field, train_together
from motion_jax.types import Dataset

Configure = Callable[..., Experiment]
RATES = (0.003, 0.003, 0.001)


@pytest.fixture(scope="module")
def experiments(configure: Configure) -> list[Experiment]:
    """Two seeds and another rate of learning; a row for each step."""
    return [
        dataclasses.replace(
            configure(optim={"learning_rate": rate}, seed=seed, log_every=1, steps_per_dispatch=1, steps=20),
            name=f"run{seed}",
        )
        for seed, rate in enumerate(RATES)
    ]


@pytest.fixture(scope="module")
def apart(experiments: list[Experiment], dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("apart")
    for experiment in experiments:
        fit(experiment, dataset, folder / experiment.name, quiet=True)
    return [folder / experiment.name for experiment in experiments]


def _rows(workdir: Path, name: str) -> np.ndarray:
    return np.array([row[name] for row in read_metrics(workdir / "metrics.jsonl") if name in row])


@pytest.mark.slow
def test_runs_are_interrupted_and_go_on_together_and_end_as_apart(
    experiments: list[Experiment],
    apart: list[Path],
    dataset: Dataset,
    tmp_path: Path,
    restore: Callable[[Path], tuple[int, Any]],
    monkeypatch: pytest.MonkeyPatch,
):
    task = Forecasting.of(experiments[0], dataset)
    folders = [tmp_path / experiment.name for experiment in experiments]
    fit(experiments[2], dataset, folders[2], quiet=True)  # has ended before
    with monkeypatch.context() as patch:
        make = together.make_steps_together

        def interrupted_at_seven(*args: Any) -> Any:
            train_steps, sharding = make(*args, vectorised=True)
            asked = []

            def counted(*args: Any) -> Any:
                asked.append(1)
                if len(asked) == 7:
                    signal.raise_signal(signal.SIGTERM)
                return train_steps(*args)

            return counted, sharding

        patch.setattr(together, "make_steps_together", interrupted_at_seven)
        with pytest.raises(Interrupted) as stopped:
            train_together(task, experiments, folders, quiet=True)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert [restore(folder)[0] for folder in folders] == [7, 7, 20]
    with monkeypatch.context() as patch:
        patch.setattr(together, "make_steps_together", functools.partial(make, vectorised=True))
        assert train_together(task, experiments, folders, quiet=True) == [None, None, None]
    for one, other in zip(folders, apart, strict=True):
        losses = _rows(one, "loss")
        assert len(losses) == 20
        np.testing.assert_allclose(losses, _rows(other, "loss"), rtol=1e-6)
        np.testing.assert_allclose(_rows(one, "validation_score"), _rows(other, "validation_score"), rtol=1e-5)
        for left, right in zip(*(jax.tree.leaves(restore(folder)[1]) for folder in (one, other)), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)
    assert not np.allclose(_rows(folders[0], "loss"), _rows(folders[1], "loss"), rtol=1e-3)


@pytest.mark.slow
def test_one_after_another_in_one_program(
    experiments: list[Experiment], apart: list[Path], dataset: Dataset, tmp_path: Path
):
    task = Forecasting.of(experiments[0], dataset)
    folders = [tmp_path / experiment.name for experiment in experiments[1:]]
    train_together(task, experiments[1:], folders, quiet=True)  # on a CPU it does not vectorise
    for folder, other in zip(folders, apart[1:], strict=True):
        np.testing.assert_allclose(_rows(folder, "loss"), _rows(other, "loss"), rtol=1e-6)
        np.testing.assert_array_equal(_rows(folder, "learning_rate"), _rows(other, "learning_rate"))


def test_what_one_program_cannot_have_is_named(experiments: list[Experiment], configure: Configure, dataset: Dataset):
    first = experiments[0]
    assert differing_field(first, experiments[2]) is None
    wider = dataclasses.replace(first, name="wide", model=dataclasses.replace(first.model, hidden=9))
    with pytest.raises(UserError, match=r"'run0' and 'wide' differ in model\.hidden: one program cannot train both"):
        train_together(Forecasting.of(first, dataset), [first, wider], ["a", "b"])
    momentum = [configure(optim={"name": "rmsprop", "momentum": 0.9, "learning_rate": rate}) for rate in RATES]
    assert differing_field(momentum[0], momentum[1]) is None
    assert differing_field(momentum[0], momentum[2]) == "optim.learning_rate"
    refit = configure(refit=True)
    with pytest.raises(UserError, match=r"train\.refit=True: runs that are trained together cannot be refitted"):
        train_together(Forecasting.of(refit, dataset), [refit, refit], ["a", "b"])
    one, two = (experiment.changed({"train.prometheus": "run.prom"}) for experiment in experiments[:2])
    assert differing_field(one, first) is None
    with pytest.raises(UserError, match=r"train\.prometheus=run\.prom: runs that are trained together must each have"):
        train_together(Forecasting.of(one, dataset), [one, two], ["a", "b"])


@pytest.mark.slow
def test_a_run_that_fails_does_not_stop_the_others(experiments: list[Experiment], dataset: Dataset, tmp_path: Path):
    (tmp_path / "run0").write_text("not a folder")
    folders = [tmp_path / experiment.name for experiment in experiments]
    failed = train_together(Forecasting.of(experiments[0], dataset), experiments, folders, quiet=True)
    assert [type(error) for error in failed] == [UserError, type(None), type(None)]
    assert [len(_rows(folder, "loss")) for folder in folders[1:]] == [20, 20]
