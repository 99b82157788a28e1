"""What the compiler is asked for, by platform."""

from __future__ import annotations

import jax

from motion_jax.config import ComputeConfig

_GRAPHS = {
    # a loop's body launches kernels one by one, and at small batches the launches cost more than the kernels
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE",
    "xla_gpu_graph_min_graph_size": "1",  # the body of an encoder's step is shorter than the default of 5
}


def compiler_options(config: ComputeConfig) -> dict[str, str]:
    """For `jax.jit(compiler_options=)`. Empty where `config.cuda_graphs` is off, or there is no GPU to capture for."""
    return dict(_GRAPHS) if config.cuda_graphs and jax.default_backend() == "gpu" else {}
