"""Who computes a batch, and in how many parts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from motion_jax.config import ComputeConfig, Experiment, model_config
from motion_jax.runtime import devices
from motion_jax.runtime.devices import (
    merge_microbatches,
    mesh_of,
    num_microbatches,
    shard_batch,
    sharing_cores,
    split_microbatches,
)


@pytest.mark.parametrize("hidden", [64, 1024])
@pytest.mark.parametrize("asked", [0, 1, 6, 16, 1000])
def test_parts_are_equal_and_within_the_limit(hidden: int, asked: int):
    config = Experiment(model=model_config(hidden=hidden), compute=ComputeConfig(micro_batch=asked))
    for batch in range(1, 300):
        count = num_microbatches(batch, config)
        assert batch % count == 0
        if asked:
            assert batch // count <= asked
            assert all(batch % fewer or batch // fewer > asked for fewer in range(1, count))


def test_the_platform_chooses(monkeypatch: pytest.MonkeyPatch):
    narrow, wide = (Experiment(model=model_config(hidden=hidden)) for hidden in (512, 513))
    assert [num_microbatches(batch, narrow) for batch in (1, 16, 17, 24, 128, 1024)] == [
        1,
        1,
        1,
        2,
        8,
        64,
    ]  # 17 is prime
    assert [num_microbatches(batch, wide) for batch in (16, 128, 512)] == [1, 1, 4]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert [num_microbatches(batch, narrow) for batch in (16, 1024)] == [1, 1]
    assert num_microbatches(1024, Experiment(compute=ComputeConfig(micro_batch=256))) == 4
    assert sharing_cores(1024, 256) == 1


def test_cores_share_where_each_gets_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jax, "local_device_count", lambda: 6)
    assert [sharing_cores(batch, 256) for batch in (1, 8, 15, 16, 17, 48, 64)] == [1, 1, 1, 2, 1, 6, 4]
    assert sharing_cores(48, 1024) == 1


def test_join_undoes_split():
    rows = {"x": np.arange(24).reshape(12, 2), "empty": np.zeros((12, 0))}
    for count in (1, 2, 3, 12):
        divided = split_microbatches(rows, count)
        assert divided["x"].shape == (count, 12 // count, 2)
        np.testing.assert_array_equal(divided["x"][0], rows["x"][::count])
        for name, back in merge_microbatches(divided).items():
            np.testing.assert_array_equal(back, rows[name])


def test_rows_lie_beside_the_parameters():
    rows = (np.zeros((4, 3)), np.ones(4))
    assert shard_batch(np.zeros(2), rows) == (rows, 1)  # not on a device
    assert shard_batch(None, rows) == (rows, 1)  # nothing to lie beside
    assert shard_batch(jnp.zeros(2), rows) == (rows, 1)
    mesh = mesh_of(1)
    held = jax.device_put(np.zeros(2), jax.NamedSharding(mesh, jax.P()))
    placed, count = shard_batch(held, rows)
    assert count == mesh.size == 1
    assert placed[0].sharding.spec == jax.P(devices.DATA)
    np.testing.assert_array_equal(placed[1], rows[1])


def test_cores_are_used_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(jax.config, "update", lambda name, value: asked.append((name, value)))
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    devices.use_cores()
    assert asked == [("jax_num_cpu_devices", 3)]
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=8")
    devices.use_cores()
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")
    devices.use_cores()
    assert len(asked) == 1
