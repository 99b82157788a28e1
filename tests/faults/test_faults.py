"""Every fault of the suite, a few times each; `python -m tests.faults` tries them as often as its table says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

from tests.faults.cases import CASES
from tests.faults.runs import Place, make_place

pytestmark = [
    pytest.mark.slow,
    # Orbax leaves coroutines behind where reading fails; children of a fork are not this process
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    values: dict[str, Any] = {
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: jax.config.values[name] for name in values}
    patch = pytest.MonkeyPatch()
    for name, value in values.items():
        jax.config.update(name, value)
        patch.setenv(name.upper(), str(value))
    patch.setenv("JAX_NUM_CPU_DEVICES", str(jax.local_device_count()))
    yield make_place(tmp_path_factory.mktemp("faults"))
    patch.undo()
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.mark.parametrize("name", CASES)
def test_it_is_survived(name: str, place: Place, tmp_path: Path):
    case = CASES[name]
    tally = case.fault(place, case.short, random.Random(1), tmp_path)
    assert tally.failures == []
