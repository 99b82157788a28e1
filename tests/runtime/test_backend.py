"""A device that is not there is told in one line that says what to do."""

from __future__ import annotations

import importlib.util
from typing import Any

import jax
import pytest

from motion_jax.errors import UserError
from motion_jax.runtime import backend

CASES = {
    "cuda": (AssertionError(), "this installation has no such device; unset it, or install the extra cuda12 or cuda13"),
    "gpu": (RuntimeError("Unable to ..."), "this installation has no such device; unset it, or install the extra cuda"),
    "tpu,cpu": (RuntimeError("Unable to"), "this installation has no such device; unset it, or install the extra tpu"),
    "gpuu": (RuntimeError("Unable to ..."), "this installation has no such device; known are cpu, cuda and tpu"),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes JAX fail for a platform; the packages that are installed do not matter."""

    def answer_of(platform: str | None, error: Exception, installed: str = "") -> None:
        def devices() -> None:
            raise error

        monkeypatch.setattr(jax, "devices", devices)
        jax.config.update("jax_platforms", platform)
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == installed or None)

    before = jax.config.values["jax_platforms"]
    yield answer_of
    jax.config.update("jax_platforms", before)


@pytest.mark.parametrize("platform", CASES)
def test_an_absent_platform(platform: str, asked: Any):
    error, message = CASES[platform]
    asked(platform, error)
    with pytest.raises(UserError, match=f"^JAX_PLATFORMS={platform}: {message}"):
        backend.check_backend()


def test_a_driver_that_is_absent(asked: Any):
    asked("cuda", RuntimeError("no driver\nin two lines"), installed="jax_cuda12_plugin")
    with pytest.raises(UserError, match=r": the package for it is installed, but finds no device: no driver$"):
        backend.check_backend()


@pytest.mark.parametrize("platform", ["cpu", "", None])
def test_the_usual_is_left_to_jax(platform: str | None, asked: Any):
    """No backend is made: a command that confines the process does that first."""
    asked(platform, RuntimeError("must not be asked"))
    backend.check_backend()
    assert backend.why_no_devices() == "must not be asked"
