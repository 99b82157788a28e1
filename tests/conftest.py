"""Shared fixtures. Real motion data is at hand on some machines only; tests that want it skip visibly elsewhere."""

from __future__ import annotations

import atexit
import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

import pytest

# One thread a test process: pytest-xdist fills the cores, and small matmuls gain nothing from a pool. Most of the time
# is XLA compiling, so it optimises little here. Whoever sets XLA_FLAGS chooses: `make test-all` compiles as users do.
_QUICK = ["--xla_cpu_multi_thread_eigen=false", "--xla_backend_optimization_level=0"]
if importlib.metadata.version("jaxlib") < "0.11":  # later compilers end the process over this flag
    _QUICK.append("--xla_cpu_use_fusion_emitters=false")
os.environ.setdefault("XLA_FLAGS", " ".join(_QUICK))

# Commands that tests run keep their compiled programs here, not in the user's cache; xdist's workers share it.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real recordings (`cmu_mocap/`, `formats/`)."""
    root = Path(os.environ.get("MOTION_JAX_SHARED", Path(__file__).parents[2] / "shared")) / "data"
    if not root.is_dir():
        pytest.skip("no real motion data at hand: set MOTION_JAX_SHARED to the folder that holds data/cmu_mocap")
    return root
