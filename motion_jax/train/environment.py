"""The environment of a run: the settings of JAX that decide which numbers come out, beside the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax


class Setting(NamedTuple):
    """One of them."""

    variable: str  # of the environment, that sets it; "" where none does
    decides: bool  # whether another value moves results by more than rounding


SETTINGS = {
    "x64": Setting("JAX_ENABLE_X64", True),
    "matmul_precision": Setting("JAX_DEFAULT_MATMUL_PRECISION", True),
    "prng": Setting("JAX_DEFAULT_PRNG_IMPL", True),
    "threefry_partitionable": Setting("JAX_THREEFRY_PARTITIONABLE", True),
    "jax": Setting("", False),
    "backend": Setting("JAX_PLATFORMS", False),
    "devices": Setting("", False),
}
"""By their names in the record of a run. Bitwise equal is what is computed with all of them equal, on one machine."""

ACCEPT = "accept_environment"  # the flag of `motion-jax train`


def environment(devices: int) -> dict[str, Any]:
    """The settings here, as plain values; `devices` share a batch."""
    return {
        "x64": bool(jax.config.values["jax_enable_x64"]),
        "matmul_precision": jax.config.values["jax_default_matmul_precision"],
        "prng": jax.config.values["jax_default_prng_impl"],
        "threefry_partitionable": bool(jax.config.values["jax_threefry_partitionable"]),
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "devices": devices,
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any], decides: bool) -> list[str]:
    """What differs, of the settings that decide or of the others, each as "x64: False there, True here (VARIABLE)"."""
    found = []
    for name, setting in SETTINGS.items():
        if setting.decides == decides and name in before and name in now and before[name] != now[name]:
            variable = f" ({setting.variable} sets it)" if setting.variable else ""
            found.append(f"{name}: {before[name]!r} there, {now[name]!r} here{variable}")
    return found
