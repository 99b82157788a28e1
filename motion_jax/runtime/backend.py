"""The platform: whether JAX has the one that was asked for, and what its compiler is asked for."""

from __future__ import annotations

import importlib.util

import jax

from motion_jax.config import ComputeConfig
from motion_jax.errors import UserError

_GRAPHS = {
    # a loop's body launches kernels one by one, and at small batches the launches cost more than the kernels
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
    "xla_gpu_graph_min_graph_size": "1",  # the body of an encoder's step is shorter than the default of 5
}
_CUDA = ("jax_cuda12_plugin", "jax_cuda13_plugin")
_PLUGINS = {"cuda": _CUDA, "gpu": _CUDA, "tpu": ("libtpu",)}
_EXTRAS = {"cuda": "cuda12 or cuda13", "gpu": "cuda12 or cuda13", "tpu": "tpu"}


def compiler_options(config: ComputeConfig) -> dict[str, str]:
    """For `jax.jit(compiler_options=)`. Empty where `config.cuda_graphs` is off, or there is no GPU to capture for."""
    return dict(_GRAPHS) if config.cuda_graphs and jax.default_backend() == "gpu" else {}


def check_backend() -> None:
    """Makes JAX's backend where JAX_PLATFORMS asks for one other than the CPU; else JAX takes the best that there is.

    Raises:
        UserError: there is no such device here.
    """
    asked = jax.config.values["jax_platforms"]
    if asked and asked != "cpu" and (reason := why_no_devices()):
        raise UserError(f"JAX_PLATFORMS={asked}: {reason}")


def why_no_devices() -> str:
    """Why JAX has no device of the platform that JAX_PLATFORMS names; empty where it has one."""
    try:
        jax.devices()
    except Exception as error:  # JAX raises RuntimeError, and AssertionError where a platform cannot be known
        return _explain(jax.config.values["jax_platforms"] or "", error)
    return ""


def _explain(asked: str, error: Exception) -> str:
    names = [name for name in asked.split(",") if name not in ("", "cpu")]
    if any(importlib.util.find_spec(plugin) for name in names for plugin in _PLUGINS.get(name, ())):
        first = str(error).strip().partition("\n")[0]
        return f"the package for it is installed, but finds no device: {first or type(error).__name__}"
    if not names:
        return str(error).strip().partition("\n")[0]
    extras = [_EXTRAS[name] for name in names if name in _EXTRAS]
    install = f"unset it, or install the extra {extras[0]}" if extras else "known are cpu, cuda and tpu"
    return f"this installation has no such device; {install}"
